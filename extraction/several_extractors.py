"""The same images with several extractors."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from ..arguments import require_timeout
from ..errors import UsageError
from ..features import ExtractorSpec, find_backbone
from ..features.backbones.opening import is_file_name, open_backbone, path_of
from ..features.backbones.spec import SettingError, extractor_name
from .extract_dataset import extract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..datasets import Dataset
    from ..features.backbones.registry import Backbone
    from .feature_table import FeatureTable

logger = logging.getLogger(__name__)

_OF_SPEC = ("weights", "fit", "grey16", "size", "layer", "scaling", "pooling")


def extract_each(
    dataset: Dataset, extractors: Sequence[str | os.PathLike[str]], **settings: Any
) -> list[FeatureTable]:
    """As `extract`, with each of several extractors.

    A setting that means something to one of them and nothing to another, such as ``scaling`` to a
    network of the registry, is left out for that one, and a warning says so.

    Parameters
    ----------
    dataset
        From `load_dataset`.
    extractors
        As `extract` takes one.
    settings
        The other parameters of `extract`.

    Raises
    ------
    UsageError
        When one of them is there twice, or a setting means nothing to any of them; and as
        `extract`, before any image is read.
    WeightsNotFoundError, EngineError, CacheLockedError, CacheError
        As `extract`.
    """
    _require_different([extractor_name(extractor) for extractor in extractors])
    own = [dict(settings) for _ in extractors]
    if len(extractors) > 1:
        _leave_out(extractors, own)
    return [
        extract(dataset, extractor, **chosen)
        for extractor, chosen in zip(extractors, own, strict=True)
    ]


def names_of(
    tables: Sequence[FeatureTable], extractors: Sequence[str | os.PathLike[str]]
) -> list[str]:
    """What the extractors of tables are called: as in the recipe or, where that is equal, by path.

    Parameters
    ----------
    tables
        From `extract_each`.
    extractors
        With which they were made.
    """
    own = [table.recipe.extractor for table in tables]
    return [
        str(extractor) if own.count(name) > 1 else name
        for name, extractor in zip(own, extractors, strict=True)
    ]


def _require_different(extractors: Sequence[str]) -> None:
    """Raise UsageError for one that is there twice, however it is written."""
    same = [
        os.path.realpath(path_of(name)) if is_file_name(name) else find_backbone(name).name
        for name in extractors
    ]
    twice = [name for name, one in zip(extractors, same, strict=True) if same.count(one) > 1]
    if twice:
        raise UsageError(f"expected each extractor once, received {', '.join(twice)}")


def _leave_out(extractors: Sequence[str | os.PathLike[str]], own: list[dict[str, Any]]) -> None:
    """Take out of the settings of each extractor what means nothing to it."""
    refused: dict[str, list[tuple[str, SettingError]]] = {}
    for extractor, settings in zip(extractors, own, strict=True):
        while (error := meaningless_setting(extractor, settings)) is not None:
            del settings[error.setting]
            refused.setdefault(error.setting, []).append((str(extractor), error))
    for setting, each in refused.items():
        if len(each) == len(extractors):
            raise each[0][1]
        logger.warning(
            "--%s means nothing to %s, and is left out there",
            setting,
            " and ".join(name for name, _ in each),
        )


def meaningless_setting(
    extractor: str | os.PathLike[str], settings: dict[str, Any]
) -> SettingError | None:
    """An error that names a setting which means nothing to an extractor, if there is one."""
    try:
        opened_backbone(extractor, settings)
    except SettingError as error:
        return error
    return None


def opened_backbone(extractor: str | os.PathLike[str], settings: Mapping[str, Any]) -> Backbone:
    """The network that `extract` would run with these keywords; raises as `open_backbone`."""
    chosen = {name: settings[name] for name in _OF_SPEC if settings.get(name) is not None}
    timeout_s = require_timeout("download_timeout_s", settings.get("download_timeout_s"))
    spec = ExtractorSpec.of(extractor, **chosen)
    return open_backbone(spec, timeout_s, settings.get("progress"))[0]

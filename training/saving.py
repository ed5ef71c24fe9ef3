"""Writing a trained head, or a fitted estimator, to a head file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..arguments import is_one_of, received, require_path, type_of
from ..cache import CacheFolder
from ..classifier import Head, write_head_file
from ..classifier.given_head import head_in
from ..classifier.head_file import may_be_replaced
from ..classifier.registry import HEADS, saved_head_names
from ..errors import HeadFileError, NotAHeadError, UsageError
from ..extraction.golden_rows import keep_golden_images
from ..features import ExtractorSpec, find_backbone, open_extractor, recipe_for
from ..features.backbones.opening import KINDS, is_file_name
from ..features.backbones.spec import extractor_name
from ..precisions import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..classifier.estimator import LayeredHead
    from ..features import Extractor
    from .trained import Trained


def save_head(
    trained: Trained | Head | LayeredHead,
    path: str | os.PathLike[str],
    *,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] = "imagenet",
    fit: str | None = None,
    grey16: str = "scale",
    size: int | None = None,
    layer: str | Sequence[str] | None = None,
    scaling: str | None = None,
    pooling: str | None = None,
    precision: str = "float32",
    cache: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Head:
    """Write a head to a file that `load_predictor` and `bottlebank serve` read.

    Parameters
    ----------
    trained
        What `train_head` returns, or its head; or a fitted `LogisticHead` or `DenseHead`, or a
        search of scikit-learn whose best estimator is one.
    path
        The head file.
    extractor
        The network whose transfer values a fitted estimator was trained on. A trained head knows
        this itself, and what follows.
    weights, fit, grey16, size, layer, scaling, pooling
        As in the `extract` whose transfer values these were.
    precision
        What they were computed in: `table.report.precision`.
    cache
        A cache folder; remembers the hash of the weights.
    progress
        Show on stderr the conversion of a network that is not in the cache yet: as in `extract`.

    Raises
    ------
    NotAHeadError
        When it is something else, or not fitted.
    UsageError
        When the extractor is missing, or is not what the head was fitted on; or when a file is
        there that is not a head, such as a photograph.
    HeadFileError
        When the file cannot be written.

    Examples
    --------
    >>> bb.save_head(bb.train_head(table), "head.h5")  # doctest: +SKIP
    """
    head = head_in(trained)
    estimator = fitted_head(trained) if head is None else head
    file = require_path(path, "the path of a head file", "bb.save_head(trained, 'head.h5')")
    _require_replaceable(file)
    if isinstance(estimator, Head):
        own = estimator.recipe
        if extractor is not None and not _may_mean(extractor, own):
            raise UsageError(
                f"the head was trained on transfer values of {own['extractor']}, not of "
                f"{extractor}: leave out extractor, since the head knows it"
            )
        write_head_file(estimator, file)
        return estimator
    if extractor is None:
        raise UsageError(
            "expected extractor=, the name of the network whose transfer values the estimator was "
            "fitted on, such as extractor=table.report.extractor"
        )
    if not is_one_of(precision, PRECISIONS):
        raise UsageError(
            f"unknown precision {received(precision)}: expected {', '.join(PRECISIONS)}, as "
            f"table.report.precision has it"
        )
    with CacheFolder(cache) as folder:
        recipe, found = recipe_for(
            ExtractorSpec.of(
                extractor,
                weights=weights,
                fit=fit,
                grey16=grey16,
                size=size,
                layer=layer,
                scaling=scaling,
                pooling=pooling,
            ),
            digest=folder.sha256_of_file,
            progress=progress,
        )
        if estimator.layers_.n_features != recipe.width:
            raise UsageError(
                f"the head was fitted on {estimator.layers_.n_features} numbers per image, "
                f"{recipe.extractor} gives {recipe.width}: name the extractor it was fitted on"
            )

        def start() -> Extractor:
            networks = folder.networks
            return open_extractor(
                recipe,
                lambda: found,
                precisions=[precision],
                networks=networks,
                progress=progress,
            )

        golden = keep_golden_images(folder, recipe, precision, start)
    head = Head(
        kind=estimator.kind,
        classes=tuple(str(label) for label in estimator.classes_),
        layers=estimator.layers_,
        recipe=recipe.as_dict(),
        precision=precision,
        golden=golden,
    )
    write_head_file(head, file)
    return head


def _may_mean(extractor: str | os.PathLike[str], own: Mapping[str, Any]) -> bool:
    """Whether a name can be that of a head's own extractor; a file may be called anything."""
    name = extractor_name(extractor)
    if is_file_name(name):
        return own["architecture"] in KINDS
    return find_backbone(name).name == own["extractor"]


def _require_replaceable(path: Path) -> None:
    if os.path.isdir(path):  # noqa: PTH112 (False where a name is too long)
        raise HeadFileError(f"{path} cannot be written: it is a folder; name a file in it")
    try:
        may_replace = may_be_replaced(path)
    except OSError as error:
        raise HeadFileError(f"{path} cannot be written: {error.strerror or error}") from error
    if not may_replace:
        raise UsageError(
            f"{path} exists and is not a head file, so it is not overwritten; choose another name, "
            f"or delete it first"
        )


def fitted_head(estimator: Any) -> LayeredHead:
    """Give the estimator whose layers can be written, or the best one of a search.

    Raises
    ------
    NotAHeadError
        With what to do instead.
    """
    found = getattr(estimator, "best_estimator_", estimator)
    name = type_of(found)
    if hasattr(found, "layers_") and hasattr(found, "classes_"):
        return found
    classes = [HEADS[head].class_name for head in saved_head_names()]
    remedy = (
        f"fit {' or '.join(f'bb.{name}()' for name in classes)} on table.features, and save that"
    )
    kind = getattr(found, "kind", None)
    if isinstance(found, type):
        reason, remedy = f"received {name}", f"save {found.__name__}().fit(…)"
    elif isinstance(found, (str, os.PathLike)):
        reason = f"received {name}"
        remedy = "the head comes before the path, bb.save_head(trained, 'head.h5')"
    elif kind in HEADS and HEADS[kind].not_saved:
        reason = f"received {name}, which {HEADS[kind].not_saved}"
    elif kind in HEADS or hasattr(found, "param_grid"):
        reason = f"received {name} that is not fitted"
        remedy = "call its fit(table.features, table.labels) first"
    elif hasattr(found, "steps"):
        reason = f"received {name}, whose steps before the last cannot be written"
        remedy += "; it standardises the features itself"
    else:
        reason = f"received {name}"
    raise NotAHeadError(
        f"expected what train_head returns, or a fitted {' or '.join(classes)}; {reason}: {remedy}"
    )

"""Transfer values by a head: how they are made is the head's, and no option beside it says it.

A command that has --head and the options of an extraction goes by this, so that no head is given
other transfer values than it knows, and no option is passed over in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ...errors import UsageError
from . import choices

if TYPE_CHECKING:
    from ...classifier.head import Head
    from ...datasets import Dataset
    from ...extraction import FeatureTable

_HEADS_OWN = ("fit", "grey16", "size", "layer", "scaling", "pooling")
"""What the recipe of a head says."""
_TAKEN = ("extractor", "weights", "max_pixels", "workers", "memory", "engine", "precision", "cache")
"""What counts beside it; another extractor, or other weights, than the head's are refused."""
_LOADING = ("extractor", "weights", "engine", "precision", "cache")


def require_head_decides(head: str | None, extraction: dict[str, Any]) -> None:
    """Refuse options beside a head that are of its recipe, before anything is read.

    Raises
    ------
    UsageError
        Then; the message names all of them.
    """
    if head is None:
        return
    named = [f"--{name}" for name in _HEADS_OWN if extraction.get(name) is not None]
    if extraction.get("store", choices.STORES[0]) != choices.STORES[0]:
        named.append("--store")
    if named:
        one = len(named) == 1
        raise UsageError(
            f"{' and '.join(named)} {'comes' if one else 'come'} from the head {head}, which says "
            f"how its transfer values are made: leave {'it' if one else 'them'} out beside --head, "
            f"or train a head on others"
        )


def extract_seen_by(
    head: str | None, dataset: Dataset, extraction: dict[str, Any]
) -> tuple[FeatureTable, Head | None]:
    """The table of a dataset, by the recipe of a head where there is one; and that head.

    `extraction` is what `options.extraction` gives, checked by `require_head_decides`.
    """
    if head is None:
        from ...extraction import extract

        return extract(dataset, **extraction), None
    from ...training import extract_for_head

    return extract_for_head(dataset, head, **_taken(extraction, _TAKEN))


def loading_beside_head(extraction: dict[str, Any]) -> dict[str, Any]:
    """What of an extraction counts beside a head where its network is opened."""
    return _taken(extraction, _LOADING)


def _taken(extraction: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    given = {name: extraction[name] for name in names if name in extraction}
    if not _is_given("weights"):  # ImageNet's by default: the head knows its own
        given.pop("weights", None)
    return given


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT)

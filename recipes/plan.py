"""What a recipe does with the extractor that is used, decided before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..export.registry import find_exporter, require_exportable
from ..extraction.several_extractors import meaningless_setting, opened_backbone
from ..features.backbones.tuning.tunable import require_tunable
from .known import BASELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..features.backbones.registry import Backbone
    from .known import KnownSystem

NO_EXPORT = "none"


class Plan(NamedTuple):
    """Settings of the recipe, those that were chosen in their place, and what is left of both."""

    extraction: Mapping[str, Any]
    """Keywords of `extract`."""
    beside: tuple[str, Mapping[str, Any]] | None
    """What is tried beside it: how it is called, and all keywords of `extract`."""
    unfreeze: int
    export: str | None
    left_out: list[str]
    """Settings of the recipe that mean nothing to the extractor."""


def plan_for(
    system: KnownSystem, chosen: Mapping[str, Any], unfreeze: int | None, export: str | None
) -> Plan:
    """Leave out what the recipe has and the extractor cannot do.

    Parameters
    ----------
    system
        The recipe.
    chosen
        Keywords of `extract` that were chosen.
    unfreeze, export
        As in `run_system`.

    Raises
    ------
    UsageError
        When the extractor cannot do what was chosen.
    """
    extraction = {**system.extraction, **chosen}
    left_out = _leave_out(extraction, chosen)
    backbone = opened_backbone(extraction["extractor"], extraction)
    if export is not None and export != NO_EXPORT:
        find_exporter(export).require_installed(quantize=False)

    def possible(name: str, value: Any, own: Any, require: Callable[[Any, Backbone], None]) -> Any:
        value, is_chosen = (own, False) if value is None else (value, True)
        if not value or value == NO_EXPORT:
            return None
        try:
            require(value, backbone)
        except UsageError:
            if is_chosen:
                raise
            left_out.append(name)
            return None
        return value

    blocks = possible(
        "unfreeze", unfreeze, system.unfreeze, lambda _, found: require_tunable(found)
    )
    format = possible("export", export, system.export, require_exportable)
    if format is not None:
        find_exporter(format).require_installed(quantize=False)
    return Plan(
        extraction,
        _beside(system, extraction, {*left_out, *chosen}),
        blocks or 0,
        format,
        left_out,
    )


def require_meaning(system: KnownSystem, typed: Iterable[str]) -> None:
    """Refuse options of a head where the recipe trains none.

    Raises
    ------
    UsageError
        With their names.
    """
    names = sorted(typed)
    if system.head is None and names:
        some = ", ".join(f"--{name.replace('_', '-')}" for name in names)
        raise UsageError(
            f"the recipe {BASELINE} trains three convolutions on pixels and no head, so {some} "
            f"would change nothing: leave it out"
        )


def _leave_out(extraction: dict[str, Any], chosen: Mapping[str, Any]) -> list[str]:
    """Take out what means nothing to the extractor; raises for what was chosen."""
    left_out = []
    given = {key: value for key, value in extraction.items() if key != "extractor"}
    while (error := meaningless_setting(extraction["extractor"], given)) is not None:
        if error.setting in chosen:
            raise error
        del given[error.setting], extraction[error.setting]
        left_out.append(error.setting)
    return left_out


def _beside(
    system: KnownSystem, extraction: Mapping[str, Any], decided: set[str]
) -> tuple[str, Mapping[str, Any]] | None:
    """None where it would be the same, or the extractor cannot do it."""
    if system.beside is None:
        return None
    called, others = system.beside
    other = {**extraction, **others}
    if other == extraction or set(others) & decided:
        return None
    try:
        opened_backbone(other["extractor"], other)
    except UsageError:
        return None
    return called, other

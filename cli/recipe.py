"""`bottlebank recipe`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..replaceable import writing
from .command import Option, argument, command, option
from .output import Stopwatch, print_json, say, tell
from .parameters import choices, options
from .parameters.types import COUNT, FILE, FOLDER, Choice, Name, WholeNumber
from .parameters.views import views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..recipes.known import KnownSystem

_OF_A_HEAD = ("head", "class_weight", "coverage", "views", "view_rule", "without_baseline")


_OF_RECIPES = ("extractor", "size", "fit", "scaling", "precision", "views", "view_rule", "head")


def _of_recipes(function: Any) -> Any:
    """The options below that a recipe sets have its values as defaults."""
    for param in function.__click_params__:
        if isinstance(param, Option) and (param.name in _OF_RECIPES or param.part_of == "network"):
            param.say_default("the recipe's, or that of train")
    return function


@command(example="bottlebank recipe front-back photos/ --output front-back/")
@argument(
    "name",
    required=False,
    type=Name(choices.RECIPES),
    metavar="NAME",
    help=f"one of {', '.join(choices.RECIPES)}; without it, they are listed",
)
@argument("data", required=False, type=FILE, metavar="DATA", help=options.DATA_HELP)
@options.output(
    type=FOLDER,
    metavar="DIR",
    default_in_words="./NAME",
    help="folder for the head, the report, the curves and the summary",
)
@options.reading()
@options.weights_column()
@_of_recipes
@options.head_to_train()
@options.extraction()
@views("variations of each training image to train on beside it; the cache keeps them", alone=True)
@option("--without-baseline", is_flag=True, help="do not train the baseline, and compare with none")
@option(
    "--unfreeze",
    type=WholeNumber(0),
    metavar="N",
    default_in_words="the recipe's, or 0",
    help="blocks of the network to fine-tune with the head, counted from the last",
)
@option(
    "--export",
    type=Choice(("none", *choices.FORMATS)),
    default_in_words="the recipe's, or none",
    help="format in which the head is exported too, for other programs",
)
@option(
    "--baseline-epochs",
    type=COUNT,
    default=choices.BASELINE_EPOCHS,
    metavar="N",
    help="most passes of the baseline over the images",
)
@options.seed()
@options.as_json()
def run(
    name: str | None,
    data: str | None,
    output: str | None,
    reading: dict[str, Any],
    head: str,
    class_weight: str,
    coverage: float,
    network: dict[str, Any],
    extraction: dict[str, Any],
    unfreeze: int | None,
    export: str | None,
    without_baseline: bool,
    baseline_epochs: int,
    seed: int,
    json: bool,
) -> int:
    """Run a known system from images to a report; options override what the recipe says."""
    from ..recipes.known import SYSTEMS, require_system

    if name is None:
        _list(SYSTEMS, json=json)
        return 0
    system = require_system(name)
    if data is None:
        raise click.UsageError("expected DATA after the name of the recipe")
    seconds = Stopwatch()
    folder = Path(output or name)
    from ..recipes.outcome import in_words
    from ..recipes.plan import require_meaning
    from ..recipes.run import run_system
    from ..training.head_settings import HeadSettings

    typed = _typed(network)
    require_meaning(system, [*typed, *_of_a_head(unfreeze, export)])
    kind = head if _is_typed("head") else system.head or head
    own = {**(system.network if kind == system.head else {}), **options.network_of(typed)}
    settings = HeadSettings(
        kind, None if class_weight == "none" else class_weight, coverage, seed, own
    )
    with writing(folder):
        outcome = run_system(
            name,
            system,
            data,
            folder,
            say if json else partial(tell, flush=True),
            reading=reading,
            chosen=_typed(extraction),
            settings=settings,
            unfreeze=unfreeze,
            export=export,
            with_baseline=not without_baseline,
            baseline_epochs=baseline_epochs,
        )
    if json:
        print_json({**outcome.as_dict(), "seconds": seconds()})
    else:
        tell(*in_words(outcome), f"All of it is in {folder}/ ({seconds():.1f} s)")
    return 0


def _of_a_head(unfreeze: int | None, export: str | None) -> list[str]:
    """Options that were set, and ask for something of a head or of a comparison with one."""
    names = [name for name in _OF_A_HEAD if _is_typed(name)]
    names += ["unfreeze"] * bool(unfreeze)
    return names + ["export"] * (export not in (None, "none"))


def _is_typed(name: str) -> bool:
    """Whether an option was set, and does not have its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def _typed(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if _is_typed(name)}


def _as_json(system: KnownSystem) -> dict[str, Any]:
    about = {"in_words": system.in_words, "head": system.head}
    return {**about, "extraction": dict(system.extraction), "network": dict(system.network)}


def _list(systems: Mapping[str, KnownSystem], *, json: bool) -> None:
    if json:
        print_json({name: _as_json(system) for name, system in systems.items()})
        return
    width = max(map(len, systems))
    tell(*(f"{name:<{width}}  {system.in_words}" for name, system in systems.items()))

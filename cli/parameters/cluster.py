"""Options of extraction on a cluster: `cluster`, keywords of `Cluster`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from ...extraction.cluster.settings import Cluster
from ..command import option
from .types import COUNT, Number

if TYPE_CHECKING:
    from .options import Decorator

_HERE = ""
"""--ray without an address."""


class _Checked(click.ParamType):
    """What `Cluster` takes as the value of one of its fields."""

    name = "text"

    def __init__(self, field: str) -> None:
        self._field = field

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        try:
            if value != _HERE:
                Cluster(**{self._field: value})
        except UsageError as error:
            self.fail(str(error).partition(" ")[2], param, ctx)
        return value


def _is_address(text: str) -> bool:
    """Whether what follows --ray is its address, and not DATA."""
    try:
        Cluster(text)
    except UsageError:
        return text.startswith("ray://")  # which is refused with its reason
    return True


def cluster() -> Decorator:
    """--ray and what goes with it."""
    add = partial(option, part_of="cluster", section="On a Ray cluster")
    options = [
        add(
            "--ray",
            type=_Checked("address"),
            is_flag=False,
            flag_value=_HERE,
            takes=_is_address,
            metavar="[HOST:PORT|auto]",
            help="extract on the Ray cluster at this address; without one, on a cluster that is "
            "started here and that no other machine can reach",
        ),
        add(
            "--ray-workers",
            type=COUNT,
            metavar="N",
            default_in_words="one per machine",
            help="workers in all, each with a network and --workers processes",
        ),
        add(
            "--cores-per-worker",
            type=COUNT,
            metavar="N",
            default_in_words="those of the smallest machine",
            help="CPU cores that each worker keeps busy",
        ),
        add(
            "--gpus-per-worker",
            type=Number("a number from 0 to 64", -1e-9, 64 + 1e-9),
            metavar="N",
            default_in_words="0",
            help="GPUs of each worker, such as 1 or 0.5",
        ),
        add(
            "--metrics",
            type=_Checked("metrics"),
            metavar="[HOST:]PORT",
            help="serve figures of the run for Prometheus, on this machine alone unless HOST says "
            "otherwise",
        ),
    ]

    def add_all(function: Any) -> Any:
        for each in reversed(options):
            function = each(function)
        return function

    return add_all


def cluster_of(given: dict[str, Any]) -> Cluster | None:
    """The cluster that the options describe; None without --ray.

    Raises
    ------
    UsageError
        For another of the options without it.
    """
    names = {
        "ray_workers": "workers",
        "cores_per_worker": "cores",
        "gpus_per_worker": "gpus",
        "metrics": "metrics",
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    address = chosen.pop("ray", None)
    if address is None:
        if chosen:
            name = next(iter(chosen)).replace("_", "-")
            raise UsageError(f"--{name} is of extraction on a cluster: add --ray")
        return None
    settings = {names[name]: value for name, value in chosen.items()}
    return Cluster(address or None, **settings)

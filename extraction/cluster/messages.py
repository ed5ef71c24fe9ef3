"""What the driver and its workers say to each other."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...cache import Rejection
    from ...cache.shards.shard import Contents
    from ...cache.storage import Storage
    from ...features import Recipe
    from ...features.backbones.weights import Weights
    from ..image_files import HashedFile, UnreadableFile


def version() -> str:
    """Of bottlebank on this machine."""
    return metadata.version("bottlebank")


class Order(NamedTuple):
    """What all files of a run have in common."""

    version: str
    """Of bottlebank: workers have the same."""
    recipe: Recipe
    weights: Weights
    files: Mapping[str, bytes]
    """Of the weights, by path, for machines on which they are not; empty where none is remote."""
    storage: Storage
    """Of the recipe: its variants are below it."""
    variant: str
    sign: str
    """Name of a blob that the driver has put into the variant's folder."""
    engine: str
    networks: str
    """Where converted networks are kept, on machines that can write there."""
    max_pixels: int
    most_views: int
    commit_every: int
    n_processes: int | None
    memory_bytes: int | None
    """What the processes of one worker may take, as `Allowed` has it."""


class About(NamedTuple):
    """A worker that is ready."""

    node: str
    pid: int
    engine: str
    startup_s: float


class Asked(NamedTuple):
    """Files that a worker has hashed; it waits for the views of each that it is to decode."""

    files: Sequence[HashedFile | UnreadableFile]


class Computed(NamedTuple):
    """What the network has done; its rows are not committed yet."""

    n_rows: int
    rejections: Sequence[Rejection]
    brightest: Sequence[int | None]
    """As `Features` has it."""


class Committed(NamedTuple):
    """A shard that is in the cache now."""

    shard: Contents


class Finished(NamedTuple):
    """All of a chunk is committed."""

    waited_s: Mapping[str, float]
    """For each stage, as `Waiting` counts it."""


class Failed(NamedTuple):
    """What will not do on this worker, or for any."""

    kind: str
    """Name of the error's class."""
    reason: str
    attempts: Sequence[tuple[str, str]] = ()
    """Of engines, as `EngineError` has them."""


class Lost(NamedTuple):
    """The worker is gone, with all that it had not committed."""

    reason: str


Event: TypeAlias = About | Asked | Computed | Committed | Finished | Failed | Lost

"""A variant: how the rows of a recipe were computed and how they are stored."""

from __future__ import annotations

from typing import NamedTuple

from ..arguments import is_one_of, received
from ..errors import UsageError
from ..precisions import PRECISIONS

STORAGES = ("float32", "float16")


def require_known_storage(storage: str) -> None:
    """Raise UsageError unless `storage` is one of `STORAGES`, or ``auto``."""
    if not is_one_of(storage, ("auto", *STORAGES)):
        raise UsageError(
            f"unknown storage {received(storage)}: expected auto, {', '.join(STORAGES)}"
        )


class Variant(NamedTuple):
    """Rows of two variants never mix."""

    precision: str
    """What the network computed in: one of `PRECISIONS`."""
    storage: str = "float32"
    """What a number takes in a shard: ``float32``, or ``float16`` at half the size."""

    @property
    def name(self) -> str:
        """Name of the folder: the precision, and the storage where it is not float32."""
        return self.precision if self.storage == "float32" else f"{self.precision}-{self.storage}"

    @classmethod
    def parse(cls, name: str) -> Variant:
        """Read a folder's name.

        Raises
        ------
        ValueError
            When it is not a variant's: names come from other people's files, and become paths.
        """
        precision, _, storage = name.partition("-")
        found = cls(precision, storage or "float32")
        if precision not in PRECISIONS or storage not in ("", *STORAGES) or found.name != name:
            known = ", ".join(variant.name for variant in every_variant())
            raise ValueError(f"unknown variant {name[:100]!r}: expected {known}")
        return found


def every_variant() -> list[Variant]:
    """All that a recipe can have."""
    return [Variant(precision, storage) for precision in PRECISIONS for storage in STORAGES]

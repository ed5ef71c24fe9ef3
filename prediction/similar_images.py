"""What a search for similar images finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class SimilarImage:
    """An image of a table that is like another one."""

    path: str
    label: str
    """Empty where it has no class."""
    similarity: float
    """Cosine of the transfer values, -1 to 1."""
    row: int
    """Of the table."""
    key: str
    """SHA-256 of the file, hexadecimal."""


@dataclass(frozen=True)
class SimilarImages:
    """The images of a table that are most similar to another one: iterate over them."""

    image: str
    """The path of the other one, or how it is called; empty where it has no name."""
    nearest: list[SimilarImage]
    """The most similar first; of equally similar ones, in the order of the table."""
    same: list[SimilarImage]
    """Those whose files have the very bytes of the image; they are not among the nearest."""
    recall: float = 1.0
    """0 to 1: the share of the ten nearest images that such a search finds; 1 where all images are
    compared."""

    def __iter__(self) -> Iterator[SimilarImage]:
        return iter(self.nearest)

    def __len__(self) -> int:
        return len(self.nearest)

    def __getitem__(self, position: int) -> SimilarImage:
        return self.nearest[position]

    def __repr__(self) -> str:
        lines = [
            f"<SimilarImages: {counted(len(self.nearest), 'image')}, and {len(self.same)} the same"
        ]
        lines += [f"  {each.similarity:6.3f}  {each.label}  {each.path}" for each in self.nearest]
        return "\n".join(lines) + ">"

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

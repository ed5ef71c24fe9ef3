"""What is predicted of one image: a list of pairs that also says whether to believe it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..untrusted.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 5


class Prediction(list[tuple[str, float]]):
    """(label, probability) of one image, the most probable first.

    It is a list: it iterates, indexes and compares as one. It is empty where there is an `error`.

    Attributes
    ----------
    unknown : bool
        Whether the image resembles none of the classes, or several: then the probabilities mean
        little.
    error : str or None
        Why the image was rejected.
    note : str or None
        What may have made the prediction wrong: that a picture of 16 bits per channel came out
        nearly black. It is not known of an image whose transfer values were in the cache.
    path : str
        Where it came from; empty for an image that has no name.
    """

    def __init__(
        self,
        ranked: Iterable[tuple[str, float]] = (),
        *,
        unknown: bool = False,
        error: str | None = None,
        path: str = "",
        note: str | None = None,
    ) -> None:
        """From pairs, the most probable first."""
        super().__init__(ranked)
        self.unknown = unknown
        self.error = error
        self.path = path
        self.note = note

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """The pairs, as a plain list."""
        return list(self)

    @property
    def label(self) -> str | None:
        """The most probable class, also of an unknown image; None where there is an error."""
        return self[0][0] if self else None

    @property
    def probability(self) -> float | None:
        """That of `label`, 0 to 1."""
        return self[0][1] if self else None

    def in_words(self) -> str:
        """One line: that it is unknown, or its classes and their probabilities."""
        if self.error is not None:
            return f"error: {self.error}"
        if self.unknown:
            return f"unknown: resembles none of the classes, or several (best guess {self.label})"
        return ", ".join(f"{label} {100 * share:.1f} %" for label, share in self)

    def __repr__(self) -> str:
        words = self.in_words()
        if self.error is None and not self.unknown and len(self) > _SHOWN:
            first = Prediction(self[:_SHOWN]).in_words()
            words = f"{first}, … {len(self) - _SHOWN} more"
        if self.note is not None:
            words = f"{words} ({self.note})"
        return shown(words)

    def _repr_html_(self) -> str:
        """For notebooks."""
        if self.error is not None or self.unknown:
            return f"<p>{escape(repr(self))}</p>"
        rows = "".join(
            f"<tr><td>{escape(label)}</td><td>{100 * share:.1f} %</td></tr>"
            for label, share in self[:_SHOWN]
        )
        more = f"<p>… {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        if self.note is not None:
            more += f"<p>{escape(self.note)}</p>"
        return f"<table><tr><th>class</th><th>probability</th></tr>{rows}</table>{more}"

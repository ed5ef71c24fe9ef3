"""How far UMAP is. It calls nobody back: it prints, and that is read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..progress import Progress


def umap_epochs(bar: Progress, n_epochs: int) -> dict[str, Any]:
    """UMAP's `tqdm_kwds`: its bar becomes the note of `bar`; in notebooks with widgets, nothing.

    A widget writes into no file, and two for one piece of work confuse.
    """
    from tqdm.auto import tqdm
    from tqdm.std import tqdm as in_text

    return {
        "disable": tqdm.display is not in_text.display,
        "file": _Epochs(bar, n_epochs),
        "bar_format": "{n}",
        "mininterval": 0.2,
        "miniters": 1,
        "leave": False,
    }


class _Epochs(io.TextIOBase):
    def __init__(self, bar: Progress, n_epochs: int) -> None:
        self._bar, self._n_epochs = bar, n_epochs

    def write(self, text: str) -> int:
        number = text.strip()
        if number.isdecimal():
            self._bar.note(f"epoch {number} of {self._n_epochs}")
        return len(text)

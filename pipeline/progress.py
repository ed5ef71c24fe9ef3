"""A progress bar over images, on a terminal or in a notebook."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from tqdm.auto import tqdm


def progress_of(images: object, progress: bool | None) -> Any:
    """A bar on stderr; `progress` None shows it on a terminal only."""
    return tqdm(
        total=len(images) if isinstance(images, Sized) else None,
        desc="Predicting",
        unit=" images",
        disable=None if progress is None else not progress,
    )

"""Which head answers when the service starts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import HeadFileError, UsageError
from ..prediction import load_predictor
from .heads import Heads, Served, read_stamps, refusal_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..prediction import Predictor
    from .settings import Settings

logger = logging.getLogger(__name__)


def open_heads(settings: Settings, on_load: Callable[[str], None] = lambda result: None) -> Heads:
    """Load the head that answers first, with its extractor.

    In a folder, the oldest good head (of the named extractor, if there is one) decides the
    extractor, and the newest that fits it answers. So a restarted server answers with the same head
    as the running one would.

    Raises
    ------
    UsageError
        When the settings name no head, or both a head and a folder.
    HeadFileError
        When no head can be loaded.
    HeadMismatchError
        As `load_predictor`.
    """
    if (settings.head is None) == (settings.heads is None):
        raise UsageError("name one head file, or a folder of them")
    if settings.heads is None:
        path = Path(settings.head or "")
        served = Served(path.name, _load(path, settings))
        return Heads(served, parity=settings.parity, on_load=on_load)
    folder = Path(settings.heads)
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}")
    stamps = read_stamps(folder)
    names = sorted(stamps, key=lambda name: (stamps[name].modified_ns, name))  # the oldest first
    if not names:
        raise HeadFileError(
            f"no head file (*.h5) in {folder}: make one with "
            f"`bottlebank train DATA --output {folder / 'head.h5'}`"
        )
    refused: dict[str, str] = {}

    def refuse(name: str, error: Exception) -> None:
        refused[name] = refusal_reason(error, folder / name)
        logger.warning("head %s is refused: %s", name, " ".join(str(error).split()))
        on_load("refused")

    oldest = None
    for name in names:
        try:
            oldest = Served(name, _load(folder / name, settings))
            break
        except Exception as error:  # noqa: BLE001 (no file may keep the others from answering)
            refuse(name, error)
    if oldest is None:
        newest = names[-1]
        raise HeadFileError(
            f"none of the {len(names)} head files in {folder} can be served; the newest, "
            f"{newest}: {refused[newest]}"
        )
    served = oldest
    for name in reversed(names[names.index(oldest.name) + 1 :]):
        try:
            served = Served(name, oldest.predictor.with_head(folder / name, settings.parity))
            break
        except Exception as error:  # noqa: BLE001 (as above)
            refuse(name, error)
    logger.info("the extractor is %s, of head %s", served.predictor.extractor_name, oldest.name)
    return Heads(
        served,
        folder,
        stamps=stamps,
        refused=refused,
        parity=settings.parity,
        on_load=on_load,
    )


def _load(path: str | os.PathLike[str], settings: Settings) -> Predictor:
    predictor = load_predictor(
        path,
        cache=settings.cache,
        extractor=settings.extractor,
        weights=settings.weights,
        engine=settings.engine,
        precision=settings.precision,
        parity=settings.parity,
        many=True,
    )
    _ = predictor.extractor  # starts it now, so that a head that cannot be served is skipped
    return predictor

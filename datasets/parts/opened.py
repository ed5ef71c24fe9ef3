"""DATA, looked through once and ready to be gone through in parts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...errors import DatasetError
from ..sources import FOLDER, TABLE, TABLES, require_source, why_empty
from . import lists, tables, tree
from .part import NO_MEMORY

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from .part import Memory, Parts

logger = logging.getLogger(__name__)


def parts_of(
    source: str | os.PathLike[str],
    *,
    exclude: Sequence[str] = (),
    class_level: int | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    image_root: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
    memory: Memory = NO_MEMORY,
) -> Parts:
    """As `load_dataset`, without the names of the images, and what is declared of them.

    All of it is looked through, so that what `load_dataset` refuses is refused, and the same notes
    are logged. Archives and tables that `memory` knows are not opened.

    Raises
    ------
    DatasetError, UsageError
        As `load_dataset`.
    """
    options = {
        "path_column": path_column,
        "label_column": label_column,
        "weights_column": None,
        "image_root": image_root,
        "encoding": encoding,
    }
    path, class_level, kind = require_source(source, exclude, class_level, options)
    if kind == FOLDER:
        parts: Parts = tree.survey(path, exclude, class_level, memory)
    elif kind == TABLES:
        parts = tables.survey(path, exclude, options, memory)
    else:
        parts = lists.survey(path, options, memory, is_table=kind == TABLE)
    parts.memory = memory
    if not parts.n_images and not parts.unreadable:
        raise DatasetError(why_empty(path, parts.ignored, parts.ignored_kinds))
    for note in parts.notes:
        logger.warning("note: %s", note)
    return parts

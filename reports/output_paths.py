"""Looking at outputs before any work: can they be written, and what would they replace?"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..atomic_file import TEMPORARY_PREFIX
from ..errors import BottlebankError, UsageError
from ..replaceable import require_replaceable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..datasets import Dataset

_BEGINNING_BYTES = 8192
# Up to 0.1.0 the page did not name what had made it: it began with these lines.
_PAGE_BEGINS = re.compile(
    rb"""<!doctype html>\s+<html lang="en">\s+<head>\s+<meta charset="utf-8">\s+"""
    rb"""(<meta name="generator" content="bottlebank">"""
    rb"""|<meta http-equiv="Content-Security-Policy"\s+"""
    rb"""content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">)"""
)
_NUMBERS_BEGIN = re.compile(
    rb"""\{("split": "\w+", "images": \d+, "accuracy": |"cross_validated": \{"folds": \d+, )"""
)
_SUMMARY_BEGINS = re.compile(rb"""\{\s*"recipe": "[\w-]+",\s*"extractor": """)


class Kind(NamedTuple):
    """A kind of file that is written, and how one that is there already is recognised."""

    words: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Path], bool]


def require_output(
    output: str | os.PathLike[str], kind: Kind, inputs: Iterable[str | None] = ()
) -> Path:
    """The path of a file that can be written and that replaces nothing but a file of its kind.

    Raises
    ------
    UsageError
        When its extension is another, it cannot be written, it is one of `inputs`, or a file is
        there that is of another kind, such as a photograph.
    """
    path = Path(output)
    if path.suffix.lower() not in kind.suffixes:
        raise UsageError(
            f"cannot write {output}: expected a name that ends in {' or '.join(kind.suffixes)}"
        )
    if os.path.isdir(path):  # noqa: PTH112 (False where a name is too long)
        raise UsageError(f"cannot write {output}: it is a folder; name a file in it")
    require_folder(path.parent)
    read = [name for name in inputs if name is not None]
    require_replaceable(path, kind.words, kind.recognises, read)
    return path


def require_folder(folder: str | Path) -> Path:
    """A folder that can be written into, or made; it is created when something is written.

    Raises
    ------
    UsageError
        When it is a file, or cannot be made or written.
    """
    path = Path(folder)
    if os.path.lexists(path):
        if not path.is_dir():
            raise UsageError(f"the folder {path} cannot be made: a file of that name exists")
        if not os.access(path, os.W_OK | os.X_OK):
            raise UsageError(f"the folder {path} cannot be written: permission denied")
        if (reason := _why_not_written(path)) is not None:
            raise UsageError(f"the folder {path} cannot be written: {reason}")
        return path
    above = path.parent
    while not os.path.lexists(above):
        above = above.parent
    if not above.is_dir():
        raise UsageError(f"the folder {path} cannot be made: {above} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"the folder {path} cannot be made: {above} cannot be written")
    if (reason := _why_not_written(above)) is not None:
        raise UsageError(f"the folder {path} cannot be made: {above} cannot be written: {reason}")
    return path


def _why_not_written(folder: Path) -> str | None:
    """Why no file can be made in a folder, as in /proc or on a full disk: permissions allow it."""
    try:
        with tempfile.TemporaryFile(prefix=TEMPORARY_PREFIX, dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def require_report_folder(folder: str | Path, data: str | None = None) -> Path:
    """A folder for a report, in which nothing else has the report's names; it is not made yet.

    Parameters
    ----------
    folder
        Where the report is to be written.
    data
        The dataset, outside which the folder has to be; None where it is not known.

    Raises
    ------
    UsageError
        When pictures in it would become images of the dataset, or files of others be replaced.
    """
    path = require_folder(folder)
    if data is not None:
        require_folder_outside(path, data)
    for name, kind in _FILES_OF_A_REPORT.items():
        if os.path.lexists(path / name):
            require_replaceable(path / name, kind.words, kind.recognises)
    return path


def require_audit_folder(folder: str | Path, data: str) -> Path:
    """A folder for the page of an audit, as `require_report_folder`.

    Raises
    ------
    UsageError
        When it is of the dataset, or another file has the page's name.
    """
    path = require_folder(folder)
    require_folder_outside(path, data)
    page = path / "audit.html"
    if os.path.lexists(page):
        require_replaceable(page, _PAGE.words, _PAGE.recognises)
    return path


def require_folder_outside(folder: Path, data: str) -> None:
    """Refuse a folder for several files that is the dataset's own, or lies in it.

    Raises
    ------
    UsageError
        When it is.
    """
    require_outside(folder, data)
    if folder.resolve() == Path(data).resolve():
        raise UsageError(
            f"{folder} is the dataset itself: what is written would lie among its images; choose a "
            f"place outside it"
        )


def require_outside(output: Path, data: str) -> None:
    """Refuse pictures where the next run would take them for images of the dataset.

    Files that lie in the dataset's folder itself, beside the folders of the classes, are none.

    Raises
    ------
    UsageError
        When `output`, a picture or a folder of pictures, lies in or is a folder of the dataset.
    """
    is_file = output.suffix.lower() in _MAP_SUFFIXES
    folder = output.parent if is_file else output
    root = Path(data)
    if root.is_dir() and root.resolve() in folder.resolve().parents:
        raise UsageError(
            f"{output} lies inside the dataset {data} and would become one of its images; "
            f"choose a place outside it"
        )


def require_no_image_of(output: Path, dataset: Dataset) -> None:
    """Refuse a picture among images without class folders: the next run would take it for one.

    Raises
    ------
    UsageError
        When `output` lies directly in the folder that the dataset was read from.
    """
    root = Path(dataset.source)
    if dataset.classes or not root.is_dir() or output.parent.resolve() != root.resolve():
        return
    raise UsageError(
        f"{output} would become one of the images in {root}; choose a place outside it"
    )


def _was_head(path: Path) -> bool:
    from ..classifier.head_file import was_head_file

    return was_head_file(path)


def _is_made_image(path: Path) -> bool:
    from ..interpret.made_image import is_made_image

    return is_made_image(path)


def _is_export(path: Path) -> bool:
    """Whether it says of itself what it holds; a process of its own reads that, and no rows."""
    from ..cache.isolated_reading import open_export

    try:
        with open_export(path):
            return True
    except BottlebankError:
        return False


def _beginning_has(words: bytes) -> Callable[[Path], bool]:
    def recognises(path: Path) -> bool:
        with path.open("rb") as file:
            return words in file.read(_BEGINNING_BYTES).lower()

    return recognises


def _are_predictions(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).startswith((b"path,label,probability,unknown", b'{"path": '))


def _are_suggestions(path: Path) -> bool:
    from ..datasets.labels_file import are_undecided_suggestions

    return are_undecided_suggestions(path)


def _begins_with(pattern: re.Pattern[bytes]) -> Callable[[Path], bool]:
    def recognises(path: Path) -> bool:
        with path.open("rb") as file:
            return pattern.match(file.read(_BEGINNING_BYTES)) is not None

    return recognises


HEAD = Kind("a head file", (".h5", ".hdf5"), _was_head)
EXPORT = Kind("an export of bottlebank", (".h5", ".hdf5"), _is_export)
# matplotlib signs what it draws: in a PNG's text chunk, in an SVG's first comment.
PICTURE = Kind(
    "a picture that bottlebank has drawn", (".png", ".svg"), _beginning_has(b"matplotlib")
)
MADE_IMAGE = Kind("an image without captions that bottlebank has made", (".png",), _is_made_image)
EXPLORER = Kind(
    "an explorer of bottlebank",
    (".html",),
    _beginning_has(b'<meta name="generator" content="bottlebank explorer">'),
)
_MAP_SUFFIXES = (*PICTURE.suffixes, *EXPLORER.suffixes)
PREDICTIONS = Kind("a file of predictions of bottlebank", (".csv", ".jsonl"), _are_predictions)
SUGGESTIONS = Kind(
    "a labels file of bottlebank in which nothing was decided yet", (".csv",), _are_suggestions
)
SUMMARY = Kind("a summary of a recipe", (".json",), _begins_with(_SUMMARY_BEGINS))
_PAGE = Kind("a report of bottlebank", (".html",), _begins_with(_PAGE_BEGINS))
_NUMBERS = Kind("an evaluation of bottlebank", (".json",), _begins_with(_NUMBERS_BEGIN))
_FILES_OF_A_REPORT = {
    "report.html": _PAGE,
    "evaluation.json": _NUMBERS,
    **{
        f"{name}.png": PICTURE
        for name in (
            "confusion-matrix",
            "mistakes",
            "reliability",
            "training-curves",
            "learning-curve",
        )
    },
}


def map_kind(output: str | os.PathLike[str]) -> Kind:
    """What a map is written as, by the extension: a picture or an explorer."""
    is_page = Path(output).suffix.lower() in EXPLORER.suffixes
    return EXPLORER if is_page else PICTURE._replace(suffixes=_MAP_SUFFIXES)

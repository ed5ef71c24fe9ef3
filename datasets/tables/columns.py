"""Which column of a table holds paths, which labels: by name, and by what is in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...arguments import received
from ...errors import DatasetError
from ..folders import is_image_name
from ..split_names import split_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# In each line, names of equal rank: where two of them are there, the user has to say which.
_PATHS = (
    ("path",),
    [
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "filepaths",
        "files",
        "image",
        "img",
        "picture",
        "photo",
        "images",
        "image_path",
        "img_path",
        "imagepath",
        "image_file",
        "img_file",
        "image_filename",
        "image_name",
        "img_name",
        "imagename",
        "image_file_name",
        "fname",
        "pic",
    ],
    ["id", "image_id", "img_id", "imageid", "photo_id", "name"],
)
_LABELS = (
    ("label",),
    [
        "labels",
        "class",
        "classes",
        "class_name",
        "classname",
        "class_label",
        "category",
        "category_name",
        "target",
        "species",
        "breed",
        "label_name",
        "labelname",
        "choice",
        "tag",
        "diagnosis",
    ],
    ["class_id", "category_id", "label_id", "classid", "y"],
)
_SPLITS = (
    ("split",),
    ["set", "subset", "data_set", "partition", "usage", "phase", "fold", "dataset"],
)
_BOXES = ("xmin", "ymin", "x_min", "y_min", "bbox", "bbox_x", "x1", "left")
_FLAGS = re.compile(r"is_(train|training|val|valid|validation|test|eval)")
_EXPECTED = (
    "expected a header with the columns path,label[,split][,group], or use --path-column and "
    "--label-column"
)


@dataclass
class Columns:
    """Positions of the columns."""

    path: int
    label: int | None = None
    one_hot: dict[int, str] = field(default_factory=dict)
    """Classes by column, where each has one."""
    split: int | None = None
    group: int | None = None
    weight: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def has_labels(self) -> bool:
        """Whether any column holds labels."""
        return self.label is not None or bool(self.one_hot)


def normal(name: str) -> str:
    """A header as it is compared: ``File Name`` is ``file_name``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return "_".join(re.findall(r"\w+", spaced.replace("_", " "))).lower()


def is_path_column(header: str) -> bool:
    """Whether a header, alone in its line, is a usual name of a column of paths."""
    return any(normal(header) in rank for rank in _PATHS)


def are_known(header: Sequence[str], said: Mapping[str, str | None]) -> int:
    """How well a header is understood: 0 not at all, 2 where paths and labels are found."""
    try:
        names = [normal(name) for name in header]
        path = _column("path", header, names, said, _PATHS)
        label = _column("label", header, names, said, _LABELS)
    except DatasetError:
        return 2  # understood, and ambiguous or not as said, which is reported later
    return (path is not None) + (label is not None)


def find_columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    said: Mapping[str, str | None],
    *,
    holds_images: bool = False,
) -> Columns:
    """Find the columns by their names and by the first rows.

    Parameters
    ----------
    said
        Names of columns that are known, for ``path``, ``label`` and ``weight``.
    holds_images
        Whether the images are in the table: then they need no labels.

    Raises
    ------
    DatasetError
        When they are not found, or several may be meant.
    """
    names = [normal(name) for name in header]
    path = _column("path", header, names, said, _PATHS)
    if path is None:
        found = ", ".join(filter(None, header)) or "nothing"
        raise DatasetError(f"{_EXPECTED}; found {found[:200]!r}")
    columns = Columns(path)
    columns.label = _column("label", header, names, said, _LABELS, besides=path)
    columns.group = names.index("group") if names.count("group") == 1 else None
    if names.count("group") > 1:
        raise DatasetError("two columns are called group: rename one")
    paths_or_labels = [said.get("path"), said.get("label")]
    if any(name in _BOXES for name in names) and not any(paths_or_labels):
        raise DatasetError(
            "it holds boxes of objects, and a head takes one class per image: expected one row per "
            "image with path,label"
        )
    _find_split(columns, header, names, rows)
    columns.weight = _weight(columns, header, names, said)
    if columns.label is None:
        columns.one_hot = _one_hot(columns, header, rows)
    if not columns.has_labels and holds_images:
        columns.notes.append(
            "no column is known to hold labels: the images have no class, unless --label-column "
            "names one"
        )
        return columns
    if not columns.has_labels:
        found = ", ".join(filter(None, header))
        raise DatasetError(f"{_EXPECTED}; found {found[:200]!r}")
    if columns.one_hot:
        classes = ", ".join(list(columns.one_hot.values())[:5])
        columns.notes.append(f"one column per class, with a 1 in its own: {classes}, …")
    elif not all(paths_or_labels) and (
        names[columns.label or 0] != "label" or (names[path] != "path" and not holds_images)
    ):
        columns.notes.append(
            f"paths are taken from the column {header[path]!r}, labels from "
            f"{header[columns.label or 0]!r}; --path-column and --label-column name others"
        )
    return columns


def headerless(first: Sequence[str]) -> Columns | None:
    """The columns of a table whose first row holds values already; None where that is unclear."""
    filled = [position for position, value in enumerate(first) if value]
    images = [position for position in filled if is_image_name(first[position])]
    if len(filled) != 2 or len(images) != 1:
        return None
    (label,) = set(filled) - set(images)
    note = f"there is no header: {first[images[0]]!r} is taken as a path, {first[label]!r} as its"
    return Columns(images[0], label, notes=[f"{note} label"])


def _column(
    what: str,
    header: Sequence[str],
    names: Sequence[str],
    said: Mapping[str, str | None],
    ranks: Sequence[Sequence[str]],
    besides: int | None = None,
) -> int | None:
    wanted = said.get(what)
    if wanted is not None:
        exact = [position for position, name in enumerate(header) if name == wanted]
        found = exact or [p for p, name in enumerate(names) if name == normal(wanted)]
        if not found:
            there = ", ".join(filter(None, header))[:200]
            raise DatasetError(f"no column is called {received(wanted)}: there are {there}")
        if len(found) > 1:
            raise DatasetError(f"{len(found)} columns are called {received(wanted)}: rename one")
        return found[0]
    for rank in ranks:
        found = [p for p, name in enumerate(names) if name in rank and p != besides]
        if len(found) > 1:
            which = ", ".join(header[position] for position in found)
            if len({names[position] for position in found}) == 1:
                raise DatasetError(f"{len(found)} columns are called {which}: rename or remove one")
            raise DatasetError(
                f"any of the columns {which} may hold the {what}s: use --{what}-column"
            )
        if found:
            return found[0]
    return None


def _find_split(
    columns: Columns, header: Sequence[str], names: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    for name in names:
        if _FLAGS.fullmatch(name):
            raise DatasetError(
                f"the column {name!r} declares a split in a way that is not understood: expected a "
                f"column split with train, validation and test, or rename it to leave it out"
            )
    for rank in _SPLITS:
        found = [position for position, name in enumerate(names) if name in rank]
        found = [position for position in found if position not in (columns.path, columns.label)]
        if len(found) > 1 and rank == _SPLITS[0]:
            raise DatasetError("two columns are called split: rename one")
        for position in found:
            values = {row[position] for row in rows if row[position]}
            known = [value for value in values if split_of(value)]
            if names[position] == "split" or known:
                columns.split = position
                if names[position] != "split":
                    columns.notes.append(f"the column {header[position]!r} declares the split")
                return
            if values:
                columns.notes.append(f"the column {header[position]!r} names no splits: left out")


def _weight(
    columns: Columns, header: Sequence[str], names: Sequence[str], said: Mapping[str, str | None]
) -> int | None:
    found = _column("weight", header, names, said, ())
    others = {
        "paths": columns.path,
        "labels": columns.label,
        "splits": columns.split,
        "groups": columns.group,
    }
    for what, position in others.items():
        if found is not None and found == position:
            raise DatasetError(
                f"the column {header[found]!r} is to hold weights, and holds {what}: name another "
                f"with --weights-column"
            )
    return found


def _one_hot(
    columns: Columns, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> dict[int, str]:
    taken = (columns.path, columns.split, columns.group, columns.weight)
    others = [p for p, name in enumerate(header) if name and p not in taken]
    if len(others) < 2 or not rows:
        return {}
    if not all(as_flag(row[position]) is not None for row in rows for position in others):
        return {}
    return {position: header[position] for position in others}


def as_flag(value: str) -> bool | None:
    """A cell of a column that stands for a class."""
    return {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}.get(
        value.lower()
    )

"""Which rows train, which validate and which test: decided by content, so that nothing moves."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..formatting import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
FRACTIONS = (0.70, 0.15, 0.15)


class Split(NamedTuple):
    """The split of every row."""

    of_row: np.ndarray
    """str, (n,): ``train``, ``validation`` or ``test``."""
    declared: bool
    """Whether somebody declared it; otherwise the contents decided."""
    warnings: list[str]
    """Classes without images in a split, and equal files that contradict; with what to do."""

    has_contradictions: bool = False
    """Whether equal files have two labels or are in two splits."""

    near: dict[int, int] = {}  # noqa: RUF012 (never changed)
    """Rows of validation and test that show nearly the same as a row of another split, and which.
    Unless the splits are declared, they are left out."""

    def __repr__(self) -> str:
        how = "as declared" if self.declared else "by content"
        counts = ", ".join(f"{name} {n:,}" for name, n in self.counts().items())
        remarks = [
            *([counted(len(self.near), "near-duplicate")] if self.near else []),
            *([counted(len(self.warnings), "warning")] if self.warnings else []),
        ]
        return f"<Split {how}: {'; '.join([counts, *remarks])}>"

    def rows(self, name: str) -> np.ndarray:
        """Indices of the rows in a split, ascending, without those that are left out."""
        rows = self.with_near(name)
        return rows if self.declared or not self.near else rows[~np.isin(rows, [*self.near])]

    def without_near(self, name: str) -> np.ndarray:
        """Those that show nearly the same as no row of another split."""
        rows = self.with_near(name)
        return rows[~np.isin(rows, [*self.near])]

    def with_near(self, name: str) -> np.ndarray:
        """Indices of all rows in a split."""
        return np.flatnonzero(self.of_row == name)

    def counts(self) -> dict[str, int]:
        """Rows in each split."""
        return {name: len(self.rows(name)) for name in SPLITS}


def split_by_content(contents: Sequence[bytes]) -> np.ndarray:
    """The split that each image's own hash decides: 70 : 15 : 15 in expectation.

    An image keeps its split when others are added or removed and when files are renamed, and
    equal files share a split. The first 8 bytes of the hash, as a fraction of 2**64, are uniform.

    Parameters
    ----------
    contents
        SHA-256 of each image, 32 bytes.

    Returns
    -------
    ndarray
        str, (n,).
    """
    uniform = np.array([_leading(content) / 2**64 for content in contents])
    return np.array(SPLITS)[np.searchsorted(np.cumsum(FRACTIONS)[:2], uniform, side="right")]


def split(
    contents: Sequence[bytes],
    labels: Sequence[str],
    declared: Sequence[str | None] = (),
    groups: Sequence[str | None] = (),
    find_near: Callable[[np.ndarray], dict[int, int]] = lambda splits: {},
) -> Split:
    """Decide the split of every row: as declared, or else by content.

    By content, each class is given an image for each split, wherever its hash falls: the lowest
    hash trains, the highest tests, and of the others the nearest to the middle of the validation
    range validates. A class of one image trains, one of two has no validation. Where equal files
    or a group stand for several classes, training goes before testing, and that before
    validation. No images but these, three a class, can be moved by others: each is moved only
    when another of its class takes its place. A group counts as one image of each of its classes.

    Where some rows are declared and others not, those that are not train: an image without a
    split in the CSV must not end up evaluating the head.

    Parameters
    ----------
    contents
        SHA-256 of each image, 32 bytes.
    labels
        Its class.
    declared
        Its split; empty, or all None, where the contents decide.
    groups
        What it belongs to: the group's name decides then instead of the content.
    find_near
        Given the split of each row, finds `Split.near`. An image that would link two splits is
        left out rather than moved: the split of the others would depend on which of them was there
        first.
    """
    is_declared = any(name is not None for name in declared)
    if is_declared:
        splits = np.array([name or TRAIN for name in declared])
    else:
        deciding = _deciding_hashes(contents, groups)
        splits = split_by_content(deciding)
        _give_each_class_every_split(splits, deciding, labels)
    near = find_near(splits)
    contradictions = _contradictions(contents, labels, splits)
    if is_declared:
        contradictions += _straddling_groups(groups, splits)
    decided = Split(splits, is_declared, [], bool(contradictions), near)
    left_out = splits.copy()
    for name in SPLITS:
        left_out[np.setdiff1d(decided.with_near(name), decided.rows(name))] = ""
    warnings = [*_missing(left_out, labels, is_declared), *contradictions]
    return decided._replace(warnings=warnings)


def rarest_class(
    contents: Sequence[bytes], labels: Sequence[str], groups: Sequence[str | None] = ()
) -> tuple[str, int]:
    """The class with the fewest different images, of which a group is one, and how many it has."""
    of_class: dict[str, set[bytes]] = {}
    for content, label in zip(_deciding_hashes(contents, groups), labels, strict=True):
        of_class.setdefault(label, set()).add(content)
    return min(((label, len(found)) for label, found in of_class.items()), key=lambda it: it[1])


def _deciding_hashes(contents: Sequence[bytes], groups: Sequence[str | None]) -> Sequence[bytes]:
    if not any(groups):
        return contents
    return [
        content
        if group is None
        else hashlib.sha256(b"group\0" + group.encode("utf-8", "surrogateescape")).digest()
        for content, group in zip(contents, groups, strict=True)
    ]


def _give_each_class_every_split(
    splits: np.ndarray, deciding: Sequence[bytes], labels: Sequence[str]
) -> None:
    """Change the splits of the rows that `split` speaks of."""
    of_class: dict[str, set[bytes]] = {}
    for content, label in zip(deciding, labels, strict=True):
        of_class.setdefault(label, set()).add(content)
    chosen: dict[bytes, str] = {}
    for name, choose in (
        (VALIDATION, _in_the_middle),
        (TEST, lambda hashes: hashes[-1:]),
        (TRAIN, lambda hashes: hashes[:1]),
    ):
        for hashes in of_class.values():
            chosen.update(dict.fromkeys(choose(sorted(hashes)), name))
    for row, content in enumerate(deciding):
        splits[row] = chosen.get(content, splits[row])


def _in_the_middle(ascending: list[bytes]) -> list[bytes]:
    """The hash that validates: neither the lowest nor the highest."""
    middle = int((FRACTIONS[0] + FRACTIONS[1] / 2) * 2**64)
    between = ascending[1:-1]
    return sorted(between, key=lambda content: (abs(_leading(content) - middle), content))[:1]


def _leading(content: bytes) -> int:
    return int.from_bytes(content[:8], "big")


def _straddling_groups(groups: Sequence[str | None], splits: np.ndarray) -> list[str]:
    splits_of: dict[str, set[str]] = {}
    for group, name in zip(groups, splits.tolist(), strict=bool(groups)):
        if group is not None:
            splits_of.setdefault(group, set()).add(name)
    torn = [group for group, found in splits_of.items() if len(found) > 1]
    if not torn:
        return []
    return [
        f"{counted(len(torn), 'group')} in two declared splits, such as {torn[0]!r}: the accuracy "
        f"there is too good; declare one split for each group"
    ]


def _missing(splits: np.ndarray, labels: Sequence[str], declared: bool) -> list[str]:
    present = set(zip(labels, splits.tolist(), strict=True))
    wanted = [name for name in SPLITS if not declared or name in splits]
    images_of = {TRAIN: "training images", VALIDATION: "validation images", TEST: "test images"}
    found = []
    for name in wanted:
        absent = [label for label in sorted(set(labels)) if (label, name) not in present]
        if absent:
            have, them = ("has", "it") if len(absent) == 1 else ("have", "them")
            remedy = f"declare some for {name}" if declared else f"add more images of {them}"
            found.append(f"{_named(absent)} {have} no {images_of[name]}: {remedy}")
    return found


def _contradictions(
    contents: Sequence[bytes], labels: Sequence[str], splits: np.ndarray
) -> list[str]:
    """Equal files that are said to be different things, or to be both learned and tested."""
    labels_of: dict[bytes, set[str]] = {}
    splits_of: dict[bytes, set[str]] = {}
    for content, label, name in zip(contents, labels, splits.tolist(), strict=True):
        labels_of.setdefault(content, set()).add(label)
        splits_of.setdefault(content, set()).add(name)
    two_labels = [sorted(found) for found in labels_of.values() if len(found) > 1]
    two_splits = [sorted(found) for found in splits_of.values() if len(found) > 1]
    warnings = []
    if two_labels:
        has = "has" if len(two_labels) == 1 else "have"
        warnings.append(
            f"{counted(len(two_labels), 'image')} {has} more than one label (such as "
            f"{' and '.join(two_labels[0][:2])}): keep the correct copy"
        )
    if two_splits:
        warnings.append(
            f"{counted(len(two_splits), 'image')} in two splits, byte for byte, such as "
            f"{' and '.join(two_splits[0][:2])}: the accuracy there is too good; keep one of each"
        )
    return warnings


def _named(labels: Sequence[str], most: int = 5) -> str:
    """The first labels in words."""
    shown = ", ".join(repr(label) for label in labels[:most])
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return f"class {shown}" if len(labels) == 1 else f"classes {shown}{more}"

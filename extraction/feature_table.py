"""What an extraction returns: rows, labels and paths that belong together."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import type_of
from ..cache import CacheFolder, Key, Variant
from ..classifier.weights import require_sample_weight
from ..datasets.summary import classes_as_html, short
from ..errors import (
    DatasetError,
    ImageRejectedError,
    LibraryNotFoundError,
    UsageError,
    WrongTypeError,
)
from ..features.images.view_rules import DEFAULT_RULE, NO_VIEWS
from ..formatting import counted
from ..rows_on_disk import some_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas

    from ..cache import ContentHash
    from ..classifier import GoldenImages
    from ..features import Recipe
    from ..features.images.view_rules import Views


@dataclass(frozen=True)
class Report:
    """What an extraction did: images = cached + extracted + duplicates + rejected."""

    images: int
    cached: int
    """Contents that were in the cache before."""
    extracted: int
    """Contents whose transfer values were computed now."""
    duplicates: int
    """Further files with the bytes of an earlier one; they share its row."""
    rejected: int
    """Files that cannot be read or decoded, and folders that cannot be listed."""
    ignored: int
    """Entries that are not images, outside `images`."""
    startup_seconds: float
    """Starting the engine, with conversion and check."""
    images_per_second: float | None
    """Extracted images over the extraction loop alone; None when nothing was extracted."""
    extractor: str
    width: int
    engine: str
    precision: str
    fingerprint: str
    cache: str
    store: str
    """What a number takes in the cache: ``float32`` or ``float16``."""
    bottleneck: str | None
    """What the extraction loop waited for longest: ``disk``, ``decode`` or ``network``; None when
    nothing was extracted."""
    ignored_kinds: dict[str, int] = field(default_factory=dict)
    """`ignored` by kind: extensions, ``hidden``, ``system folder``, …"""
    views: int = 0
    """Views of each image beside the image itself."""
    view_rule: str = DEFAULT_RULE
    """One of `view_rules.RULES`."""
    rows: int = 0
    """Of the contents that are not rejected, with their views: all are in the cache."""
    rows_extracted: int = 0
    """Of these, computed now."""
    dark_16bit: int = 0
    """Of those extracted now: images with 16 bits per channel that use less than the lowest quarter
    of the range, and are nearly black, since ``grey16`` is ``scale``."""
    cluster: dict[str, Any] | None = None
    """Where images were extracted on a cluster: its ``workers``, each with its images and images a
    second, those that are ``stragglers``, how many were ``lost``, and the ``chunks``."""


@dataclass(frozen=True)
class FeatureTable:
    """Transfer values of a dataset, without its rejected images, in the dataset's order."""

    paths: Sequence[str]
    labels: np.ndarray
    """str, (n,): empty where an image has no class."""
    splits: Sequence[str | None]
    """Declared splits."""
    keys: Sequence[Key]
    """Of each row: SHA-256 of the image's bytes, and the view, 0 for the image itself."""
    rejected: Sequence[tuple[str, str]]
    """(path, reason) of every image that has no row."""
    report: Report
    recipe: Recipe
    golden: GoldenImages | None = None
    """What the recipe makes of synthetic images; None where no row is there, or no engine ran."""
    groups: Sequence[str | None] = ()
    """What images belong to, as declared; empty where nothing is."""
    weights: np.ndarray | None = None
    """float64, (n,), ≥ 0: what each image weighs in training; None: 1. One of weight 2 counts as
    the image twice; one of weight 0 is no part of any split."""
    views: Views = NO_VIEWS
    """Which views of each image are in the cache beside its row."""

    def __len__(self) -> int:
        return len(self.paths)

    def require_rows(self) -> None:
        """Raise ImageRejectedError when every image was rejected, DatasetError without images."""
        if not len(self) and not self.rejected:
            raise DatasetError("the table has no images: expected one of at least one image")
        if not len(self):
            path, reason = self.rejected[0]
            the = "the " if len(self.rejected) > 1 else ""
            raise ImageRejectedError(
                f"none of {the}{counted(len(self.rejected), 'image')} can be used; the first, "
                f"{path}: {reason}"
            )

    def require_finite(self) -> None:
        """Raise UsageError where transfer values are NaN or infinite."""
        finite = np.isfinite(self.features).all(axis=1)
        if not finite.all():
            raise UsageError(
                f"transfer values must be finite: {np.count_nonzero(~finite):,} of "
                f"{counted(len(self), 'image')} have NaN or infinity, the first is "
                f"{self.paths[int(np.argmin(finite))]}; extract them again"
            )

    @property
    def contents(self) -> list[ContentHash]:
        """SHA-256 of each image's bytes, by which splits are decided and equal files are found."""
        return [key.content for key in self.keys]

    @property
    def weighed(self) -> np.ndarray:
        """int, (m,): the rows whose weight is not 0.

        Raises
        ------
        UsageError
            When the weights are not one number for each row, or all are 0.
        """
        if self.weights is None:
            return np.arange(len(self))
        return np.flatnonzero(require_sample_weight(self.weights, len(self)))

    def some(self, rows: np.ndarray) -> FeatureTable:
        """The table of some rows, int (m,), with the same report and rejected images."""

        def chosen(column: Sequence[Any]) -> list[Any]:
            return [column[row] for row in rows.tolist()] if len(column) else []

        part = replace(
            self,
            paths=chosen(self.paths),
            labels=self.labels[rows],
            splits=chosen(self.splits),
            keys=chosen(self.keys),
            groups=chosen(self.groups),
            weights=None if self.weights is None else np.asarray(self.weights)[rows],
        )
        if "features" in vars(self):  # read already
            vars(part)["features"] = some_rows(self.features, rows)
        return part

    def with_labels(self, labels: np.ndarray) -> FeatureTable:
        """The table with other labels, str (n,)."""
        other = replace(self, labels=labels)
        if "features" in vars(self):  # read already
            vars(other)["features"] = self.features
        return other

    @cached_property
    def features(self) -> np.ndarray:
        """float32, (n, width): read from the cache when first used."""
        return self._read(self.keys)

    @property
    def n_views(self) -> int:
        """Views of each image beside the image itself."""
        return len(self.views.numbers)

    def view_features(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Transfer values of the views of images, read from the cache at each call.

        Parameters
        ----------
        rows
            int, (m,): of which images; None for all.

        Returns
        -------
        ndarray
            float32, (m, n_views, width). The images themselves, in `features`, are not among them.
        """
        read = self._read(self.view_keys(range(len(self)) if rows is None else rows))
        n_images = len(self) if rows is None else len(rows)
        return read.reshape(n_images, self.n_views, self.recipe.width)

    def view_keys(self, rows: Sequence[int] | np.ndarray) -> list[Key]:
        """Keys of the views of images, int (m,): all of the first, then all of the next."""
        numbers = self.views.numbers
        return [Key(self.keys[row].content, number) for row in rows for number in numbers]

    def _read(self, keys: Sequence[Key]) -> np.ndarray:
        report = self.report
        with CacheFolder(report.cache) as folder:
            variant = Variant(report.precision, report.store).name
            rows = folder.open(report.fingerprint, variant).rows(keys)
        return rows.reshape(-1, self.recipe.width)

    def to_pandas(self, *, features: bool = True) -> pandas.DataFrame:
        """The table as a pandas DataFrame, one row an image, in the same order.

        Parameters
        ----------
        features
            Whether the transfer values are in it.

        Returns
        -------
        pandas.DataFrame
            ``path``, ``label``, ``split``, ``group`` and ``weight`` where there are any, ``key``
            (SHA-256 of the image's bytes, hexadecimal), then float32 columns ``f0``, ``f1``, …
            Labels of images without a class are empty.

        Raises
        ------
        LibraryNotFoundError
            When pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise LibraryNotFoundError(
                "to_pandas needs pandas, which is not installed: pip install pandas"
            ) from error
        columns = {"path": list(self.paths), "label": self.labels.tolist(), "split": self.splits}
        if self.groups:
            columns["group"] = self.groups
        if self.weights is not None:
            columns["weight"] = np.asarray(self.weights).tolist()
        columns["key"] = [str(key) for key in self.keys]
        # As objects: names that are not UTF-8 fit into no other of its types.
        about = pd.DataFrame(
            {name: pd.Series(list(column), dtype=object) for name, column in columns.items()}
        )
        if not features:
            return about
        names = [f"f{number}" for number in range(self.recipe.width)]
        return pd.concat([about, pd.DataFrame(self.features, columns=names)], axis=1)

    def _repr_html_(self) -> str:
        """A table of the classes and declared splits, for notebooks."""
        title = (
            f"{counted(len(self), 'image')} × {self.recipe.width} transfer values of "
            f"{short(self.recipe.extractor)}, {len(self.rejected)} rejected"
        )
        return classes_as_html(title, self.labels.tolist(), self.splits)

    def __repr__(self) -> str:
        n_classes = len({*self.labels.tolist()} - {""})
        return (
            f"<FeatureTable {len(self)} × {self.recipe.width} ({short(self.recipe.extractor)}), "
            f"{counted(n_classes, 'class', 'classes')}, {len(self.rejected)} rejected>"
        )

    def as_json(self) -> dict[str, Any]:
        """The report, every field of the recipe, and the rejected images with their reasons."""
        rejections = [{"path": path, "reason": reason} for path, reason in self.rejected]
        report = {**vars(self.report)}
        if report["cluster"] is None:
            del report["cluster"]
        return {**report, "recipe": asdict(self.recipe), "rejections": rejections}


def require_table(given: object, call: str) -> FeatureTable:
    """The table that a caller gave; `call` is what it was given to, such as ``bb.train_head``.

    Raises
    ------
    WrongTypeError
        When it is something else; with how to make a table of it.
    """
    if isinstance(given, FeatureTable):
        return given
    source = repr(os.fspath(given)) if isinstance(given, (str, os.PathLike)) else "…"
    table = f"bb.extract({source}, extractor=…)"
    raise WrongTypeError(
        f"expected a table from bb.extract, received {type_of(given)}: {call.format(table)}"
    )

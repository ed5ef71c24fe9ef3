"""Maps kept beside the rows that they show: where each image lies, by its key.

A layout belongs to a recipe and a variant, to a method with its parameters and seed, and to a set
of images. It is one ``.npz`` file of plain arrays that appears whole or not at all. Losing one
costs time: the map is laid out anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..atomic_file import write_bytes
from ..errors import in_brief
from ..untrusted.arrays import read_npz
from ..untrusted.json_text import read_json_object
from .keys import KeyArray

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from .keys import Key

_FORMAT = 1
_MOST_KEPT = 20
_LEAST_SHARED = 0.5
_ARRAYS = {
    "keys": ("u1", 2),
    "points": ("<f4", 2),
    "origin": ("<f8", 1),
    "axes": ("<f8", 2),
    "about": ("u1", 1),
}
_MAX_BYTES = 1 << 31
_MAX_ABOUT_BYTES = 1 << 16
_MAX_CAPTION = 300
_ROUNDED = 1e-3
_FAR = 1e18
"""Coordinates are below this: their squares and products are numbers of float32, still."""

logger = logging.getLogger(__name__)


class Layout(NamedTuple):
    """Where images lie on a map."""

    keys: list[Key]
    """Of each image, once."""
    points: NDArray[np.float32]
    """float32, (n, 2) or (n, 3), finite."""
    caption: str
    """How they were placed, in words."""
    shares: tuple[float, ...]
    """Of the variance, what each axis holds; empty where axes mean nothing."""
    origin: NDArray[np.float64]
    """float64, (d,): what is subtracted from transfer values before `axes` make coordinates of
    them; empty on a map that has no axes."""
    axes: NDArray[np.float64]
    """float64, (2 or 3, d), or (0, 0)."""


class Layouts:
    """The layouts of one variant by one method, with one set of parameters."""

    def __init__(
        self, root: Path, fingerprint: str, variant: str, settings: Mapping[str, Any]
    ) -> None:
        """`settings` are JSON values."""
        self._folder = root / fingerprint
        self._about = {
            "format": _FORMAT,
            "fingerprint": fingerprint,
            "variant": variant,
            "settings": dict(settings),
        }
        text = json.dumps(self._about, sort_keys=True).encode()
        self._stem = f"layout-{variant}-{_digest(text)}"

    def keep(self, layout: Layout) -> None:
        """Keep a layout; those that were written longest ago make room."""
        about = {**self._about, "caption": layout.caption, "shares": list(layout.shares)}
        buffer = io.BytesIO()
        np.savez(
            buffer,
            keys=KeyArray.of(layout.keys).packed(),
            points=layout.points.astype("<f4"),
            origin=layout.origin.astype("<f8"),
            axes=layout.axes.astype("<f8"),
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        )
        with contextlib.suppress(OSError):  # a read-only cache works, without these
            self._folder.mkdir(exist_ok=True)
            write_bytes(self._path(layout.keys), buffer.getvalue())
            kept = sorted(self._folder.glob("layout-*.npz"), key=_written_ns)
            for path in kept[:-_MOST_KEPT]:
                path.unlink()

    def best(self, keys: Collection[Key], n_features: int) -> Layout | None:
        """The layout of these images; or that which shares most images with them.

        At least half of the images of either must be of the other: it is then a map that images
        were added to, or taken from. Axes of other than `n_features` numbers are damaged.
        """
        exact = self._path(keys)
        found = self._read(exact, n_features)
        if found is not None:
            return found
        wanted, most = set(keys), 0
        paths = sorted(self._folder.glob(f"{self._stem}-*.npz"), key=_written_ns, reverse=True)
        for path in paths:
            layout = None if path == exact else self._read(path, n_features)
            if layout is None:
                continue
            shared = len(wanted.intersection(layout.keys))
            if shared > most and shared >= _LEAST_SHARED * max(len(wanted), len(layout.keys)):
                found, most = layout, shared
        return found

    def _path(self, keys: Collection[Key]) -> Path:
        packed = KeyArray.of(sorted(keys)).packed().tobytes()
        return self._folder / f"{self._stem}-{_digest(packed)}.npz"

    def _read(self, path: Path, n_features: int) -> Layout | None:
        """A layout; None where there is none, or another thing lies in its place."""
        try:
            layout, about = _read(path)
            if len(layout.axes) and len(layout.origin) != n_features:
                raise ValueError(
                    f"its axes are of {len(layout.origin):,} numbers, not of {n_features:,}"
                )
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("%s is no layout (%s): it is left out", path, in_brief(error))
            return None
        if {name: about.get(name) for name in self._about} != self._about:
            logger.warning("%s is the layout of another map: it is left out", path)
            return None
        return layout


def n_layouts(root: Path, fingerprint: str, variant: str) -> int:
    """How many layouts of a variant there are, sound or not."""
    return sum(1 for _ in _paths(root, fingerprint, variant))


def useless(root: Path, fingerprint: str, variant: str, keys: Container[Key]) -> Iterator[Path]:
    """Layouts that can serve no more: damaged, or over half of their images are not in `keys`."""
    for path in _paths(root, fingerprint, variant):
        try:
            layout, _ = _read(path)
        except (OSError, ValueError):
            yield path
            continue
        left = sum(key in keys for key in layout.keys)
        if left < _LEAST_SHARED * len(layout.keys):
            yield path


def _paths(root: Path, fingerprint: str, variant: str) -> Iterator[Path]:
    name = re.compile(rf"layout-{variant}-[0-9a-f]{{16}}-[0-9a-f]{{16}}\.npz")
    paths = sorted((root / fingerprint).glob("layout-*.npz"))
    return (path for path in paths if name.fullmatch(path.name))


def _read(path: Path) -> tuple[Layout, dict[str, Any]]:
    """A layout, and what its file says that it belongs to; ValueError where it is damaged."""
    arrays = read_npz(path, _ARRAYS, _MAX_BYTES)
    about = read_json_object(arrays["about"].tobytes(), _MAX_ABOUT_BYTES)
    keys = KeyArray.unpack(arrays["keys"]).to_list()
    points, origin, axes = arrays["points"], arrays["origin"], arrays["axes"]
    n_dimensions = points.shape[1]
    caption, shares = about.get("caption"), about.get("shares")
    has_axes = len(axes) > 0
    sound = (
        len(set(keys)) == len(keys) == len(points) >= 2
        and n_dimensions in (2, 3)
        and isinstance(caption, str)
        and len(caption) <= _MAX_CAPTION
        and caption.isprintable()
        and _is_shares(shares, n_dimensions)
        and axes.shape == ((n_dimensions, len(origin)) if has_axes else (0, 0))
        and all((np.abs(values) < _FAR).all() for values in (points, origin, axes))  # nor NaN
    )
    if not sound:
        raise ValueError("its parts do not fit together")
    return Layout(keys, points, str(caption), tuple(shares or ()), origin, axes), about


def _is_shares(values: object, n: int) -> bool:
    if not isinstance(values, list):
        return False
    shares: list[Any] = values  # pyright: ignore[reportUnknownVariableType]
    return len(shares) in (0, n) and all(
        type(each) in (int, float) and -_ROUNDED <= each <= 1 + _ROUNDED for each in shares
    )


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]

"""The columns of points as a page carries them: little-endian arrays and UTF-8, gzipped."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ...datasets.labels_file import escaped
from ...viz.palette import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sprites import Sprites
    from .points import Explained, Points

_MOST = 65_535  # of a coordinate and of a share
_NONE = 0xFFFF  # a label that is none
_LEVEL = 6


def parts_of(
    points: Points, words: dict[str, str], sprites: Sprites | None, folder: str | None
) -> Iterator[tuple[str, bytes]]:
    """Name and gzipped bytes of each part; ``static/main.js`` reads them by these names.

    `words` are the title and the caption. `folder` is the name of the
    folder with the sheets beside the page; None: they are in it.
    """
    about = _about(points) | words
    about["thumbnails"] = None
    if sprites is not None:
        about["thumbnails"] = {
            "side": sprites.side_px,
            "columns": sprites.columns,
            "folder": folder,
        }
        yield "sizes", _packed(sprites.sizes.astype("u1"))
    splits, about["splits"] = _splits(points)
    yield "about", _packed(json.dumps(about).encode())
    yield "places", _packed(_places(points.places))
    yield "labels", _packed(np.where(points.labels < 0, _NONE, points.labels).astype("<u2"))
    paths = "\0".join(path.replace("\0", "\\0") for path in map(escaped, points.paths))
    yield "paths", _packed(paths.encode())
    yield "keys", _packed(np.ascontiguousarray(points.keys, "u1"), 0)  # like random bytes
    if splits is not None:
        yield "splits", _packed(splits)
    if (predicted := points.predicted) is not None:
        yield "predicted", _packed(predicted.codes.astype("<u2"))
        yield "confidence", _packed(_shares(predicted.confidence))
        if predicted.unknown is not None:
            yield "unknown", _packed(predicted.unknown.astype("u1"))
        if predicted.fair is not None and not predicted.fair.all():
            yield "fair", _packed(predicted.fair.astype("u1"))
        if predicted.top_codes is not None and predicted.top_shares is not None:
            yield "topClasses", _packed(predicted.top_codes.astype("<u2"))
            yield "topShares", _packed(_shares(predicted.top_shares))
    if (nearest := points.nearest) is not None:
        yield "nearest", _packed(nearest.rows.astype("<u4" if len(points) > _MOST else "<u2"))
        cosines = np.clip(nearest.cosines, -1, 1)
        yield "cosines", _packed(np.round(32767 * cosines).astype("<i2"))
    if points.explained is not None:
        about_maps, pictures = _explained(points.explained)
        yield "maps", _packed(json.dumps(about_maps).encode())
        yield "mapPictures", _packed(pictures, 0)  # WebP is packed already
    if points.earlier:
        rows = [(*each[:3], each.accept) for each in points.earlier]
        yield "earlier", _packed(json.dumps(rows).encode())
    if points.score is not None:
        yield "score", _packed(points.score.astype("<f4"))


def _explained(explained: Explained) -> tuple[dict[str, Any], bytes]:
    """Words of the maps, and all their pictures one after the other."""
    rows, pictures, start = [], [], 0
    for row, maps, note in explained.rows:
        its = []
        for label, picture, in_words in maps:
            pictures.append(picture)
            its.append({"label": label, "words": in_words, "start": start})
            start += len(picture)
            its[-1]["end"] = start
        rows.append({"row": row, "note": note, "maps": its})
    words = {"n_mistakes": explained.n_mistakes, "in_words": explained.in_words, "rows": rows}
    return words, b"".join(pictures)


def _about(points: Points) -> dict[str, Any]:
    top = None if points.predicted is None else points.predicted.top_codes
    scores = points.score if points.score is not None else np.zeros(0)
    finite = scores[np.isfinite(scores)]
    return {
        "n": len(points),
        "name": _name(points),
        "predicted_by": "" if points.predicted is None else points.predicted.in_words,
        "classes": [escaped(name) for name in points.classes],
        "palette": COLOURS,
        "root": escaped(points.root),
        "links": points.link,
        "odd_links": points.odd_links,
        "twins": _twins(points.keys),
        "n_top": 0 if top is None else top.shape[1],
        "n_nearest": 0 if points.nearest is None else points.nearest.rows.shape[1],
        "score_range": [float(finite.min()), float(finite.max())] if len(finite) else [0.0, 0.0],
    }


def _name(points: Points) -> str:
    """Of the images and their labels: what a browser keeps of another page does not belong here.

    Classes without an image, such as a head's, make no difference.
    """
    codes, places = np.unique(points.labels, return_inverse=True)
    names = ["" if code < 0 else escaped(points.classes[code]) for code in map(int, codes)]
    digest = hashlib.sha256(points.keys.tobytes())
    digest.update(json.dumps(names).encode())
    digest.update(places.astype("<u4").tobytes())
    return digest.hexdigest()[:16]


def _places(places: np.ndarray) -> np.ndarray:
    """uint16, (2, n): both axes by one scale, in the middle of a square, the second downwards."""
    places = places.astype(np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    spread = float((high - low).max())
    units = (places - (low + high) / 2) / (spread or 1.0)
    units[:, 1] *= -1
    return np.round(_MOST * (units.T + 0.5)).clip(0, _MOST).astype("<u2")


def _shares(shares: np.ndarray) -> np.ndarray:
    return np.round(_MOST * np.clip(shares, 0, 1)).astype("<u2")


def _splits(points: Points) -> tuple[np.ndarray | None, list[str]]:
    if points.splits is None:
        return None, []
    names, codes = np.unique([name or "none" for name in points.splits], return_inverse=True)
    return codes.astype("u1"), names.tolist()


def _twins(keys: np.ndarray) -> list[list[int]]:
    """Rows that have one content: they have one label in a labels file."""
    whole = np.ascontiguousarray(keys).view("V32")[:, 0]
    order = np.argsort(whole, kind="stable")
    same = np.flatnonzero(whole[order][1:] == whole[order][:-1])
    groups: dict[int, list[int]] = {}
    for place in same.tolist():
        group = groups.pop(place, [int(order[place])])
        groups[place + 1] = [*group, int(order[place + 1])]
    return list(groups.values())


def _packed(part: bytes | np.ndarray, level: int = _LEVEL) -> bytes:
    data = part if isinstance(part, bytes) else np.ascontiguousarray(part).data
    return gzip.compress(data, level, mtime=0)

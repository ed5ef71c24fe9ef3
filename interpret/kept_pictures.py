"""Pictures that are kept one by one, so that a run which was interrupted goes on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from ..atomic_file import write_bytes
from ..errors import ImageRejectedError
from ..features.images.decoder import read
from ..replaceable import writing_file
from .made_image import png_of

if TYPE_CHECKING:
    from pathlib import Path

    from .network import DifferentiableNetwork

_CHUNK: Final = "bottlebank"
_MOST_BYTES: Final = 1 << 24


class KeptPictures:
    """PNG files in a folder, each of which says in a text chunk what it was made with.

    Parameters
    ----------
    folder
        It is made when the first picture is kept; None: nothing is kept.
    network
        Decodes them as it decodes every image.
    """

    def __init__(self, folder: Path | None, network: DifferentiableNetwork) -> None:
        self._folder, self._network = folder, network

    def path(self, key: dict[str, Any], target: int | str) -> Path | None:
        """Where it is kept; the name has no letters of a class, which a file system may refuse."""
        if self._folder is None:
            return None
        kind = "class" if isinstance(target, str) else f"unit-{target:05d}"
        digest = hashlib.sha256(_as_text(key).encode()).hexdigest()[:16]
        return self._folder / f"{kind}-{digest}.png"

    def find(self, key: dict[str, Any]) -> np.ndarray | None:
        """The pixels, uint8 (height, width, 3), of that key; None: there are none, or damaged."""
        path = self.path(key, key.get("class", key.get("unit", 0)))
        if path is None:
            return None
        with contextlib.suppress(ImageRejectedError, OSError, ValueError, SyntaxError):
            data = read(str(path), _MOST_BYTES)[0]
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                made_with = picture.info.get(_CHUNK)
                side = (self._network.input_size_px,) * 2
                if made_with == _as_text(key) and picture.size == side:
                    return self._network.decode(data)
        return None

    def keep(
        self, key: dict[str, Any], target: int | str, pixels: np.ndarray
    ) -> tuple[np.ndarray, Path | None]:
        """Write pixels; return those that the network decodes from the file, and where it is.

        Raises
        ------
        BottlebankError
            When it cannot be written.
        """
        png = png_of(pixels, {_CHUNK: _as_text(key)})
        path = self.path(key, target)
        if path is not None:
            with writing_file(path):
                write_bytes(path, png)
        return self._network.decode(png), path


def _as_text(key: dict[str, Any]) -> str:
    """In ASCII, in one order."""
    return json.dumps(key, sort_keys=True)

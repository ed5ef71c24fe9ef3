"""What a caller may give for an image: a path, a file's bytes, a file object, a picture, pixels."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from ..arguments import type_of
from ..errors import ImageRejectedError, UsageError
from ..features.images.decoder import (
    MAX_FILE_BYTES,
    Picture,
    picture_of,
    read,
)
from ..features.images.views import views_of
from ..formatting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias, TypeGuard

    from numpy.typing import NDArray

    from ..features.images.fit import Preprocessing

    class BinaryFile(Protocol):
        """What is read for the bytes of an image file, from where it stands."""

        def read(self, size: int, /) -> bytes:
            """At most `size` bytes; none at the end."""
            ...

    ImageLike: TypeAlias = (
        str
        | os.PathLike[str]
        | bytes
        | bytearray
        | memoryview
        | BinaryFile
        | Image.Image
        | NDArray[np.uint8]
    )
    """A path, the bytes of an image file, a binary file object, a PIL image or pixels."""

ACCEPTED = (
    "a path, the bytes of an image file, a binary file object, a PIL image, a uint8 array "
    "(height, width, 3) in RGB, or a list of these"
)
_TYPES = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)


class Input(NamedTuple):
    """One image, in one of three forms."""

    name: str = ""
    """Its path, or how it is called in messages."""
    path: str | None = None
    data: bytes | None = None
    """The bytes of an image file."""
    picture: Image.Image | None = None


def is_several(given: object) -> TypeGuard[Iterable[ImageLike]]:
    """Whether something stands for several images."""
    if isinstance(given, np.ndarray):
        return given.ndim == 4 or (given.ndim == 1 and given.dtype.kind in "OU")
    if isinstance(given, _TYPES) or hasattr(given, "read"):
        return False
    return isinstance(given, Iterable) and not _is_array(given)


def several(given: Iterable[ImageLike]) -> Iterator[ImageLike]:
    """The images in a list, a tuple, a generator, a series or an array (n, height, width, 3).

    Raises
    ------
    UsageError
        For a dictionary or a set, whose order means nothing.
    """
    if isinstance(given, (Mapping, AbstractSet)):
        raise UsageError(f"expected a list of images, received {type_of(given)}")
    return iter(given)


def one_of_several(given: object, position: int) -> tuple[Input, str | None]:
    """As `one`, with the reason where this image is rejected, which leaves the others alone.

    Raises
    ------
    UsageError
        When it is of a type that no image has, such as a number or a list: a mistake in the
        program, and not in the images.
    """
    try:
        return one(given), None
    except (ImageRejectedError, UsageError) as error:
        is_file = hasattr(given, "read")
        if given is None or is_file or isinstance(given, (*_TYPES, np.ndarray)):
            return Input(name=_name_of(given) if is_file else ""), str(error)
        raise UsageError(f"image {position}: {error}") from error


def one(given: object) -> Input:
    """Understand one image; nothing is decoded yet, and no path is read.

    Raises
    ------
    UsageError
        When it is nothing that can be an image; the message says what is.
    ImageRejectedError
        When a file object has nothing to read, or an array no pixels.
    """
    if isinstance(given, (str, os.PathLike)):
        path = os.fsdecode(given)
        return Input(name=path, path=path)
    if isinstance(given, (bytes, bytearray, memoryview)):
        try:
            return Input(data=bytes(given))
        except ValueError as error:  # a memoryview that was released
            raise ImageRejectedError(f"its bytes cannot be read: {error}") from error
    if isinstance(given, Image.Image):
        return Input(name=str(getattr(given, "filename", "") or ""), picture=given)
    if isinstance(given, np.ndarray):
        return Input(picture=_from_array(given))
    if hasattr(given, "read"):
        return _from_file(given)
    if _is_array(given):
        raise UsageError(
            f"expected a uint8 NumPy array (height, width, 3), received a "
            f"{type(given).__module__}.{type(given).__name__}: convert it with numpy.asarray first"
        )
    received = type_of(given)
    if given is None:
        received = "None, which cv2.imread returns for a file that it cannot read"
    raise UsageError(f"expected {ACCEPTED}; received {received}")


def bytes_of(path: str) -> bytes:
    """Read an image file.

    Raises
    ------
    UsageError
        When it is a folder.
    ImageRejectedError
        When it cannot be read.
    """
    if os.path.isdir(path):  # noqa: PTH112 (any str; it need not be a path)
        raise UsageError(folder_error(path))
    return read(path)[0]


def folder_error(path: str) -> str:
    """What to do where a folder was given for an image file."""
    return (
        f"{path} is a folder: give a list of its files, such as sorted(Path({path!r})"
        f".rglob('*.jpg')), or run `bottlebank predict {path}`"
    )


def picture_in(given: Input, preprocessing: Preprocessing, views: Sequence[int] = (0,)) -> Picture:
    """The picture of an `Input` that has one, fitted to the network.

    Its pixels are those of some views, by number: uint8 (n, height, width, 3). What a view shows
    follows from the pixels, as it follows from the bytes of a file.

    Raises
    ------
    ImageRejectedError
        With the reason.
    """
    picture = picture_of_input(given, preprocessing.at_least_px, preprocessing.grey16)
    content = hashlib.sha256(picture.pixels.tobytes()).digest() if any(views) else b""
    seen = views_of(picture.pixels, preprocessing, content, views)
    return picture._replace(pixels=np.stack(list(seen)))


def picture_of_input(given: Input, at_least_px: tuple[int, int] | None, grey16: str) -> Picture:
    """The picture of an `Input` that has one, whole; perhaps reduced, to no less than is said.

    Raises
    ------
    ImageRejectedError
        With the reason.
    """
    assert given.picture is not None, "the caller has looked for it"
    try:
        return picture_of(given.picture, at_least_px, grey16)
    except ImageRejectedError as error:
        cause = error.__cause__
        if not (isinstance(cause, AssertionError) or "closed" in str(cause)):  # Pillow's for that
            raise
        raise ImageRejectedError(
            "the PIL image is closed: predict it before it is, or give its path"
        ) from error


def named(given: Input, reason: object) -> str:
    """A reason with the image that it is about, as far as that has a name."""
    name = given.name if len(given.name) <= 300 else f"{given.name[:100]}…"
    if given.path is not None and given.path.startswith(("http://", "https://")):
        reason = f"{reason}; addresses are not fetched: download the image and give its bytes"
    elif given.path is not None and any(sign in given.path for sign in "*?["):
        reason = f"{reason}; if that is a pattern, it matched no file"
    return f"{name}: {reason}" if name else str(reason)


def _from_file(file: Any) -> Input:
    try:
        data = _rest_of(file)
    except (ImageRejectedError, UsageError):
        raise
    except Exception as error:  # whatever a file object of others raises
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageRejectedError(f"the file object cannot be read: {reason}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ImageRejectedError(f"more than the {MAX_FILE_BYTES:,} bytes that are read")
    if not data and _position(file):
        raise ImageRejectedError(
            f"the file object has nothing left to read: it is at byte "
            f"{_position(file):,}: call seek(0) first"
        )
    return Input(name=_name_of(file), data=data)


def _rest_of(file: Any) -> bytes:
    """What is left in a file object, whose `read` may give less than is asked for."""
    if isinstance(file, io.TextIOBase):
        raise UsageError("expected a binary file object, received a text one: open(path, 'rb')")
    data = bytearray()
    while len(data) <= MAX_FILE_BYTES:
        some = file.read(MAX_FILE_BYTES + 1 - len(data))
        if some is None:
            raise ImageRejectedError(
                "the file object has nothing to read yet: give one that waits, or the bytes"
            )
        if iscoroutine(some):
            some.close()
            raise UsageError(
                "expected a file object that is read at once, received an asynchronous one: "
                "give the bytes, `await file.read()`"
            )
        if not isinstance(some, (bytes, bytearray, memoryview)):
            raise UsageError(
                f"expected a binary file object; its read() returned {type(some).__name__}"
            )
        if not some:
            break
        data += some
    return bytes(data)


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else ""


def _position(file: Any) -> int:
    try:
        return int(file.tell())
    except (OSError, AttributeError, ValueError):
        return 0


def _from_array(array: np.ndarray) -> Image.Image:
    expected = "expected uint8 pixels (height, width, 3) in RGB, or (height, width) in grey"
    received = f"received {array.dtype} {array.shape}"
    if array.dtype != np.uint8:
        advice = ""
        if array.dtype.kind == "f":
            advice = ": for values from 0 to 1, (255 * array).round().astype('uint8')"
        elif array.dtype == np.uint16:
            advice = ": for values from 0 to 65535, (array // 257).astype('uint8')"
        elif array.dtype == np.bool_:
            advice = ": 255 * array.astype('uint8')"
        raise UsageError(f"{expected}; {received}{advice}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        advice = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            advice = ": with channels first, array.transpose(1, 2, 0)"
        raise UsageError(f"{expected}; {received}{advice}")
    if np.ma.is_masked(array):
        raise UsageError(
            f"{expected}; received a masked array, in which "
            f"{counted(np.ma.count_masked(array), 'value is', 'values are')} masked: fill them "
            f"first, such as with array.filled(0)"
        )
    if not array.size:
        raise ImageRejectedError(f"it has no pixels ({array.shape[1]}×{array.shape[0]})")
    return Image.fromarray(np.ascontiguousarray(array))


def _is_array(given: object) -> bool:
    """Whether something is another library's array, such as a tensor."""
    is_series = hasattr(given, "iloc")
    return hasattr(given, "__array__") and not is_series

"""What is particular to TIFF: kinds of grey, and files that are not read, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...untrusted.image_structure import check_directory
from .colours import GreyKind

if TYPE_CHECKING:
    from PIL import Image

# Tags.
_WIDTH = 256
_SUBFILE_TYPE, _BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC = 254, 258, 259, 262
_SAMPLES_PER_PIXEL, _PLANES, _SUB_IFDS, _EXTRA_SAMPLES, _DNG_VERSION = 277, 284, 330, 338, 50706


def why_not(data: bytes) -> str | None:
    """Why a file is not read that Pillow takes for another or names badly, or None."""
    directory = check_directory(data)
    raw = data[8:10] == b"CR" or _DNG_VERSION in directory.values
    if raw or (directory.first(_SUBFILE_TYPE) & 1 and _SUB_IFDS in directory.values):
        return "a raw photograph (CR2, NEF, ARW, DNG, …): convert it to JPEG or PNG"
    n_channels = directory.first(_SAMPLES_PER_PIXEL, 1)
    extra = len(directory.values.get(_EXTRA_SAMPLES, ()))
    if n_channels - extra > 4 or n_channels > 5 or extra > 1:
        return (
            f"a TIFF of {n_channels} channels; 1 (grey), 3 (RGB) or 4 (CMYK) and transparency are "
            f"read: choose three of them and save it as RGB"
        )
    uncompressed = directory.first(_COMPRESSION, 1) == 1
    if directory.first(_PLANES) == 2 and directory.first(_BITS_PER_SAMPLE) > 8 and uncompressed:
        return (
            "a TIFF of 16 bits whose channels are stored one after the other (planar): save it "
            "with interleaved channels, or with 8 bits"
        )
    return None


def why_unidentified(data: bytes) -> str:
    """Why Pillow does not read a file."""
    directory = check_directory(data)
    if not directory.first(_WIDTH) or _PHOTOMETRIC not in directory.values:
        return "truncated or damaged: the directory of a TIFF file names no size or no colours"
    bits = "/".join(map(str, directory.values.get(_BITS_PER_SAMPLE, (1,))[:8]))
    return (
        f"a TIFF of a kind that is not read ({directory.first(_SAMPLES_PER_PIXEL, 1)} channels "
        f"of {bits} bits, photometric {directory.first(_PHOTOMETRIC)}, "
        f"compression {directory.first(_COMPRESSION, 1)}): save it as RGB with 8 bits"
    )


def kind_of_grey(picture: Image.Image) -> GreyKind:
    """How many bits a value has, and whether 0 is white, of a picture that Pillow has opened."""
    tags = getattr(picture, "tag_v2", {})
    is_packed = tags.get(_BITS_PER_SAMPLE) == (12,)
    return GreyKind(12 if is_packed else 16, white_is_0=tags.get(_PHOTOMETRIC) == 0)

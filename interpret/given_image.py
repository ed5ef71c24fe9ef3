"""Images as a caller gives them: read before anything starts, and decoded in one way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import ImageRejectedError, UsageError
from ..features.images.decoder import FORMATS, Limits, decode_picture, require_max_pixels
from ..prediction.image_inputs import Input, bytes_of, named, one, picture_of_input

if TYPE_CHECKING:
    import numpy as np

    from ..features.images.fit import Preprocessing
    from ..prediction.image_inputs import ImageLike


def read_image(image: ImageLike, name: str = "") -> Input:
    """Understand an image, and read its file; nothing is decoded yet.

    Parameters
    ----------
    image
        What a predictor takes for one image.
    name
        How messages call it; by default its path, if it has one.

    Raises
    ------
    UsageError
        When it is nothing that can be an image, or a folder.
    ImageRejectedError
        When it cannot be read.
    """
    given = one(image)
    if name:
        given = given._replace(name=name)
    if given.path is None:
        return given
    if os.path.isdir(given.path):  # noqa: PTH112 (any str; it need not be a path)
        raise UsageError(f"{given.path} is a folder: expected an image file; name one in it")
    try:
        return given._replace(data=bytes_of(given.path))
    except ImageRejectedError as error:
        raise ImageRejectedError(named(given, error)) from error


def require_image(image: ImageLike, max_pixels: int) -> None:
    """Refuse what cannot be read and decoded, before a network is opened.

    Raises
    ------
    UsageError, ImageRejectedError
        As `read_image` and `decoded`.
    """
    decoded(read_image(image), require_max_pixels(max_pixels), least_px=(1, 1))


def decoded(
    given: Input,
    max_pixels: int,
    rule: Preprocessing | None = None,
    *,
    least_px: tuple[int, int] | None = None,
) -> np.ndarray:
    """The whole picture, upright: uint8, (height, width, 3), RGB.

    Parameters
    ----------
    given
        From `read_image`.
    max_pixels
        Of a file; a larger one is refused.
    rule
        Of the network that is to see it: the picture may be reduced to what that needs.
    least_px
        Without a rule: the height and width that it may be reduced to.

    Raises
    ------
    ImageRejectedError
        When it cannot be decoded.
    """
    at_least_px = least_px if rule is None else rule.at_least_px
    grey16 = "scale" if rule is None else rule.grey16
    try:
        if given.picture is not None:
            return picture_of_input(given, at_least_px, grey16).pixels
        limits = Limits(pixels=max_pixels)
        return decode_picture(given.data or b"", at_least_px, FORMATS, limits, grey16).pixels
    except ImageRejectedError as error:
        raise ImageRejectedError(named(given, error)) from error

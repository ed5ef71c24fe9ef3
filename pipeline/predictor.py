"""The predictor: a head with the extractor that it was trained on."""

from __future__ import annotations

import contextlib
import itertools
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import CacheFolder
from ..classifier import Head, load_head
from ..classifier.artifact import HeadAnswer
from ..errors import HeadMismatchError, ImageRejectedError
from ..features import open_extractor
from ..features.decoders import Decoded, Decoders, load_here
from ..features.extractor import require_known
from ..features.images import MAX_PIXELS, Limits, read
from ..features.parity import transfer_values_of
from ..machine import available_cores
from .ahead import groups_of, threads, work_ahead
from .parity import check_parity, require_known_parity
from .rebuild import read_recipe, weights_finder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..features import Extractor


class Answer(NamedTuple):
    """What is said of one image file."""

    path: str
    ranked: list[tuple[str, float]]
    """(label, probability), the highest first; empty when there is an error."""
    error: str | None
    """Why the image was rejected."""
    unknown: bool = False
    """Whether it is most likely of none of the classes."""


class Predictor:
    """Turns images into labels. Safe to call from threads."""

    def __init__(self, head: Head, extractor: Extractor) -> None:
        """See `load_predictor`, which checks that the two belong together."""
        self._head = head
        self._extractor = extractor

    @property
    def head(self) -> Head:
        """What turns transfer values into probabilities."""
        return self._head

    @property
    def extractor(self) -> Extractor:
        """What turns images into transfer values."""
        return self._extractor

    @property
    def classes(self) -> tuple[str, ...]:
        """What can be answered, in the order of the columns of `probabilities`."""
        return self._head.classes

    @property
    def version(self) -> str:
        """Version of the head."""
        return self._head.version

    @property
    def extractor_name(self) -> str:
        """Name of the extractor."""
        return self._extractor.recipe.extractor

    @property
    def engine(self) -> str:
        """What runs the network."""
        return self._extractor.engine

    @property
    def precision(self) -> str:
        """What the network effectively computes in."""
        return self._extractor.precision

    def load(self, data: bytes) -> np.ndarray:
        """Decode an image file to uint8 (height, width, 3), RGB, of the extractor's input size.

        Raises
        ------
        ImageRejectedError
            With the reason.
        """
        return self._extractor.load(data)

    def decoders(self, n_processes: int, max_decode_s: float, max_pixels: int) -> Decoders:
        """Processes that do what `load` does, for a service that others send images to."""
        return Decoders(
            self._extractor.input_size_px,
            self._extractor.recipe.fit,
            n_processes,
            max_decode_s,
            limits=Limits(pixels=max_pixels),
            grey16=self._extractor.recipe.grey16,
        )

    def answer(self, images: np.ndarray) -> HeadAnswer:
        """What the head says of images uint8 (n, height, width, 3) from `load`."""
        return self.say(self._extractor.transfer_values(images))

    def say(self, features: np.ndarray) -> HeadAnswer:
        """What the head says of transfer values float32 (n, width)."""
        return self._head.answer(features)

    def with_head(self, path: str | os.PathLike[str], parity: str = "refuse") -> Predictor:
        """A predictor with another head on the same extractor, once both have been compared.

        Raises
        ------
        HeadFileError
            When there is no head, or it is damaged.
        HeadMismatchError
            When it was trained on another extractor, by what is written or by its probe.
        """
        require_known_parity(parity)
        loaded = load_head(Path(path))
        extractor = self._extractor
        changes = extractor.recipe.changes_since(read_recipe(loaded, path).as_dict())
        if changes:
            raise HeadMismatchError(
                f"{path} was trained on another extractor than the one that runs here: "
                f"{'; '.join(changes)}. Start another server for it, or train it on this one"
            )
        check_parity(
            loaded,
            path,
            extractor.precision,
            lambda probe: transfer_values_of(extractor, probe.files),
            parity,
        )
        return Predictor(loaded, extractor)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """float64 (n, n_classes) of images uint8 (n, height, width, 3) from `load`."""
        return self.answer(images).probabilities

    def transfer_values(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, width) of images uint8 (n, height, width, 3) from `load`."""
        return self._extractor.transfer_values(images)

    def ranked(self, probabilities: np.ndarray, top: int | None = None) -> list[tuple[str, float]]:
        """(label, probability) of one row of probabilities (n_classes,), the highest first."""
        order = np.argsort(-probabilities, kind="stable")[:top]
        return [(self.classes[column], float(probabilities[column])) for column in order]

    def __call__(
        self, image: str | os.PathLike[str] | bytes, top: int | None = None
    ) -> list[tuple[str, float]]:
        """Predict one image.

        Parameters
        ----------
        image
            A path, or the bytes of an image file.
        top
            How many classes to return; None for all.

        Returns
        -------
        list of (label, probability)
            The highest first.

        Raises
        ------
        ImageRejectedError
            When it cannot be read or decoded.
        """
        data = image if isinstance(image, bytes) else read(os.fspath(image))[0]
        pixels = self.load(data)
        return self.ranked(self.answer(pixels[np.newaxis]).probabilities[0], top)

    def predict_files(
        self, paths: Iterable[str], top: int | None = None, *, max_pixels: int = MAX_PIXELS
    ) -> Iterator[Answer]:
        """Predict many image files, in order; one that is rejected has an `error`."""
        remaining = iter(paths)
        first = list(itertools.islice(remaining, 2))
        n_cores = available_cores()
        with contextlib.ExitStack() as stack:
            size_px, fit = self._extractor.input_size_px, self._extractor.recipe.fit
            grey16, limits = self._extractor.recipe.grey16, Limits(pixels=max_pixels)
            decode = partial(load_here, size_px=size_px, how=fit, grey16=grey16, limits=limits)
            if len(first) > 1:  # one image is decoded before a process of its own has started
                decode = stack.enter_context(
                    Decoders(size_px, fit, n_cores, limits=limits, grey16=grey16)
                ).load
            batches = groups_of(self._extractor.batch_size, itertools.chain(first, remaining))
            n_threads = 2 * n_cores  # some decode while others run the network
            for answers in work_ahead(
                stack.enter_context(threads(n_threads)),
                lambda batch: self._predict_batch(batch, decode, top),
                batches,
                n_threads + 1,
            ):
                yield from answers

    def _predict_batch(
        self, paths: list[str], decode: Callable[[Sequence[bytes]], Decoded], top: int | None
    ) -> list[Answer]:
        errors: dict[str, str] = {}
        files: dict[str, bytes] = {}
        for path in paths:
            try:
                files[path] = read(path)[0]
            except ImageRejectedError as error:
                errors[path] = str(error)
        decoded = decode(list(files.values()))
        errors.update(
            (path, reason) for path, reason in zip(files, decoded.reasons, strict=True) if reason
        )
        answered = [path for path in files if path not in errors]
        said = {}
        if answered:
            for path, row, unknown in zip(answered, *self.answer(decoded.pixels), strict=True):
                said[path] = Answer(path, self.ranked(row, top), None, bool(unknown))
        return [said.get(path) or Answer(path, [], errors[path]) for path in paths]

    def __repr__(self) -> str:
        classes = ", ".join(self.classes)
        return f"<Predictor {self.version}: {classes}; {self._extractor!r}>"


def load_predictor(
    head: str | os.PathLike[str],
    *,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | None = None,
    weights: str | None = None,
    engine: str = "auto",
    precision: str = "auto",
    many: bool = False,
    parity: str = "refuse",
    download_timeout_s: float | None = None,
) -> Predictor:
    """Load a head file and rebuild the extractor that it was trained on.

    Parameters
    ----------
    head
        From `save_head` or `bottlebank train`.
    cache
        Where converted networks are kept; by default ``$BOTTLEBANK_CACHE`` or the platform's.
    extractor, weights
        Normally the head says them itself. A head that was trained with a weights file needs
        that file's path where no converted network is kept. An extractor that is named must be
        the head's.
    engine, precision
        As in `extract`; ``auto`` computes as the head's training rows were, where this machine
        can.
    many
        Whether many images are coming: the network is then compiled for batches as well.
    parity
        What is done when the head's probe images give other transfer values here than when it was
        trained: ``refuse`` or ``warn``.
    download_timeout_s
        Give up a download of weights after this long.

    Raises
    ------
    HeadFileError
        When there is no head, or it is damaged.
    HeadMismatchError
        When this version's extractor, or the weights found, differ from the head's, by what is
        written or by the probe.
    """
    require_known(engine, precision)
    require_known_parity(parity)
    loaded = load_head(Path(head))
    trained_on = read_recipe(loaded, head)
    with CacheFolder(cache) as folder:
        find = weights_finder(trained_on, folder, head, extractor, weights, download_timeout_s)
        precisions = [precision]
        if precision == "auto":
            precisions = list(dict.fromkeys([loaded.precision, "float32"]))
        opened = open_extractor(
            trained_on,
            find,
            engine=engine,
            precisions=precisions,
            networks=folder.networks,
            many=many,
        )
    check_parity(
        loaded,
        head,
        opened.precision,
        lambda probe: transfer_values_of(opened, probe.files),
        parity,
    )
    return Predictor(loaded, opened)

"""The predictor: a head with the extractor that it was trained on."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sized
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..arguments import require_whole, type_of
from ..classifier import load_head
from ..classifier.given_head import as_head
from ..classifier.head import HeadAnswer
from ..errors import (
    HeadMismatchError,
    ImageRejectedError,
    OtherProcessError,
    UsageError,
    WrongTypeError,
)
from ..features.golden_files import transfer_values_of
from ..features.images.colours import darkness
from ..features.images.decoder import MAX_PIXELS, Limits, require_max_pixels
from ..features.images.decoder_pool import SHARED_BYTES, DecoderPool
from ..features.images.decoding_shares import Allowed, require_allowed, shares_of
from ..features.images.view_rules import NO_VIEWS
from ..features.images.views import decode_views
from ..formatting import counted, in_brief_names
from ..progress import Progress
from .head_extractor import read_recipe
from .image_inputs import (
    bytes_of,
    is_several,
    named,
    one,
    picture_in,
    several,
)
from .lazy_extractor import LazyExtractor
from .parity import check_parity, require_known_parity
from .predict_many import rows_of
from .prediction import Prediction
from .rows import answer_to, predictions_of, rank, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..classifier import Head
    from ..classifier.given_head import HeadLike
    from ..features import Extractor
    from ..features.images.view_rules import Views
    from .image_inputs import ImageLike
    from .rows import Row


class Predictor:
    """Turns images into labels. Safe to call from threads, in the process that made it."""

    def __init__(
        self,
        head: HeadLike,
        extractor: Extractor | LazyExtractor,
        *,
        cache: str | os.PathLike[str] | bool | None = False,
        precisions: Sequence[str] = (),
        max_pixels: int = MAX_PIXELS,
        views: Views = NO_VIEWS,
    ) -> None:
        """See `load_predictor`, which checks that head and extractor belong together.

        Images are looked up in `cache`, unless it is False, among rows computed in `precisions`.
        """
        self._head = as_head(head)
        self._cache = cache
        self._max_pixels = require_max_pixels(max_pixels)
        self._views = (0, *views.numbers)
        if not (hasattr(extractor, "recipe") and hasattr(extractor, "batch_size")):
            raise WrongTypeError(
                f"expected the extractor of the head, received {type_of(extractor)}: "
                f"bb.load_predictor(head) rebuilds it"
            )
        if isinstance(extractor, LazyExtractor):
            self._late, preferred = extractor, []
        else:
            self._late, preferred = LazyExtractor.of(extractor), [extractor.precision]
        self._recipe = self._late.recipe
        self._precisions = list(dict.fromkeys([*preferred, *precisions]))

    @property
    def head(self) -> Head:
        """What turns transfer values into probabilities."""
        return self._head

    @property
    def extractor(self) -> Extractor:
        """What turns images into transfer values; starts the network, if it has not started."""
        return self._late.extractor()

    @property
    def classes(self) -> tuple[str, ...]:
        """What can be answered, in the order of the columns of `probabilities`."""
        return self._head.classes

    @property
    def classes_(self) -> np.ndarray:
        """As `classes`, str (n_classes,), under the name that scikit-learn gives them."""
        return np.array(self.classes)

    @property
    def version(self) -> str:
        """Version of the head."""
        return self._head.version

    @property
    def extractor_name(self) -> str:
        """Name of the extractor."""
        return self._recipe.extractor

    @property
    def engine(self) -> str:
        """What runs the network."""
        return self.extractor.engine

    @property
    def precision(self) -> str:
        """What the network effectively computes in."""
        return self.extractor.precision

    def decode_and_resize(self, data: bytes) -> np.ndarray:
        """Decode an image file to uint8 (height, width, 3), RGB, of the extractor's input size.

        Raises
        ------
        ImageRejectedError
            With the reason.
        """
        return self.extractor.decode_and_resize(data, Limits(pixels=self._max_pixels))

    def decoders(self, max_decode_s: float, max_pixels: int) -> DecoderPool:
        """Processes that decode and resize, for a service that others send images to."""
        shares = shares_of(Allowed(), SHARED_BYTES)
        return DecoderPool(
            self._recipe.preprocessing,
            shares.n_workers,
            max_decode_s,
            limits=Limits(pixels=max_pixels),
            memory_bytes=shares.worker_bytes,
            large_bytes=shares.large_bytes,
        )

    def answer(self, images: np.ndarray) -> HeadAnswer:
        """What the head says of images uint8 (n, height, width, 3) from `decode_and_resize`."""
        return self.predict_features(self.transfer_values(images))

    def predict_features(self, features: np.ndarray) -> HeadAnswer:
        """What the head says of transfer values float32 (n, width)."""
        return self._head.answer(features)

    def with_head(self, path: str | os.PathLike[str], parity: str = "refuse") -> Predictor:
        """A predictor with another head on the same extractor, once both have been compared.

        Raises
        ------
        HeadFileError
            When there is no head, or it is damaged.
        HeadMismatchError
            When it was trained on another extractor, by what is written or by its golden images.
        """
        require_known_parity(parity)
        loaded = load_head(Path(path))
        extractor = self.extractor
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
            partial(transfer_values_of, extractor),
            parity,
        )
        return Predictor(
            loaded,
            extractor,
            cache=self._cache,
            precisions=self._precisions,
            max_pixels=self._max_pixels,
        )

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """float64 (n, n_classes) of images uint8 (n, height, width, 3) from `decode_and_resize`."""
        return self.answer(images).probabilities

    def transfer_values(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, width) of images uint8 (n, height, width, 3) from `decode_and_resize`."""
        return self.extractor.transfer_values(images)

    def ranked(self, probabilities: np.ndarray, top: int | None = None) -> list[tuple[str, float]]:
        """(label, probability) of one row of probabilities (n_classes,), the highest first."""
        return rank(probabilities, self.classes, top)

    def __call__(
        self, image: ImageLike | Iterable[ImageLike], top: int | None = None
    ) -> Prediction | list[Prediction]:
        """Predict one image, or each of several.

        Parameters
        ----------
        image
            A path; the bytes of an image file; a binary file object, which is read from where it
            stands; a PIL image of any mode, whose EXIF orientation is applied; pixels, uint8,
            (height, width, 3) in RGB (OpenCV's BGR has to be turned round: ``image[..., ::-1]``),
            (height, width, 4) with transparency, (height, width) or (height, width, 1) in grey.
            Or several: a list, tuple, generator or series of these, or uint8
            (n, height, width, channels).
        top
            How many classes to return; None for all.

        Returns
        -------
        Prediction, or list of Prediction
            A list of (label, probability), the highest first, with `unknown`, `label`,
            `probability`, `error` and `note`. Of several, an image that is rejected has its `error`
            and the others their predictions: also a file object that is closed or exhausted, an
            array of another dtype or shape, and None.

        Raises
        ------
        ImageRejectedError
            When a single image cannot be read or decoded.
        UsageError
            When it is nothing that can be an image, or one of several is of a type that no image
            has, such as a number or a list.
        OtherProcessError
            In a process that was forked since the predictor was loaded.
        """
        self._late.check_process()
        top = _checked_top(top)
        if is_several(image):
            return list(self._predict(several(image), top))
        given = one(image)
        preprocessing = self._recipe.preprocessing
        try:
            if given.picture is not None:
                picture = picture_in(given, preprocessing, self._views)
                pixels, kind = picture.pixels, picture.kind
            else:
                data = given.data or b"" if given.path is None else bytes_of(given.path)
                limits = Limits(pixels=self._max_pixels)
                seen, kind = decode_views(data, preprocessing, self._views, limits=limits)
                pixels = np.stack(list(seen))
        except ImageRejectedError as error:
            raise ImageRejectedError(named(given, error)) from error
        said = answer_to(self._head, self.transfer_values(pixels)[np.newaxis])
        ranked = self.ranked(said.probabilities[0], top)
        note = darkness(kind.brightest, preprocessing.grey16)
        return Prediction(ranked, unknown=bool(said.unknown[0]), path=given.name, note=note)

    def predict_files(
        self,
        paths: Iterable[ImageLike],
        top: int | None = None,
        progress: bool | None = False,
        *,
        max_pixels: int | None = None,
        workers: int | None = None,
        memory: int | str | None = None,
    ) -> Iterator[Prediction]:
        """Predict many image files, in order; one that is rejected has an `error`.

        Images whose transfer values are in the cache, by content, are not decoded; files that are
        known by path, size and time are not even read. Nothing is added to the cache.

        Parameters
        ----------
        paths
            Of image files, as many as there are; or whatever else a predictor takes.
        top
            How many classes to return; None for all.
        progress
            Show progress on stderr, as in `extract`.
        max_pixels
            Of the largest picture that is decoded; None for that of `load_predictor`.
        workers, memory
            As in `extract`.
        """
        allowed = require_allowed(workers, memory)
        self._late.check_process()
        if not is_several(paths):
            raise WrongTypeError(
                f"expected a list of image files, received {type_of(paths)}: put it into a list, "
                f"or give the paths of a table or dataset"
            )
        total = len(paths) if isinstance(paths, Sized) else None
        with Progress("Predicting", total, show=progress) as bar:
            for prediction in self._predict(paths, top, max_pixels, allowed):
                bar.update()
                yield prediction

    def _predict(
        self,
        images: Iterable[ImageLike],
        top: int | None,
        max_pixels: int | None = None,
        allowed: Allowed = Allowed(),  # noqa: B008 (immutable)
    ) -> Iterator[Prediction]:
        top = _checked_top(top)
        for rows in self._rows_of(images, max_pixels, allowed):
            yield from predictions_of(rows, self._head, top)

    def _rows_of(
        self,
        images: Iterable[ImageLike],
        max_pixels: int | None = None,
        allowed: Allowed = Allowed(),  # noqa: B008 (immutable)
    ) -> Iterator[list[Row]]:
        most = self._max_pixels if max_pixels is None else require_max_pixels(max_pixels)
        limits = Limits(pixels=most)
        return rows_of(
            images, self._late, self._cache, self._precisions, limits, allowed, self._views
        )

    def predict(self, X: Iterable[ImageLike] | np.ndarray) -> np.ndarray:
        """The most probable class of each image, str (n,), as scikit-learn has it.

        It is one of `classes_` for unknown images too; calling the predictor says which those are.
        `X` and errors are those of `predict_proba`.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: Iterable[ImageLike] | np.ndarray) -> np.ndarray:
        """Probabilities of images, float64 (n, n_classes), in the order of `classes_`.

        Parameters
        ----------
        X
            Several images, as for calling the predictor; or transfer values of this predictor's
            extractor, floats (n, width).

        Raises
        ------
        ImageRejectedError
            When one cannot be read or decoded; the message says which.
        UsageError
            When `X` is one image, or has another width.
        """
        width = self._recipe.width
        if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f":
            if X.shape[1] != width:
                raise UsageError(f"expected transfer values (n, {width}), received {X.shape}")
            return self.predict_features(X).probabilities
        if not is_several(X):
            raise UsageError(
                f"expected a list of images or transfer values (n, {width}), received "
                f"{type_of(X)}: put it into a list"
            )
        self._late.check_process()
        values: list[np.ndarray] = []
        for row in itertools.chain.from_iterable(self._rows_of(several(X))):
            if row.values is None:
                raise ImageRejectedError(f"image {len(values)}: {reason_of(row)}")
            values.append(row.values)
        if not values:
            return np.empty((0, len(self.classes)))
        return answer_to(self._head, np.stack(values)).probabilities

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise OtherProcessError(
            "a predictor holds a running network and cannot be sent to another process or copied: "
            "call load_predictor in each process, such as in a pool's initializer"
        )

    def __repr__(self) -> str:
        runs_in = "not started yet"
        if self._late.is_started:
            runs_in = f"{self.engine}, {self.precision}"
        return (
            f"<Predictor {self.version}: {counted(len(self.classes), 'class', 'classes')} "
            f"({in_brief_names(self.classes)}); {self.extractor_name}, {runs_in}>"
        )


def _checked_top(top: int | None) -> int | None:
    return None if top is None else require_whole("top", top, 1)

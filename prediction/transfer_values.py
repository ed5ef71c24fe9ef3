"""Transfer values as a scikit-learn transformer: images in, rows of numbers out."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..arguments import type_of
from ..cache import CacheFolder, Variant, content_of_bytes
from ..cache.variant import require_known_storage
from ..datasets import Dataset
from ..errors import CacheLockedError, ImageRejectedError, UsageError
from ..extraction import extract
from ..features import (
    DEFAULT_EXTRACTOR,
    ExtractorSpec,
    find_backbone,
    open_extractor,
    recipe_for,
)
from ..features.backbones.opening import is_file_name, require_known_extractor
from ..features.engines.registry import require_known
from ..features.engines.select import expected_batch_size, preferred_precisions
from ..features.images.decoder import MAX_PIXELS, Limits, require_max_pixels
from ..fork_safety import not_while_forking
from ..formatting import counted
from .cached_rows import open_cached_rows
from .image_inputs import ACCEPTED, is_several, named, one_of_several, several
from .lazy_extractor import LazyExtractor
from .predict_many import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..extraction import FeatureTable
    from ..features import Extractor
    from .image_inputs import ImageLike, Input

_LOCK_WAIT_S = 600.0
"""As long as another process is given to add its rows to the cache."""
_MOST_PAUSE_S = 10.0

logger = logging.getLogger(__name__)


class TransferValues(TransformerMixin, BaseEstimator):
    """Turn images into transfer values, reading those already computed from the cache.

    For `sklearn.pipeline.Pipeline`, `GridSearchCV`, `cross_val_score` and the like. Nothing is
    learned: `fit` only checks the parameters, and `transform` works without it. Image files are
    computed once and kept in the cache, as `extract` does it: later folds, parameter settings and
    processes reuse those rows. The bytes of an image file are looked up in the cache too; what is
    not there is computed and not added, since a row of the cache belongs to a file. Pictures (PIL
    images and arrays of pixels) are computed each time; ``Pipeline(memory=...)`` keeps those.

    Parameters
    ----------
    extractor, weights, grey16, size, layer, scaling, pooling
        As in `extract`.
    max_pixels, cache, engine, precision, store, progress
        As in `extract`.
    image_fit
        What `extract` calls ``fit``, which is a method here: how a picture of another shape becomes
        the network's square, ``squash``, ``crop`` or ``pad``; None: as the network's files say
        it, else ``squash``.

    See Also
    --------
    extract : The same for a dataset, with labels, splits and a report.
    load_predictor : Images to labels, for one image after another.

    Notes
    -----
    The network starts with the first image that needs it, once in each process, and is shared by
    its threads. It is not pickled, so that ``n_jobs`` works; one that was started before a process
    was forked cannot run there, but what is in the cache is still answered. Where another process
    adds rows to the cache, `transform` waits up to 10 minutes for it: with ``n_jobs``, one worker
    computes the images and the others read them.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> import bottlebank as bb
    >>> data = bb.load_dataset("photos")
    >>> model = make_pipeline(bb.TransferValues("efficientnet_lite0"), bb.LogisticHead())
    >>> cross_val_score(model, data.paths, data.labels, cv=3).round(2)
    array([1., 1., 1.])
    """

    _started: tuple[dict[str, Any], LazyExtractor] | None = None
    """The parameters of a network and the network: of this process, and never pickled."""

    def __init__(
        self,
        extractor: str | os.PathLike[str] = DEFAULT_EXTRACTOR,
        *,
        weights: str | os.PathLike[str] = "imagenet",
        image_fit: str | None = None,
        grey16: str = "scale",
        size: int | None = None,
        layer: str | Sequence[str] | None = None,
        scaling: str | None = None,
        pooling: str | None = None,
        max_pixels: int = MAX_PIXELS,
        cache: str | os.PathLike[str] | None = None,
        engine: str = "auto",
        precision: str = "auto",
        store: str = "auto",
        progress: bool | None = None,
    ) -> None:
        self.extractor = extractor
        self.weights = weights
        self.image_fit = image_fit
        self.grey16 = grey16
        self.size = size
        self.layer = layer
        self.scaling = scaling
        self.pooling = pooling
        self.max_pixels = max_pixels
        self.cache = cache
        self.engine = engine
        self.precision = precision
        self.store = store
        self.progress = progress

    def fit(self, X: Iterable[ImageLike], y: object = None) -> TransferValues:
        """Check the parameters, and that there are several images; nothing is read or computed.

        Parameters
        ----------
        X
            As in `transform`.
        y
            Not used.

        Raises
        ------
        UsageError
            When a parameter is unknown, or `X` is not a list of images.
        """
        self._check_parameters()
        _images(X)
        return self

    def transform(self, X: Iterable[ImageLike]) -> np.ndarray:
        """Transfer values of images, in their order.

        Parameters
        ----------
        X
            (n,): a list, tuple, series or NumPy array of paths, or one column of them; or of the
            bytes of image files, binary file objects, PIL images and uint8 pixels (height, width,
            3) in RGB, mixed as they come; or uint8 pixels (n, height, width, 3).

        Returns
        -------
        ndarray
            float32, (n, width).

        Raises
        ------
        ImageRejectedError
            When an image cannot be read or decoded: rows could not be left out without the labels
            of the others being moved. The message has its position in `X` and its path.
        UsageError
            When `X` is one image or something else.
        WeightsNotFoundError, EngineError, OtherProcessError
            When the network cannot run here.
        CacheError
            When the cache cannot be written.
        """
        self._check_parameters()
        inputs: list[Input] = []
        rejected: dict[int, str] = {}
        for position, image in enumerate(_images(X)):
            given, error = one_of_several(image, position)
            inputs.append(given)
            if error is not None:
                rejected[position] = named(given, error)
        _refuse(rejected)
        out = np.empty((len(inputs), self._width()), np.float32)
        files = [position for position, given in enumerate(inputs) if given.path is not None]
        others = [position for position, given in enumerate(inputs) if given.path is None]
        if files:
            self._fill_from_files(out, files, [inputs[position] for position in files])
        if others:
            self._fill_from_memory(out, others, [inputs[position] for position in others])
        return out

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the columns, as `FeatureTable.to_pandas` has them: ``f0``, ``f1``, ….

        Parameters
        ----------
        input_features
            Not used.

        Returns
        -------
        ndarray
            str objects, (width,).
        """
        width = self._width()
        return np.array([f"f{number}" for number in range(width)], object)

    def _fill_from_files(self, out: np.ndarray, positions: list[int], files: list[Input]) -> None:
        """Bring what is missing into the cache, and read all rows from it."""
        n, paths = len(files), [given.path or "" for given in files]
        dataset = Dataset(counted(n, "image"), paths, [""] * n, [None] * n)
        table = self._extracted(dataset)
        reasons = dict(table.rejected)
        _refuse(
            {
                position: named(given, reasons[given.path])
                for position, given in zip(positions, files, strict=True)
                if given.path in reasons
            }
        )
        out[positions] = table.features

    def _extracted(self, dataset: Dataset) -> FeatureTable:
        """As `extract` gives it, once no other process writes."""
        until, pause_s = time.monotonic() + _LOCK_WAIT_S, 1.0
        while True:
            try:
                return extract(
                    dataset,
                    self.extractor,
                    **self._chosen(),
                    max_pixels=self.max_pixels,
                    cache=self.cache,
                    engine=self.engine,
                    precision=self.precision,
                    store=self.store,
                    progress=self.progress,
                )
            except CacheLockedError as error:
                if time.monotonic() + pause_s > until:
                    raise
                logger.info("tried again in %.1f s: %s", pause_s, error)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    def _fill_from_memory(self, out: np.ndarray, positions: list[int], images: list[Input]) -> None:
        """Look up the bytes of image files by content; compute the others."""
        late = self._network()
        precisions = self._precisions(late.recipe.fingerprint)
        contents = [
            None if given.data is None else content_of_bytes(given.data) for given in images
        ]
        with open_cached_rows(self.cache, late.recipe.fingerprint, precisions) as banked:
            found = banked.views_of(contents)
        missing: list[int] = []
        for number, views in enumerate(found):
            if not views:
                missing.append(number)
            else:
                out[positions[number]] = views[0]
        if not missing:
            return
        late.check_process()
        computed = rows_of(
            [images[number].data or images[number].picture or b"" for number in missing],
            late,
            False,
            precisions,
            Limits(pixels=require_max_pixels(self.max_pixels)),
        )
        rejected: dict[int, str] = {}
        rest = iter(missing)
        for rows in computed:
            for row in rows:
                number = next(rest)
                if row.values is None:
                    rejected[positions[number]] = named(images[number], row.error)
                else:
                    out[positions[number]] = row.values[0]
        _refuse(rejected)

    def _network(self) -> LazyExtractor:
        """The network of these parameters, started when something is to be computed.

        In a forked process it may be the parent's, of which only the recipe can be used.
        """
        parameters = self.get_params()
        if (known := self._known_network(parameters)) is not None:
            return known
        with CacheFolder(self.cache, create=True) as folder:
            digest = folder.sha256_of_file
            recipe, weights = recipe_for(self._spec(), digest=digest, progress=self.progress)

        def start() -> Extractor:
            with CacheFolder(self.cache, waits=False) as folder:
                return open_extractor(
                    recipe,
                    lambda: weights,
                    engine=self.engine,
                    precisions=self._precisions(recipe.fingerprint),
                    networks=folder.networks,
                    many=True,
                    progress=self.progress,
                )

        instead = "Use a copy there: sklearn.base.clone makes one without a network"
        late = LazyExtractor(recipe, start, expected_batch_size(self.engine), instead)
        with not_while_forking:  # a forked process would find another lock held for ever
            known = self._known_network(parameters)  # by another thread, meanwhile
            if known is None:
                self._started = parameters, late
        return late if known is None else known

    def _spec(self) -> ExtractorSpec:
        return ExtractorSpec.of(self.extractor, **self._chosen())

    def _chosen(self) -> dict[str, Any]:
        names = ("weights", "grey16", "size", "layer", "scaling", "pooling")
        return {"fit": self.image_fit, **{name: getattr(self, name) for name in names}}

    def _width(self) -> int:
        name = self._spec().extractor
        if is_file_name(name) or self.layer is not None:
            return self._network().recipe.width
        return find_backbone(name).width  # without looking for the weights

    def _known_network(self, parameters: dict[str, Any]) -> LazyExtractor | None:
        if self._started is None:
            return None
        of, late = self._started
        if late.is_started and of != parameters:
            late.check_process()  # to free another process's network would be to wait for ever
        return late if of == parameters and (late.is_started or late.is_here) else None

    def _precisions(self, fingerprint: str) -> Sequence[str]:
        """What is computed in, in order of preference: as the cached rows were, where it can be."""
        if self.precision != "auto":
            return [self.precision]
        with CacheFolder(self.cache, waits=False) as folder:
            cached = [Variant.parse(name).precision for name in folder.variants(fingerprint)]
        return list(dict.fromkeys([*cached, *preferred_precisions(self.engine)]))

    def _check_parameters(self) -> None:
        require_known_extractor(self._spec())
        require_known(self.engine, self.precision)
        require_known_storage(self.store)
        require_max_pixels(self.max_pixels)

    def __getstate__(self) -> dict[str, Any]:
        """The parameters, without the network, which starts anew in another process."""
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_started"}

    def __sklearn_is_fitted__(self) -> bool:
        """Nothing is learned."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Images in, of which a list has one dimension; float32 out."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _images(X: Any) -> list[ImageLike]:
    """The images of what scikit-learn passes on."""
    if isinstance(X, np.ndarray) and X.dtype.kind == "S":
        raise UsageError(
            "expected a list of the bytes of image files, received a NumPy array of them, which "
            "loses zeros at their ends: give a list, or an array of dtype object"
        )
    if getattr(X, "ndim", None) == 2:  # a column of a table
        if X.shape[1] != 1:
            raise UsageError(f"expected one column of images, received an array {X.shape}")
        X = np.asarray(X, object)[:, 0]
    if not is_several(X):
        raise UsageError(
            f"expected a list of images, each {ACCEPTED.split(', or a list')[0]}; received "
            f"{type_of(X)}: put it into a list"
        )
    return list(several(X))


def _refuse(rejected: dict[int, str]) -> None:
    """Raise ImageRejectedError where there are rejected images, by position."""
    if not rejected:
        return
    position, reason = min(rejected.items())
    more = f"; {len(rejected) - 1:,} more cannot be used" if len(rejected) > 1 else ""
    raise ImageRejectedError(f"image {position}: {reason}{more}")

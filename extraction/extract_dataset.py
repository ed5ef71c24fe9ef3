"""Extraction: look up every image, compute what is missing, commit."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ..arguments import require_timeout, require_whole
from ..cache import CacheFolder, Variant
from ..cache.store import COMMIT_EVERY_ROWS
from ..cache.variant import require_known_storage
from ..datasets import as_dataset
from ..datasets.parts import Parts
from ..errors import EngineError, WeightsNotFoundError
from ..features import DEFAULT_EXTRACTOR, ExtractorSpec, recipe_for
from ..features.backbones.opening import require_known_extractor
from ..features.backbones.registry import INSTALLED_EXTRACTOR
from ..features.backbones.weights import IMAGENET
from ..features.engines.registry import require_known
from ..features.engines.select import only_precision, preferences
from ..features.images.colours import GREY16
from ..features.images.decoder import MAX_PIXELS, require_max_pixels
from ..features.images.decoding_shares import Allowed, require_allowed
from ..features.images.view_rules import DEFAULT_RULE, NO_VIEWS, require_views
from .cluster.settings import require_cluster
from .earlier.cache_miss import why_nothing_is_reused
from .earlier.going_on import banked, going_on, remember_network, say_going_on
from .network import CannotRunError
from .parts.memory import open_memory
from .parts.run import RunInParts
from .run import Run

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from ..datasets import Dataset
    from ..features import Recipe
    from ..features.backbones.weights import Weights
    from ..features.images.view_rules import Views
    from .cluster.settings import Cluster
    from .feature_table import FeatureTable

_WITHOUT_DOWNLOAD = f"take {INSTALLED_EXTRACTOR} as the extractor, which needs no download"

logger = logging.getLogger(__name__)


def extract(
    dataset: Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    extractor: str | os.PathLike[str] | None = DEFAULT_EXTRACTOR,
    *,
    weights: str | os.PathLike[str] = "imagenet",
    fit: str | None = None,
    grey16: str | None = None,
    size: int | None = None,
    layer: str | Sequence[str] | None = None,
    scaling: str | None = None,
    pooling: str | None = None,
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    memory: int | str | None = None,
    cache: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    precision: str = "auto",
    store: str = "auto",
    views: int = 0,
    view_rule: str = DEFAULT_RULE,
    commit_every: int = COMMIT_EVERY_ROWS,
    retry_rejected: bool = False,
    download_timeout_s: float | None = None,
    progress: bool | None = None,
    cluster: Cluster | None = None,
) -> FeatureTable:
    """Bring the transfer values of every image of a dataset into the cache.

    Images whose content is in the cache are not decoded again; those whose path, size,
    modification time and inode are known are not even read. What cannot be decoded is rejected,
    remembered, and named in the table; where this machine lacked the memory or the time, it is
    remembered for this machine alone.

    Parameters
    ----------
    dataset
        From `load_dataset`; or what that reads (a folder, a CSV file); or a list of image files,
        which have no classes.
    extractor
        The name of a backbone, such as ``mobilenet_v2``; or the path of a file or folder that
        holds a network. None goes on with the extractor, and its settings, with which most of
        these images are in the cache, as far as their paths, sizes and times tell; where none is,
        the default.
    weights
        ``imagenet`` or the path of a weights file.
    fit
        How a picture of another shape becomes the network's square: ``squash`` scales its sides
        independently, ``crop`` takes the largest square in its middle, ``pad`` lays it on grey.
        None: as the network's files say it, else ``squash``.
    grey16
        How 16 bits per channel, grey or colour, become 8: ``scale`` from all 16, ``stretch`` from
        as many (at least 8) as the picture's greatest value has. None: ``scale``.
    size
        Height and width of the input, in pixels; None: the network's usual one.
    layer
        The layer whose output is the features; or several, side by side. Maps are averaged over
        height and width, of tokens `pooling` decides. None: the layer that gives features; the last
        of a network of the registry, the one before the classes of a classifier in a file.
    scaling
        How pixels become the network's input, of `keras.applications` or where a file of one's own
        does not say it: ``tf``, ``torch``, ``caffe``, ``none``, or a mean and a deviation of values
        from 0 to 1, as ``0.5,0.5``, or ``0,1`` for these values themselves.
    pooling
        How several vectors of a layer become one, in a file of one's own: ``cls`` takes the first,
        the class token, ``mean`` their mean. None: as the layer's shape and name suggest.
    max_pixels
        Larger pictures are rejected; not remembered, so that a higher limit reads them.
    workers
        Processes that read and decode; None: one per core, or fewer where memory is short.
    memory
        What the workers and all buffers may take together, in bytes, or text such as ``"2G"`` or
        ``"50%"``; the network is not counted. None: three quarters of what is available, in the
        container if there is one.
    cache
        The cache folder, or a URL such as ``s3://bucket/prefix``; by default
        ``$BOTTLEBANK_CACHE`` or the platform's.
    engine
        ``auto``, or a name in the registry of engines, `features.engines`.
    precision
        ``float32``, ``bfloat16``, ``float16``, or ``auto``: what the cache holds already, else the
        machine's fastest that agrees with the reference.
    store
        ``float32``, ``float16`` (half the disk; 11 bits of each number are kept), or ``auto``:
        what the cache holds already, else float32.
    views
        Variations of each image whose transfer values are kept beside its own, for training: 0 for
        none, at most 99. More of them later compute only the new ones.
    view_rule
        What they are: ``mixed``, first the mirror image, then small rotations, crops and changes of
        colour, every other one mirrored; ``flip``, the mirror image alone; ``unflipped``, no mirror
        images.
    commit_every
        Rows in a shard; at most this many are lost when the process is killed.
    retry_rejected
        Decode again what took too much memory or time on this machine, or crashed the decoder.
    download_timeout_s
        Give up a download of weights after this long.
    progress
        Show progress on stderr: True always as a bar, False never; None: a bar on a terminal or in
        a notebook, elsewhere a line now and then.
    cluster
        Extract on a Ray cluster. The images, and the cache, have to be where all of its machines
        see them under the same paths.

    Returns
    -------
    FeatureTable
        Its `features` are read from the cache when they are first used.

    Raises
    ------
    UsageError
        An unknown name, a number that is none, or too little memory for so many workers.
    WeightsNotFoundError, EngineError
        When the network cannot run here.
    CacheLockedError, CacheError
        When the cache is being written by another process, or cannot be written.
    """
    require_known(engine, precision)
    require_known_storage(store)
    chosen_views = require_views(views, view_rule)
    max_pixels = require_max_pixels(max_pixels)
    allowed = require_allowed(workers, memory)
    commit_every = require_whole("commit_every", commit_every, 1)
    if cluster is not None:
        require_cluster(cluster)
    download_timeout_s = require_timeout("download_timeout_s", download_timeout_s)
    spec = ExtractorSpec.of(
        DEFAULT_EXTRACTOR if extractor is None else extractor,
        weights=weights,
        fit=fit,
        grey16=GREY16[0] if grey16 is None else grey16,
        size=size,
        layer=layer,
        scaling=scaling,
        pooling=pooling,
    )
    require_known_extractor(spec)
    # A dataset in parts is passed on as it is; see `in_parts`.
    images: Any = dataset if isinstance(dataset, Parts) else as_dataset(dataset)
    with CacheFolder(cache, create=True) as folder:
        open_memory(images, folder)
        extract_with = partial(
            extract_recipe,
            folder=folder,
            engine=engine,
            precision=precision,
            store=store,
            commit_every=commit_every,
            progress=progress,
            max_pixels=max_pixels,
            allowed=allowed,
            retry_rejected=retry_rejected,
            views=chosen_views,
            cluster=cluster,
        )
        if extractor is None and weights == IMAGENET:
            chosen = spec.chosen() if grey16 is None else {**spec.chosen(), "grey16": grey16}
            before = banked(images, folder, chosen)
            if before is not None:
                recipe, find = going_on(before, chosen, folder, download_timeout_s, progress)
                say_going_on(before, recipe, images)
                return extract_with(images, recipe, find, preferred=before.variant)
        try:
            recipe, found = recipe_for(
                spec,
                digest=folder.sha256_of_file,
                download_timeout_s=download_timeout_s,
                progress=progress,
            )
        except WeightsNotFoundError as error:
            raise error.offering(_WITHOUT_DOWNLOAD) if error.remedy else error from None
        remember_network(recipe, found, spec.extractor, folder)
        return extract_with(images, recipe, lambda: found)


def extract_recipe(
    dataset: Dataset,
    recipe: Recipe,
    weights: Callable[[], Weights],
    folder: CacheFolder,
    *,
    engine: str = "auto",
    precision: str = "auto",
    store: str = "auto",
    commit_every: int = COMMIT_EVERY_ROWS,
    progress: bool | None = None,
    max_pixels: int = MAX_PIXELS,
    allowed: Allowed = Allowed(),  # noqa: B008 (immutable)
    retry_rejected: bool = False,
    views: Views = NO_VIEWS,
    preferred: Variant | None = None,
    explain: bool = True,
    cluster: Cluster | None = None,
) -> FeatureTable:
    """As `extract`, for a recipe whose weights need not be at hand while nothing is missing.

    Of several variants that the cache has, `preferred` goes first, then the one with the most rows.
    Where it has none, `explain` says why rows of the same extractor are not reused.
    """
    if precision == "auto":
        precision = only_precision(engine) or "auto"
    known = [
        variant
        for variant in map(Variant.parse, folder.variants(recipe.fingerprint))
        if precision in ("auto", variant.precision) and store in ("auto", variant.storage)
    ]
    known.sort(key=lambda variant: variant != preferred)
    if not known and explain:
        why = why_nothing_is_reused(folder, recipe, precision, store)
        if why is not None:
            logger.warning("%s", why)
    run_of: Any = RunInParts if isinstance(dataset, Parts) else Run
    if cluster is not None:
        run_of = on_cluster(run_of, cluster)
    attempts: list[tuple[str, str]] = []
    for name, variant in _to_try(precision, store, engine, known):
        run = run_of(
            dataset,
            recipe,
            weights,
            folder,
            variant,
            engine=name,
            commit_every=commit_every,
            progress=progress,
            max_pixels=max_pixels,
            allowed=allowed,
            retry_rejected=retry_rejected,
            views=views,
        )
        try:
            return run.complete()
        except CannotRunError as error:
            attempts += error.attempts
    raise EngineError.of_attempts(recipe.extractor, attempts)


def on_cluster(run: type[Run], cluster: Cluster) -> Any:
    """The same run on a cluster; imported only where one is asked for."""
    from .cluster.cluster_run import RUNS

    return partial(RUNS[run], cluster=cluster)


def _to_try(
    precision: str, store: str, engine: str, known: Sequence[Variant]
) -> Iterator[tuple[str, Variant]]:
    """Engines, each with the variant of the rows that it would compute."""
    storage = "float32" if store == "auto" else store
    if precision != "auto":
        yield engine, known[0] if known else Variant(precision, storage)
        return
    yield from ((engine, variant) for variant in known)
    for name, preferred in preferences(engine):
        variant = Variant(preferred, storage)
        if variant not in known:
            if known:
                names = ", ".join(found.name for found in known)
                logger.warning(
                    "all images are computed in %s: the cache's rows in %s are left alone, since "
                    "none can be added to them here",
                    variant.name,
                    names,
                )
            yield name, variant

"""From a head file to a predictor: the extractor is rebuilt and checked."""

from __future__ import annotations

import os
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..arguments import is_one_of, require_timeout
from ..cache import CacheFolder
from ..classifier.given_head import as_head
from ..errors import EngineError, WeightsNotFoundError
from ..extraction.golden_rows import kept_golden_images
from ..features import open_extractor
from ..features.engines.registry import require_known
from ..features.engines.select import expected_batch_size
from ..features.golden_files import transfer_values_of
from ..features.images.decoder import MAX_PIXELS, require_max_pixels
from ..features.images.view_rules import DEFAULT_RULE, RULES, require_views
from .head_extractor import read_recipe, weights_finder
from .lazy_extractor import LazyExtractor
from .parity import check_parity, require_known_parity
from .predictor import Predictor

if TYPE_CHECKING:
    from ..classifier import Head
    from ..classifier.given_head import HeadLike
    from ..features import Extractor
    from ..features.images.view_rules import Views


VIEWS, VIEW_RULE = "views", "view_rule"
"""Entries of a head's training summary: how many views of each image it was trained on, and by
which rule; absent where there were none."""


def load_predictor(
    head: HeadLike,
    *,
    cache: str | os.PathLike[str] | None = None,
    extractor: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    precision: str = "auto",
    many: bool = False,
    parity: str = "refuse",
    download_timeout_s: float | None = None,
    max_pixels: int = MAX_PIXELS,
    views: int = 0,
    view_rule: str | None = None,
) -> Predictor:
    """Load a head and rebuild the extractor that it was trained on.

    Parameters
    ----------
    head
        A head file, from `save_head` or `bottlebank train`; or what `train_head` or `load_head`
        returns.
    cache
        Where converted networks and transfer values are kept; by default ``$BOTTLEBANK_CACHE``
        or the platform's.
    extractor
        Not needed, since the head names its own; any other is refused.
    weights
        The path of the weights file, or of the file with the network, for a head that was trained
        with one: where its converted network is not in the cache, or the file has moved.
    engine, precision
        As in `extract`; ``auto`` computes as the head's training rows were, where this machine
        can.
    many
        Whether many images are coming: the network is then compiled for batches as well. Where the
        cache has the transfer values of the head's golden images, it starts with the first image
        whose own are not there.
    parity
        What is done when the head's golden images give other transfer values here than when it was
        trained: ``refuse`` or ``warn``.
    download_timeout_s
        Give up a download of weights after this long.
    max_pixels
        Of the largest picture that is decoded. How 16 bits per channel become 8, and what becomes
        of pictures that are not square, the head decides: as its training images were.
    views
        Variations of each image over which its probabilities are averaged, with its own: each costs
        as much as another image. Those of files that are in the cache, from `extract`, are used.
    view_rule
        As in `extract`; None for that of the views with which the head was trained, else ``mixed``.

    Returns
    -------
    Predictor
        Called with images, it answers their classes.

    Raises
    ------
    UsageError
        An unknown name, or a number that is none.
    NotAHeadError
        When `head` is something else.
    HeadFileError
        When there is no head file, or it is damaged.
    HeadMismatchError
        When this version's extractor, or the weights found, differ from the head's, by what is
        written or by its golden images. With `many`, what needs the network to run can also be
        raised by the first image that needs it.
    """
    require_known(engine, precision)
    require_known_parity(parity)
    max_pixels = require_max_pixels(max_pixels)
    download_timeout_s = require_timeout("download_timeout_s", download_timeout_s)
    loaded = as_head(head)
    chosen_views = views_for(loaded, views, view_rule)
    source = head if isinstance(head, (str, os.PathLike)) else f"the head {loaded.version}"
    trained_on = read_recipe(loaded, source)
    precisions = [precision]
    if precision == "auto":
        precisions = list(dict.fromkeys([loaded.precision, "float32"]))
    agrees = True

    def start() -> Extractor:
        with CacheFolder(cache, waits=False) as folder:
            copying = (
                f"copy what is in the folder networks of the cache that the head was trained with "
                f"into {folder.networks}"
            )
            try:
                opened = open_extractor(
                    trained_on,
                    weights_finder(
                        trained_on, folder, source, extractor, weights, download_timeout_s
                    ),
                    engine=engine,
                    precisions=precisions,
                    networks=folder.networks,
                    many=many,
                )
            except WeightsNotFoundError as error:
                raise (error.offering(copying) if error.remedy else error) from None
            except EngineError as error:
                if find_spec("tensorflow") is None:  # which converts the networks of Keras
                    raise error.offering(copying) from None
                raise
        if agrees:  # otherwise it has been said
            compute = partial(transfer_values_of, opened)
            check_parity(loaded, source, opened.precision, compute, parity)
        return opened

    predictor_with = partial(
        Predictor,
        loaded,
        cache=cache,
        precisions=precisions,
        max_pixels=max_pixels,
        views=chosen_views,
    )
    with CacheFolder(cache, waits=False) as folder:
        weights_finder(trained_on, folder, source, extractor, weights, download_timeout_s)
        kept = (
            kept_golden_images(folder, trained_on.fingerprint, precisions, loaded) if many else None
        )
    if kept is None:
        return predictor_with(start())
    agrees = check_parity(loaded, source, kept.precision, lambda files: kept.features, parity)
    return predictor_with(LazyExtractor(trained_on, start, expected_batch_size(engine)))


def views_for(head: Head, views: object, view_rule: object = None) -> Views:
    """The views that were requested, by the rule of those with which a head was trained.

    Raises
    ------
    UsageError
        When there is no such rule, or it has fewer views.
    """
    if view_rule is None:
        own = head.training.get(VIEW_RULE)  # any JSON
        view_rule = own if is_one_of(own, RULES) else DEFAULT_RULE
    return require_views(views, view_rule)

"""The map of t-SNE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..hardware import available_cores
from ..progress import Progress
from .map_settings import most_perplexity
from .neighbourhoods.nearest import EXACT_IMAGES, nearest_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .components import Components
    from .map_methods import Settings

_PERPLEXITY = 30.0
# As openTSNE and Belkina et al. 2019, doi:10.1038/s41467-019-13055-y, have it.
_PHASES = (
    {"n_iter": 250, "exaggeration": 12.0, "momentum": 0.5, "theta": 1.2},
    {"n_iter": 500, "momentum": 0.8},
)
_N_ITERATIONS = sum(int(phase["n_iter"]) for phase in _PHASES)
_REPORT_EVERY = 10
# Below, a tree of the images is faster than a grid over the map. Its threads add in the order in
# which they end, so that it has one; those of the grid do not.
_GRID_FROM_IMAGES = 10_000
_LEAST_LEARNING_RATE = 100.0
# How far a branch of the tree may be, against its size, to stand for its images (Barnes-Hut theta).
# On 3,409 photographs 0.7 takes 0.7 of the time of 0.5 and is as trustworthy; 0.8 is less. The
# first phase arranges groups: with 1.2 there, all takes 0.87 of the time, and nothing is lost.
_ANGLE = 0.7


def place(
    components: Components, settings: Settings, progress: bool | None
) -> tuple[NDArray[np.float32], str]:
    """See `map_methods`."""
    n_images = len(components.values)
    perplexity = settings.perplexity or min(_PERPLEXITY, most_perplexity(n_images))
    has_grid = n_images >= _GRID_FROM_IMAGES and settings.dimensions == 2
    n_threads = available_cores() if has_grid else 1
    # t-SNE wants a start that is small against the distances that it will make.
    start = components.start(settings.dimensions, settings.seed)
    start = start.astype(np.float64) * (1e-4 / start[:, 0].std())
    what = f"t-SNE of {n_images:,} images"
    with Progress(what, _N_ITERATIONS, unit="iterations", show=progress) as bar:
        affinities = _affinities(components.unit_values, perplexity, settings.seed)
        bar.start_counting()  # the search for neighbours has no place in the speed
        points = _optimised(start, affinities, n_threads, has_grid, bar)
    caption = f"t-SNE, perplexity {perplexity:.3g}, on {components.in_words()}"
    return points, f"{caption}, seed {settings.seed}"


def _affinities(values: NDArray[np.float32], perplexity: float, seed: int) -> Any:
    from openTSNE import affinity
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    nearest: Any = affinity.PerplexityBasedNN  # its signature says that a perplexity is an int
    n_neighbors = min(len(values) - 1, max(1, int(3 * perplexity)))
    if len(values) > EXACT_IMAGES:
        return nearest(
            values, perplexity, method="annoy", n_jobs=available_cores(), random_state=seed
        )
    indices, distances = nearest_rows(values, n_neighbors)
    found = PrecomputedNeighbors(indices, distances.astype(np.float64))
    return nearest(perplexity=perplexity, knn_index=found)


def _optimised(
    start: NDArray[np.float64], affinities: Any, n_threads: int, has_grid: bool, bar: Progress
) -> NDArray[np.float32]:
    from openTSNE import TSNEEmbedding

    n_before = 0

    def report(iteration: int, error: float, embedding: Any) -> None:
        bar.reach(n_before + iteration)

    embedding: Any = TSNEEmbedding(
        start,
        affinities,
        negative_gradient_method="fft" if has_grid else "bh",
        theta=_ANGLE,
        n_jobs=n_threads,
        callbacks=[report] if bar.shows else None,
        callbacks_every_iters=_REPORT_EVERY,
    )
    # A library of linear algebra that waits in threads of its own slows small steps down.
    with threadpool_limits(n_threads):
        for phase in _PHASES:
            rate = max(_LEAST_LEARNING_RATE, len(start) / phase.get("exaggeration", 1.0))
            embedding.optimize(inplace=True, learning_rate=rate, **phase)
            n_before += int(phase["n_iter"])
    bar.reach(_N_ITERATIONS)
    return np.asarray(embedding, np.float32)

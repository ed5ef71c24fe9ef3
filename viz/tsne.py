"""The map of t-SNE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..progress import Progress
from .steps import tsne_iterations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .components import Components

_PERPLEXITY = 30.0
_N_ITERATIONS = 1000
# With fewer images, threads of OpenMP do little between two barriers, and wait for one another: on
# a busy machine, 60 images took 34 s in two threads and 0.7 s in one.
_THREADS_FROM_IMAGES = 2_000


def place(
    components: Components, seed: int, progress: bool | None
) -> tuple[NDArray[np.float32], str]:
    """See `map_methods`."""
    from sklearn.manifold import TSNE

    n_images = len(components.values)
    # Van der Maaten's rule: three neighbours for each unit of perplexity; below one is no
    # perplexity at all.
    perplexity = min(_PERPLEXITY, max(1.0, (n_images - 1) / 3))
    start: Any = components.start(seed)
    tsne: Any = TSNE(
        perplexity=perplexity,
        # t-SNE wants a start that is small against the distances that it will make.
        init=start * np.float32(1e-4 / start[:, 0].std()),
        learning_rate="auto",
        max_iter=_N_ITERATIONS,
        random_state=seed,
    )
    n_threads = 1 if n_images < _THREADS_FROM_IMAGES else None
    what = f"t-SNE of {n_images:,} images"
    with (
        Progress(what, _N_ITERATIONS, unit="iterations", show=progress) as bar,
        tsne_iterations(bar) as verbose,
        threadpool_limits(n_threads, "openmp"),
    ):
        tsne.set_params(verbose=verbose)
        points = tsne.fit_transform(components.unit_values)
    return points, f"t-SNE, perplexity {perplexity:.3g}, on {components.in_words()}, seed {seed}"

"""How long the search for similar images takes, against NumPy's product alone.

python benchmarks/similar.py

Rows are random, around as many centres as there are classes of ImageNet; of each size, the same
queries are answered by `nearest_rows`, with and without known lengths, and by one matrix product of
the rows with the query, which is the least that an exact answer can take.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
from machine import machine

from bottlebank.prediction.nearest_rows import nearest_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CENTRES = 1000
_ROWS_AT_ONCE = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", nargs="+", default=["100000x1280", "1000000x128"], help="rows × numbers"
    )
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--top", type=int, default=10)
    arguments = parser.parse_args()
    print(machine())
    print("          rows      product   exact, lengths known   exact   as by sorting all")
    for size in arguments.sizes:
        print(line_of(size, arguments.queries, arguments.top))


def line_of(size: str, n_queries: int, top: int) -> str:
    """What was measured on rows of one size."""
    n_rows, width = map(int, size.split("x"))
    rows, queries = made(n_rows, width, n_queries)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    n_same = sum(
        set(nearest_rows(rows, query, top).rows.tolist()) == by_sorting(rows, lengths, query, top)
        for query in queries
    )
    ways: list[Callable[[np.ndarray], object]] = [
        lambda query: rows @ query,
        lambda query: nearest_rows(rows, query, top, lengths=lengths),
        lambda query: nearest_rows(rows, query, top),
    ]
    product, known, whole = (f"{1000 * median_seconds(queries, way):,.0f} ms" for way in ways)
    return f"{size:>14}  {product:>11}  {known:>21}  {whole:>6}   {n_same} of {n_queries}"


def made(n_rows: int, width: int, n_queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, float32 (n_rows, width), and queries near some of them."""
    random = np.random.default_rng(0)
    centres = np.maximum(random.normal(size=(_CENTRES, width)), 0).astype(np.float32)
    rows = np.empty((n_rows, width), np.float32)
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        random.standard_normal(out=part, dtype=np.float32)
        part *= 0.5
        part += centres[random.integers(_CENTRES, size=len(part))]
    near = rows[random.integers(n_rows, size=n_queries)]
    return rows, near + 0.1 * random.standard_normal(near.shape, np.float32)


def by_sorting(rows: np.ndarray, lengths: np.ndarray, query: np.ndarray, top: int) -> set[int]:
    """The nearest rows, by all cosines."""
    return set(np.argsort(-(rows @ query / lengths), kind="stable")[:top].tolist())


def median_seconds(queries: Sequence[np.ndarray], answer: Callable[[np.ndarray], object]) -> float:
    """Of one answer."""
    seconds = []
    for query in queries:
        start = time.perf_counter()
        answer(query)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()

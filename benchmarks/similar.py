"""How long the search for similar images takes, against NumPy's product alone, and by an index.

    python benchmarks/similar.py
    python benchmarks/similar.py --sizes --index-sizes 100000x128

Rows are random, around as many centres as there are classes of ImageNet; of each size, the same
queries are answered by `nearest_rows`, with and without known lengths, and by one matrix product of
the rows with the query, which is the least that an exact answer can take.

Of the sizes of `--index-sizes`, an index is built (`row_index.RowIndex`, by usearch): its time, by
the clock and of all processors together, the recall that it states, and the share of the nearest
rows that it finds for the queries; then the time of an answer by it and of an exact one, taken in
turns, and after how many answers it has saved the processor time that building it took.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
from machine import machine

from bottlebank.prediction.nearest_rows import NearestRows, nearest_rows
from bottlebank.prediction.row_index import RowIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CENTRES = 1000
_ROWS_AT_ONCE = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", nargs="*", default=["100000x1280", "1000000x128"], help="rows × numbers"
    )
    parser.add_argument("--index-sizes", nargs="*", default=[], help="rows × numbers")
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--top", type=int, default=10)
    arguments = parser.parse_args()
    print(machine())
    if arguments.sizes:
        print("          rows      product   exact, lengths known   exact   as by sorting all")
    for size in arguments.sizes:
        print(line_of(size, arguments.queries, arguments.top))
    for size in arguments.index_sizes:
        print(index_of(size, arguments.queries, arguments.top))


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


def index_of(size: str, n_queries: int, top: int) -> str:
    """What was measured with an index of one size."""
    n_rows, width = map(int, size.split("x"))
    rows, queries = made(n_rows, width, n_queries)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    start, cpu_s = time.perf_counter(), time.process_time()
    index = RowIndex(rows)
    built_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_s
    ways: list[Callable[[np.ndarray], NearestRows]] = [
        lambda query: index.nearest(query, top),
        lambda query: nearest_rows(rows, query, top, lengths=lengths),
    ]
    shares, costs = [], []
    for query in queries:
        found = []
        for way in ways:
            before = time.perf_counter(), time.process_time()
            found.append(set(way(query).rows.tolist()))
            costs.append((time.perf_counter() - before[0], time.process_time() - before[1]))
        shares.append(len(found[0] & found[1]) / top)
    by_way = np.array(costs).reshape(n_queries, 2, 2)
    by_clock = np.median(by_way[:, :, 0], axis=0)
    of_processors = by_way[:, :, 1].mean(axis=0)
    saved_s = of_processors[1] - of_processors[0]
    pays = f"{cpu_s / saved_s:,.0f} answers" if saved_s > 0 else "never"
    return (
        f"{size}: index built in {built_s:.0f} s, {cpu_s:.0f} s of processors; "
        f"recall stated {index.recall:.3f}, of the queries {np.mean(shares):.3f}\n"
        f"  an answer {1000 * by_clock[0]:.1f} ms, exact {1000 * by_clock[1]:.1f} ms; "
        f"of processors {1000 * of_processors[0]:.1f} ms and {1000 * of_processors[1]:.1f} ms; "
        f"pays after {pays}"
    )


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

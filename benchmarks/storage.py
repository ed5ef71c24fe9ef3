"""What `--store float16` loses, on a dataset of one's own, against float32 in the same run.

python benchmarks/storage.py photos/ --extractor mobilenet_v2
"""

from __future__ import annotations

import argparse

import numpy as np

import bottlebank as bb


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a dataset, as for `bottlebank extract`")
    parser.add_argument("--extractor", default="inception_v3")
    parser.add_argument("--cache", help="where the rows are kept (default: the user's cache)")
    arguments = parser.parse_args()
    dataset = bb.load_dataset(arguments.data)
    tables = {
        store: bb.extract(dataset, arguments.extractor, cache=arguments.cache, store=store)
        for store in ("float32", "float16")
    }
    whole, half = tables["float32"].features, tables["float16"].features
    lengths = np.linalg.norm(whole, axis=1) * np.linalg.norm(half, axis=1)
    cosines = np.einsum("nd,nd->n", whole, half) / lengths
    error = np.abs(whole - half) / np.maximum(np.abs(whole), 1e-3)
    print(f"{len(whole)} images, {arguments.extractor}, {whole.shape[1]} numbers per image")
    print(f"least cosine of a row {cosines.min():.7f}; largest relative error {error.max():.5f}")
    for store, table in tables.items():
        figures = {
            split: f"{found.accuracy:.4f}"
            for split, found in bb.train_head(table).evaluations.items()
            if found is not None
        }
        print(f"{store}: accuracy of the logistic head {figures}")


if __name__ == "__main__":
    main()

"""How long a person waits for `bottlebank predict` with one image, when everything is cached.

    python benchmarks/startup.py photos/ --extractor mobilenet_v2

A new process each time, from its start to its end, by the clock; the peer is a process that does
nothing but `import tensorflow`, which a program has to do before it can begin with Keras. The two
take turns; the table holds medians and the range.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import bottlebank as bb

PREDICT = "import sys; from bottlebank.cli import main; code = main(); {}; sys.exit(code)"
TELL = "print('tensorflow' in sys.modules, file=sys.stderr)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class")
    parser.add_argument("--extractor", default="mobilenet_v2")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as name:
        race(arguments, Path(name))


def race(arguments: argparse.Namespace, folder: Path) -> None:
    head, cache = str(folder / "head.h5"), str(folder / "cache")
    image = bb.load_dataset(arguments.data).paths[0]
    bottlebank = [sys.executable, "-m", "bottlebank"]
    options = ["--extractor", arguments.extractor, "--cache", cache]
    run([*bottlebank, "train", arguments.data, *options, "--output", head])
    predict = ["predict", image, "--head", head, "--cache", cache, "--json"]
    told = run([sys.executable, "-c", PREDICT.format(TELL), *predict])
    print(f"{arguments.extractor}; TensorFlow imported by predict: {told.stderr.split()[-1]}")
    print(f"  {json.loads(told.stdout)['predictions'][:1]}")

    times: dict[str, list[float]] = {"predict": [], "import tensorflow": []}
    for _ in range(arguments.rounds):
        for way, command in {
            "predict": [*bottlebank, *predict],
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
        }.items():
            start = time.perf_counter()
            run(command)
            times[way].append(time.perf_counter() - start)
    for way, values in times.items():
        ratios = [value / mine for value, mine in zip(values, times["predict"], strict=True)]
        print(
            f"  {way:<18} {statistics.median(values):5.2f} s [{min(values):.2f}, {max(values):.2f}]"
            f"   it / predict {statistics.median(ratios):5.2f}"
        )


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True)


if __name__ == "__main__":
    main()

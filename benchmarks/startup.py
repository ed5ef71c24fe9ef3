"""How long a person waits for `bottlebank predict` and `bottlebank serve`, all being cached.

    python benchmarks/startup.py photos/ --extractor mobilenet_v2

A new process each time, by the clock: `predict` with one image from its start to its end, `serve`
from its start until /readyz says yes. The peer is a process that does nothing but
`import tensorflow`, which a program has to do before it can begin with Keras. They take turns; the
table holds medians and the range.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from functools import partial
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

    ways = {
        "predict": partial(run, [*bottlebank, *predict]),
        "serve, to ready": partial(
            serve, [*bottlebank, "serve", "--head", head, "--cache", cache, "--port", "0"]
        ),
        "import tensorflow": partial(run, [sys.executable, "-c", "import tensorflow"]),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way, measured in ways.items():
            start = time.perf_counter()
            measured()
            times[way].append(time.perf_counter() - start)
    for way, values in times.items():
        ratios = [value / mine for value, mine in zip(values, times["predict"], strict=True)]
        print(
            f"  {way:<18} {statistics.median(values):5.2f} s [{min(values):.2f}, {max(values):.2f}]"
            f"   it / predict {statistics.median(ratios):5.2f}"
        )


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True)


def serve(command: Sequence[str]) -> None:
    """Start a server, see that it is ready, and end it; ending it takes no time to speak of."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        said = server.stdout.readline() if server.stdout else ""
        url = next(word for word in said.split() if word.startswith("http://"))
        with urllib.request.urlopen(f"{url.rstrip('/')}/readyz", timeout=10) as answer:
            answer.read()
        server.kill()


if __name__ == "__main__":
    main()

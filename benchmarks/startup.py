"""How long a person waits for `predict`, `train` and `serve`, all being cached.

    python benchmarks/startup.py photos/ --extractor mobilenet_v2

A new process each time, by the clock: `--help`, `predict` with one image and `train` from start to
end, `serve` from its start until /readyz says yes. The peer of `--help` is a bare interpreter; that
of the others a process that does nothing but `import tensorflow`, which a program has to do before
it can begin with Keras. Two of the ways leave out something that is done for speed: ending the
process without taking down what it has loaded (`os._exit`), and importing beside other work in
`serve`. They take turns; the table holds medians and the range.
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

from machine import machine

import bottlebank as bb

PREDICT = "import sys; from bottlebank.cli import main; code = main(); {}; sys.exit(code)"
TELL = "print('tensorflow' in sys.modules, file=sys.stderr)"
PEERS = {
    "--help": "python",
    "predict, taken down": "predict",
    "serve, in turn": "serve, to ready",
}
PROGRAM = "import sys; from bottlebank.cli import run; run()"
TAKEN_DOWN = "import sys; from bottlebank.cli import main; sys.exit(main(sys.argv[1:]))"
IN_TURN = """
import concurrent.futures

class InTurn(concurrent.futures.ThreadPoolExecutor):
    def submit(self, function, *arguments):
        if function.__name__ != "import_the_rest":
            return super().submit(function, *arguments)
        future = concurrent.futures.Future()
        future.result = lambda: function(*arguments)
        return future

concurrent.futures.ThreadPoolExecutor = InTurn
"""
"""Imports that are handed to a thread are done when they are waited for."""


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
    print(f"{arguments.extractor}; {machine()}")
    print(f"TensorFlow imported by predict: {told.stderr.split()[-1]}")
    print(f"  {json.loads(told.stdout)['predictions'][:1]}")

    train = ["train", arguments.data, *options, "--output", head]
    serve = ["serve", "--head", head, "--cache", cache, "--port", "0"]
    in_turn = [sys.executable, "-c", IN_TURN + PROGRAM]
    ways = {
        "python": partial(run, [sys.executable, "-c", "pass"]),
        "--help": partial(run, [*bottlebank, "--help"]),
        "predict": partial(run, [*bottlebank, *predict]),
        "predict, taken down": partial(run, [sys.executable, "-c", TAKEN_DOWN, *predict]),
        "train": partial(run, [*bottlebank, *train]),
        "serve, to ready": partial(until_ready, [*bottlebank, *serve]),
        "serve, in turn": partial(until_ready, [*in_turn, *serve]),
        "import tensorflow": partial(run, [sys.executable, "-c", "import tensorflow"]),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way, measured in ways.items():
            start = time.perf_counter()
            measured()
            times[way].append(time.perf_counter() - start)
    for way, values in times.items():
        peer = PEERS.get(way, "import tensorflow")
        ratios = [value / its for value, its in zip(values, times[peer], strict=True)]
        print(
            f"  {way:<20} {statistics.median(values):5.2f} s [{min(values):.2f}, {max(values):.2f}]"
            f"   {statistics.median(ratios):5.2f} of {peer}"
        )


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True)


def until_ready(command: Sequence[str]) -> None:
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

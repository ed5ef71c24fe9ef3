"""`bottlebank serve` under load, against the way in which tutorials serve a network.

    python benchmarks/service.py photos/
    python benchmarks/service.py photos/ --head head.h5 --cache cache/ --rounds 5
    python benchmarks/service.py photos/ --mixture

MobileNetV2; the photographs are uploaded as they are, as `curl -F image=@photo.jpg` does, by 16
connections that are kept alive: each sends the next photograph when its last one is answered. The
load generator (service_load.py) is this process, and shares the cores with the server; a last line
says what it took. Every answer must have status 200, or the benchmark fails.

Each round runs every way once, one after the other, the next round in the opposite order; the table
holds the median, lowest and highest of the rounds, and ratios within a round. Latencies are those
that a client sees; p99 is that of one round. Start-up and the first second are left out.

- bottlebank: the command `bottlebank serve`, as it is.
- FastAPI + Keras: what tutorials have: an `async` handler under uvicorn that reads the upload,
  decodes and resizes with Pillow, calls `preprocess_input`, and `model.predict` with a batch of
  one; MobileNetV2 and a softmax layer of as many classes. Its access log and progress bars are off,
  in its favour. Where fastapi, uvicorn and python-multipart are installed.
- Bound: a process for each core that does nothing but decode and run the network, all at once, by
  the clock: an image at a time, and in the batches that the network is compiled for. No service
  that decodes so and runs this network on these cores answers more than the better of the two.

At the end a client that is alone: one connection, one request after the other, against decoding and
running the network in one process that has the same bytes in memory, with nothing else running.

--mixture sends 12 photographs of 20 kB to 16 MB in place of the files, each 1.84 times as large as
the one before: photographs of the folder, enlarged, with grain.

Without --head, one is trained first. The tutorials' weights come from Keras, which downloads them
once; KERAS_HOME says where they are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import io
import multiprocessing
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from machine import machine
from PIL import Image
from service_load import LoadResult, load, multipart

import bottlebank as bb
from bottlebank.formatting import counted
from bottlebank.hardware import available_cores
from bottlebank.native_stderr import silent_stderr

EXTRACTOR = "mobilenet_v2"
AT_MOST_PHOTOGRAPHS = 2048
MIXTURE_BYTES = np.geomspace(20e3, 16e6, 12).round().astype(int).tolist()
ALONE = 300
MOST_ALONE = 1.5
BOTTLEBANK, TUTORIAL = "bottlebank", "FastAPI + Keras"
NEEDED = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}


def main() -> None:
    parser = argparse.ArgumentParser(description="The service under load.")
    parser.add_argument("data", help="a folder per class, of JPEG or PNG files")
    parser.add_argument("--head", help=f"of {EXTRACTOR}; trained on the photographs if not given")
    parser.add_argument("--cache", help="of transfer values and networks; a new one if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of load, for each way a round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--mixture", action="store_true", help="photographs of 20 kB to 16 MB")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as name:
        race(arguments, Path(name))


def race(arguments: argparse.Namespace, folder: Path) -> None:
    cache = arguments.cache or str(folder / "cache")
    head = arguments.head
    if head is None:
        head = str(folder / "head.h5")
        options = ["--extractor", EXTRACTOR, "--cache", cache, "--output", head]
        subprocess.run([*bottlebank("train", arguments.data), *options], check=True)
    paths = some_paths(arguments.data)
    if arguments.mixture:
        paths = mixture(paths, folder)
    bodies = [multipart(path.read_bytes()) for path in paths]
    work = Work(head, cache, tuple((paths * ALONE)[:ALONE]))
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        # A pool for each core: two tasks of one round never fall to the same process.
        cores = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
            for _ in range(available_cores())
        ]
        starting = [core.submit(about, work) for core in cores]
        told, *_ = [each.result() for each in starting]
        services = {BOTTLEBANK: stack.enter_context(serve_bottlebank(head, cache))}
        missing = [NEEDED[name] for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            print(f"  ({TUTORIAL} is left out: pip install {' '.join(missing)})")
        else:
            services[TUTORIAL] = stack.enter_context(serve_tutorial(spawn, told.n_classes))
        print(
            f"{len(paths)} photographs of {sum(map(len, bodies)) / len(bodies) / 1000:.0f} KB, "
            f"{told.words}; {machine()}; "
            f"{counted(arguments.rounds, 'round')} of {arguments.seconds:g} s, "
            f"{arguments.connections} connections",
            flush=True,
        )

        def under_load(name: str, seconds: float = arguments.seconds) -> LoadResult:
            return checked(name, load(*services[name], bodies, arguments.connections, seconds))

        def of_one_client() -> LoadResult:
            address = services[BOTTLEBANK]
            return checked(BOTTLEBANK, load(*address, bodies, 1, ALONE, at_most=ALONE))

        for name in services:
            under_load(name, 1)
        run_rounds(
            arguments.rounds,
            {name: functools.partial(under_load, name) for name in services},
            {
                "bound, one by one": lambda: bound(cores, work, 1),
                f"bound, by {told.batch_size}": lambda: bound(cores, work, told.batch_size),
            },
            of_one_client,
            lambda: cores[0].submit(median_alone_s, work).result(),
        )


def run_rounds(
    n_rounds: int,
    services: dict[str, Callable[[], LoadResult]],
    bounds: dict[str, Callable[[], float]],
    of_one_client: Callable[[], LoadResult],
    without_service: Callable[[], float],
) -> None:
    rates: dict[str, list[float]] = {name: [] for name in (*services, *bounds)}
    latencies: dict[str, list[np.ndarray]] = {name: [] for name in services}  # median and p99, ms
    alone_ms: dict[str, list[float]] = {"client": [], "without": []}
    generator_s, loaded_s = 0.0, 0.0

    def loaded(name: str) -> None:
        nonlocal generator_s, loaded_s
        begun = time.process_time()
        result = services[name]()
        generator_s += time.process_time() - begun
        loaded_s += result.seconds
        rates[name].append(result.requests / result.seconds)
        latencies[name].append(1000 * np.percentile(result.latencies_s, [50, 99]))

    def bounded(name: str) -> None:
        rates[name].append(bounds[name]())

    def one_client() -> None:
        alone_ms["client"].append(1000 * statistics.median(of_one_client().latencies_s))

    def no_service() -> None:
        alone_ms["without"].append(1000 * without_service())

    steps = [functools.partial(bounded, name) for name in bounds]
    steps += [functools.partial(loaded, name) for name in services]
    for number in range(n_rounds):
        for step in [*steps, one_client, no_service][:: -1 if number % 2 else 1]:
            step()

    for name, values in rates.items():
        mine = ratios(rates[BOTTLEBANK], values)
        print(f"  {name:<17} {spread(values, 1)} requests/s   bottlebank / it {spread(mine, 2)}")
    for name, rows in latencies.items():
        median_ms, p99_ms = np.transpose(rows).tolist()
        print(
            f"  {name:<17} median {spread(median_ms, 1)} ms   p99 {spread(p99_ms, 1)} ms   "
            f"p99 / median {spread(ratios(p99_ms, median_ms), 2)}"
        )
    alone = ratios(alone_ms["client"], alone_ms["without"])
    print(
        f"  a client alone    median {spread(alone_ms['client'], 2)} ms   "
        f"decoding and network {spread(alone_ms['without'], 2)} ms   ratio {spread(alone, 2)}: "
        f"{'within' if statistics.median(alone) <= MOST_ALONE else 'MORE THAN'} {MOST_ALONE}"
    )
    print(f"  the load generator took {generator_s / loaded_s:.1%} of one core")


def checked(name: str, result: LoadResult) -> LoadResult:
    """The result, if there was nothing but 200."""
    if set(result.statuses) != {200}:
        told = ", ".join(f"{n} of {status}" for status, n in sorted(result.statuses.items()))
        sys.exit(f"{name}: expected answers of status 200 alone (0: no answer), received {told}")
    return result


def some_paths(data: str) -> list[Path]:
    """In an order in which the classes, whose photographs differ in size, are mixed."""
    paths = [Path(path) for path in bb.load_dataset(data).paths]
    return random.Random(0).sample(paths, min(len(paths), AT_MOST_PHOTOGRAPHS))


def mixture(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Photographs made from others, of at most so many bytes and almost as many."""
    made = []
    for number, n_bytes in enumerate(MIXTURE_BYTES):
        side_px, data = int(n_bytes**0.5), b""
        with Image.open(paths[number % len(paths)]) as photograph:
            picture = photograph.convert("RGB")
        while not 0.8 * n_bytes < len(data) <= n_bytes:
            if data:
                side_px = int(side_px * (0.9 * n_bytes / len(data)) ** 0.5)
            grain = np.random.default_rng(number).integers(-40, 41, (side_px, side_px, 1), np.int16)
            pixels = np.asarray(picture.resize((side_px, side_px))) + grain
            file = io.BytesIO()
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
            data = file.getvalue()
        made.append(folder / f"{n_bytes}.jpg")
        made[-1].write_bytes(data)
    return random.Random(0).sample(made, len(made))


def bottlebank(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bottlebank", *arguments]


@contextlib.contextmanager
def serve_bottlebank(head: str, cache: str) -> Iterator[tuple[str, int]]:
    """The host and port of a server that ends with the block."""
    command = bottlebank("serve", "--head", head, "--cache", cache, "--port", "0")
    # A line for each request is written, as it would be; nobody reads it.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            url = re.search(r"http://\S+", line)
            if url is None:
                sys.exit(f"expected an address from `bottlebank serve`, received {line!r}")
            parts = urlsplit(url[0])
            yield str(parts.hostname), parts.port or 80
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(15)
            server.kill()


@contextlib.contextmanager
def serve_tutorial(spawn: SpawnContext, n_classes: int) -> Iterator[tuple[str, int]]:
    """The host and port of a server that ends with the block."""
    receiver, sender = spawn.Pipe(duplex=False)
    server = spawn.Process(target=tutorial, args=(sender, n_classes), daemon=True)
    server.start()
    sender.close()
    try:
        yield receiver.recv()
    except EOFError:
        sys.exit(f"{TUTORIAL}: its server ended before it took requests")
    finally:
        server.terminate()
        server.join(15)
        server.kill()


def tutorial(ready: Connection, n_classes: int) -> None:
    """Serve as tutorials do, until SIGTERM."""
    import uvicorn
    from fastapi import FastAPI, File

    with silent_stderr():
        import keras
        from keras.applications.mobilenet_v2 import MobileNetV2, preprocess_input
    network = MobileNetV2(
        weights="imagenet", include_top=False, input_shape=(224, 224, 3), pooling="avg"
    )
    model: Any = keras.Sequential([network, keras.layers.Dense(n_classes, activation="softmax")])
    model.predict(np.zeros((1, 224, 224, 3), np.float32), verbose=0)
    app = FastAPI()

    @app.post("/predict")
    async def predict(image: bytes = File()) -> dict[str, object]:
        picture = Image.open(io.BytesIO(image)).convert("RGB").resize((224, 224))
        pixels = preprocess_input(np.array(picture, dtype=np.float32)[np.newaxis])
        probabilities = model.predict(pixels, verbose=0)[0]
        best = int(np.argmax(probabilities))
        return {"class": best, "confidence": float(probabilities[best])}

    listener = socket.create_server(("127.0.0.1", 0))  # connections wait in the kernel from here
    ready.send(listener.getsockname())
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listener])


class Work(NamedTuple):
    """What a process decodes and runs the network on."""

    head: str
    cache: str
    paths: tuple[Path, ...]


class About(NamedTuple):
    words: str
    n_classes: int
    batch_size: int


@functools.cache
def opened(work: Work) -> tuple[bb.Predictor, list[bytes]]:
    """Once in a process: the network, compiled as the service's, and the files in memory."""
    predictor = bb.load_predictor(work.head, cache=work.cache, many=True)
    return predictor, [path.read_bytes() for path in work.paths]


def about(work: Work) -> About:
    predictor, _ = opened(work)
    words = f"{predictor.extractor_name}, {predictor.engine} in {predictor.precision}"
    return About(words, len(predictor.classes), predictor.extractor.batch_size)


def bound(cores: Sequence[Executor], work: Work, batch_size: int) -> float:
    """Images a second, if every core does nothing but decode and run the network."""
    runs = [core.submit(decode_and_run_s, work, batch_size) for core in cores]
    return len(cores) / statistics.mean(run.result() for run in runs)


def decode_and_run_s(work: Work, batch_size: int) -> float:
    """Seconds for an image, on one core."""
    predictor, files = opened(work)
    started = time.perf_counter()
    for first in range(0, len(files), batch_size):
        batch = [predictor.decode_and_resize(file) for file in files[first : first + batch_size]]
        predictor.transfer_values(np.stack(batch))
    return (time.perf_counter() - started) / len(files)


def median_alone_s(work: Work) -> float:
    """Seconds for an image, one at a time."""
    predictor, files = opened(work)
    times = []
    for file in files:
        started = time.perf_counter()
        predictor.transfer_values(predictor.decode_and_resize(file)[np.newaxis])
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def ratios(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(mine, theirs, strict=True)]


def spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:7.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()

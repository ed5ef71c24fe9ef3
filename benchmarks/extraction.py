"""`bottlebank extract` against the ways in which it is usually done, on the same images.

    python benchmarks/extraction.py photos/
    python benchmarks/extraction.py photos/ --extractor inception_v3 --random-weights

Each round extracts the same images once in every way, one after the other, the peers in the next
round in the opposite order; the table holds medians, and the lowest and highest of the rounds.
Starting up (imports, building and converting the network, the first batch) is left out for all.

- bottlebank: `bb.extract` into a new cache, in the engine and precision that it takes by itself:
  reading, hashing, decoding, network, and every fsync of the commits.
- bottlebank, ONNX Runtime: the same with that engine, in float32. Where onnxruntime is installed,
  and tf2onnx or a network that needs none.
- Keras idiom: `image_dataset_from_directory`, the network's own `preprocess_input`, and
  `model.predict` in batches of 32.
- ONNX Runtime: the same network exported by Keras, in float32; a thread a core decodes with Pillow
  while the network runs on the batch before. Where onnxruntime and tf2onnx are installed.
- One at a time: `load_img` and `model.predict` for each image, over a few of them.
- Bound: the cores, over the core-seconds that decoding and the network take for an image. Each is
  measured alone right before and after bottlebank, by the clock, with every core busy with it: a
  process a core decodes what it already has in memory, then a thread a core runs the network.
  Nothing that decodes so and runs this network here can be faster.

Where other machines share the processor, the clock tells as much of them; so the last line compares
processor time: what decoding and network alone take, over all that bottlebank takes, start-up of
the engine and of the decoders included.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from machine import machine

import bottlebank as bb
from bottlebank.features import ExtractorSpec, find_backbone, open_extractor, recipe_for
from bottlebank.features.backbones.registry import KERAS
from bottlebank.features.images.fit import Preprocessing, decode_and_resize
from bottlebank.formatting import counted
from bottlebank.hardware import available_cores

ONE_AT_A_TIME = 48
IN_THE_BOUND = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class")
    parser.add_argument("--extractor", default="mobilenet_v2")
    parser.add_argument("--random-weights", action="store_true", help="where none can be had")
    parser.add_argument("--images", type=int, default=4096, help="at most so many of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", help="as on a processor that computes in no other")
    parser.add_argument("--no-peers", action="store_true", help="compare with the bound alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bottlebank-") as name:
        race(arguments, Path(name))


def race(arguments: argparse.Namespace, folder: Path) -> None:
    backbone = find_backbone(arguments.extractor)
    model = keras_model(backbone, arguments.random_weights)
    weights = "imagenet"
    if arguments.random_weights:
        weights = str(folder / "random.weights.h5")
        model.save_weights(weights)
    photos = some_images(Path(arguments.data), folder / "photos", arguments.images)
    dataset = bb.load_dataset(photos)
    recipe, found = recipe_for(ExtractorSpec(backbone.name, weights))
    networks = folder / "cache" / "networks"
    chosen = {"precisions": [arguments.precision]} if arguments.precision else {}
    extractor = open_extractor(recipe, lambda: found, networks=networks, many=True, **chosen)
    print(
        f"{len(dataset)} images, {backbone.name}, {extractor.engine} in {extractor.precision}, "
        f"{counted(arguments.rounds, 'round')}; {machine()}"
    )

    # Evenly over the classes, whose photographs differ in size.
    some_paths = dataset.paths[:: max(1, len(dataset) // IN_THE_BOUND)]
    with ProcessPoolExecutor(
        available_cores(), mp_context=multiprocessing.get_context("spawn")
    ) as processes:
        peers: dict[str, Callable[[], float] | None] = {}
        if not arguments.no_peers:
            peers = {
                "with ONNX Runtime": with_onnx_runtime(dataset, recipe, weights, folder / "cache"),
                "Keras idiom": keras_idiom(model, backbone, photos),
                "ONNX Runtime": onnx_runtime(model, backbone, dataset.paths, folder),
                "one at a time": one_at_a_time(model, backbone, dataset.paths[:ONE_AT_A_TIME]),
            }
        run_rounds(
            arguments.rounds,
            lambda: ours(dataset, backbone.name, weights, folder / "cache", extractor),
            lambda: bound(extractor, some_paths, processes),
            {name: peer for name, peer in peers.items() if peer is not None},
        )


class Cost(NamedTuple):
    """Of an image, in seconds: by the clock, with all cores at it, and of processor time."""

    clock: float
    processor: float


def run_rounds(
    n_rounds: int,
    ours: Callable[[], Cost],
    bound: Callable[[], Cost],
    peers: dict[str, Callable[[], float]],
) -> None:
    bound()  # its processes start here
    rates: dict[str, list[float]] = {"bottlebank": [], "bound": [], **{name: [] for name in peers}}
    processor_shares = []
    for number in range(n_rounds):
        before, mine, after = bound(), ours(), bound()
        rates["bottlebank"].append(1 / mine.clock)
        rates["bound"].append(2 / (before.clock + after.clock))
        processor_shares.append((before.processor + after.processor) / 2 / mine.processor)
        for name in list(peers)[:: -1 if number % 2 else 1]:
            rates[name].append(peers[name]())
        told = ", ".join(f"{name} {values[-1]:.1f}" for name, values in rates.items())
        print(f"  round {number + 1}: {told}", file=sys.stderr, flush=True)
    for name, values in rates.items():
        ratios = [mine / theirs for mine, theirs in zip(rates["bottlebank"], values, strict=True)]
        print(f"  {name:<17} {spread(values, 1)} images/s   bottlebank / it {spread(ratios, 2)}")
    print(f"  of its processor time, decoding and network alone take {spread(processor_shares, 2)}")


def ours(dataset, name: str, weights: str, cache: Path, extractor) -> Cost:
    """Into a cache without rows; the converted network is there already."""
    for path in cache.glob("*/*/*.h5"):
        path.unlink()
    (cache / "index.sqlite").unlink(missing_ok=True)
    start, begun = time.perf_counter(), processor_s()
    report = bb.extract(
        dataset,
        name,
        weights=weights,
        cache=cache,
        engine=extractor.engine,
        precision=extractor.precision,
        progress=False,
    ).report
    seconds = time.perf_counter() - start - report.startup_seconds
    assert report.extracted + report.duplicates == len(dataset), report
    return Cost(seconds / len(dataset), (processor_s() - begun) / len(dataset))


def with_onnx_runtime(dataset, recipe, weights: str, cache: Path) -> Callable[[], float] | None:
    """As `ours`, by the clock alone."""
    _, found = recipe_for(ExtractorSpec(recipe.extractor, weights))
    try:
        extractor = open_extractor(
            recipe,
            lambda: found,
            engine="onnxruntime",
            precisions=["float32"],
            networks=cache / "networks",
            many=True,
        )
    except bb.errors.EngineError as error:
        print(f"  (bottlebank with ONNX Runtime is left out: {error})")
        return None
    return lambda: 1 / ours(dataset, recipe.extractor, weights, cache, extractor).clock


def processor_s() -> float:
    """Processor time of this process, and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def keras_model(backbone, random_weights: bool):
    if backbone.module != KERAS:
        _, weights = recipe_for(ExtractorSpec(backbone.name))
        module = backbone.imported()
        return module.keras_model(backbone, module.read_arrays(backbone, weights))
    return constructor(backbone)(
        weights=None if random_weights else "imagenet",
        include_top=False,
        input_shape=(backbone.input_size_px, backbone.input_size_px, 3),
        pooling="avg",
    )


def constructor(backbone):
    module, _, name = backbone.constructor.partition(":")
    return getattr(importlib.import_module(module), name)


def keras_preprocessing(backbone):
    if backbone.module != KERAS:
        return lambda pixels: pixels * backbone.scaling.scale[0] + backbone.scaling.offset[0]
    return importlib.import_module(constructor(backbone).__module__).preprocess_input


def keras_idiom(model, backbone, photos: Path) -> Callable[[], float]:
    import keras

    preprocess = keras_preprocessing(backbone)
    images = keras.utils.image_dataset_from_directory(
        photos,
        labels=None,
        image_size=(backbone.input_size_px, backbone.input_size_px),
        batch_size=32,
        shuffle=False,
        verbose=False,
    ).map(preprocess)
    model.predict(images.take(1), verbose=0)

    def run() -> float:
        start = time.perf_counter()
        values = model.predict(images, verbose=0)
        return len(values) / (time.perf_counter() - start)

    return run


def one_at_a_time(model, backbone, paths: Sequence[str]) -> Callable[[], float]:
    import keras

    preprocess = keras_preprocessing(backbone)
    size = (backbone.input_size_px, backbone.input_size_px)

    def extract(path: str) -> np.ndarray:
        pixels = keras.utils.img_to_array(keras.utils.load_img(path, target_size=size))
        return model.predict(preprocess(pixels[np.newaxis]), verbose=0)

    extract(paths[0])

    def run() -> float:
        start = time.perf_counter()
        for path in paths:
            extract(path)
        return len(paths) / (time.perf_counter() - start)

    return run


def onnx_runtime(model, backbone, paths: Sequence[str], folder: Path) -> Callable[[], float] | None:
    try:
        import onnxruntime
        import tf2onnx  # noqa: F401 (what Keras exports with)
    except ImportError as error:
        print(f"  (ONNX Runtime is left out: {error})")
        return None
    from PIL import Image

    side_px = backbone.input_size_px
    model(np.zeros((1, side_px, side_px, 3), np.float32))
    model.export(folder / "network.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(
        folder / "network.onnx", providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    preprocess = keras_preprocessing(backbone)

    def pixels(path: str) -> np.ndarray:
        with Image.open(path) as image:
            resized = image.convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR)
            return np.asarray(resized, np.float32)

    def run() -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(available_cores()) as pool:
            decoded = pool.map(pixels, paths)
            while batch := list(itertools.islice(decoded, 32)):
                session.run(None, {name: preprocess(np.stack(batch))})
        return len(paths) / (time.perf_counter() - start)

    return run


def bound(extractor, paths: Sequence[str], processes: Executor) -> Cost:
    """What an image costs if every core does nothing but decode and run the network."""
    n_cores = available_cores()
    settings = extractor.recipe.preprocessing
    decoding = list(processes.map(decode_alone, [paths] * n_cores, [settings] * n_cores))
    pixels = [extractor.decode_and_resize(Path(path).read_bytes()) for path in paths]
    size = extractor.batch_size
    batches = [np.stack(pixels[first : first + size]) for first in range(0, len(pixels), size)]

    def network_alone(_: int) -> float:
        start = time.perf_counter()
        for batch in batches:
            extractor.transfer_values(batch)
        return time.perf_counter() - start

    begun = processor_s()
    with ThreadPoolExecutor(n_cores) as pool:
        network_s = statistics.mean(pool.map(network_alone, range(n_cores)))
    n_runs = n_cores * len(paths)
    return Cost(
        (statistics.mean(cost.clock for cost in decoding) + network_s) / n_runs,
        (sum(cost.processor for cost in decoding) + processor_s() - begun) / n_runs,
    )


def decode_alone(paths: Sequence[str], preprocessing: Preprocessing) -> Cost:
    """Seconds that decoding all of them takes in this process, reading left out."""
    cv2.setNumThreads(1)
    data = [Path(path).read_bytes() for path in paths]
    start, begun = time.perf_counter(), time.process_time()
    for content in data:
        decode_and_resize(content, preprocessing)
    return Cost(time.perf_counter() - start, time.process_time() - begun)


def some_images(source: Path, target: Path, n_images: int) -> Path:
    """Links to images of `source`, evenly over all of them, in one folder per class."""
    dataset = bb.load_dataset(source)
    step = max(1, len(dataset) // n_images)
    for number, position in enumerate(range(0, len(dataset), step)):
        path = Path(dataset.paths[position]).resolve()
        place = target / dataset.labels[position]
        place.mkdir(parents=True, exist_ok=True)
        if number < n_images:
            (place / f"{number:06d}{path.suffix}").symlink_to(path)
    return target


def spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:8.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()

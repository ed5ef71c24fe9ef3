"""One measurement of `scaling.py`, in a process of its own: as many cores as it may run on.

    python benchmarks/scaling_run.py '{"way": "nothing", "folder": "photos", "n_images": 100, …}'

It prints one line of JSON: images per second and what else was measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import parent

from bottlebank.datasets import as_dataset
from bottlebank.extraction import network
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.engines.registry import ENGINES
from bottlebank.hardware import available_cores

NETWORK_ALONE_S = 1.5
IN_A_CALL = 32
"""Images that an extraction gives to a network at once, where a batch is not larger."""


class Measurement(NamedTuple):
    way: str
    """Of `WAYS`."""
    folder: str
    """With the photographs."""
    n_images: int
    extractor: str
    networks: str
    """Folder of the converted networks."""
    engine: str = ""
    precision: str = ""
    on_gpu: bool = False
    streams: int = 0
    """Of OpenVINO; 0 for its own choice."""
    decoders: int = 0
    """Processes that read and decode; 0 for as many as there are cores."""

    def paths(self) -> list[str]:
        return sorted(str(path) for path in Path(self.folder).iterdir())[: self.n_images]

    def preprocessing(self):
        recipe, _ = recipe_for(ExtractorSpec(self.extractor))
        return recipe.preprocessing


def independent_processes(task: Measurement) -> dict[str, Any]:
    return {"images_per_s": parent.independent(task.paths(), task.preprocessing())}


def data_loader(task: Measurement) -> dict[str, Any]:
    """PyTorch's way to read images in processes, as its tutorials have it; without a network."""
    import torch

    order = list(range(available_cores() * IN_A_CALL))
    loader = torch.utils.data.DataLoader(
        Photographs(task.paths(), task.preprocessing().size_px),  # type: ignore[arg-type]
        batch_size=IN_A_CALL,
        sampler=order,
        num_workers=available_cores(),
        persistent_workers=True,
    )
    sum(len(batch) for batch in loader)  # its processes start
    order[:] = range(task.n_images)
    start = time.perf_counter()
    n = sum(len(batch) for batch in loader)
    return {"images_per_s": n / (time.perf_counter() - start)}


class Photographs:
    """A dataset as PyTorch wants it, decoded with Pillow."""

    def __init__(self, paths: Sequence[str], size_px: tuple[int, int]) -> None:
        self.paths, self.size_px = paths, size_px

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int):
        import torch
        from PIL import Image

        with Image.open(self.paths[position % len(self.paths)]) as image:
            resized = image.convert("RGB").resize(self.size_px[::-1], Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized))


def nothing(task: Measurement) -> dict[str, Any]:
    recipe, _ = recipe_for(ExtractorSpec(task.extractor))
    return extracted(task, parent.Nothing(recipe), "float32")


def network_behind(task: Measurement) -> dict[str, Any]:
    """An extraction, and its network alone."""
    recipe, weights = recipe_for(ExtractorSpec(task.extractor))
    engine = import_module(ENGINES[task.engine].module, "bottlebank.features.engines")
    if task.engine != "openvino":
        require_device(task, engine)
    elif task.streams:
        engine.streams = lambda: (task.streams, available_cores())
    precision = task.precision or engine.supported_precisions()[0]
    extractor = open_extractor(
        recipe,
        lambda: weights,
        engine=task.engine,
        precisions=[precision],
        networks=Path(task.networks),
        many=True,
        gpu=task.on_gpu,
    )
    found = extracted(task, extractor, precision)
    return {**found, "precision": precision, "network_per_s": alone(extractor)}


def extracted(task: Measurement, extractor, precision: str) -> dict[str, Any]:
    paths = task.paths()
    network.open_extractor = lambda *_, **__: extractor
    # What is imported on the way.
    parent.extracted(as_dataset(paths[:1]), task.extractor, precision=precision)
    network.open_extractor = parent.starts_as(extractor)
    return parent.extracted(
        as_dataset(paths), task.extractor, precision=precision, workers=task.decoders or None
    )._asdict()


def require_device(task: Measurement, engine: Any) -> None:
    """ONNX Runtime takes a GPU where it can; and no engine may fall back to the CPU."""
    if not task.on_gpu:
        engine.has_gpu = lambda: False
    elif not engine.has_gpu():
        raise SystemExit(f"{ENGINES[task.engine].title} finds no GPU")


def alone(extractor) -> float:
    """Images per second of a network that always has the next ones at hand."""
    n = max(IN_A_CALL, extractor.batch_size)
    pixels = np.random.default_rng(0).integers(
        0, 256, (n, *extractor.input_size_px, 3), dtype=np.uint8
    )
    extractor.transfer_values(pixels)

    def run(_: int) -> int:
        n_calls = 0
        while time.perf_counter() < end:
            extractor.transfer_values(pixels)
            n_calls += 1
        return n_calls * n

    start = time.perf_counter()
    end = start + NETWORK_ALONE_S
    with ThreadPoolExecutor(extractor.n_calls) as pool:
        n_images = sum(pool.map(run, range(extractor.n_calls)))
    return n_images / (time.perf_counter() - start)


WAYS: dict[str, Callable[[Measurement], dict[str, Any]]] = {
    "independent": independent_processes,
    "loader": data_loader,
    "nothing": nothing,
    "network": network_behind,
}


def main() -> None:
    task = Measurement(**json.loads(sys.argv[1]))
    found = WAYS[task.way](task)
    print(json.dumps({**found, "cores": available_cores()}), flush=True)
    os._exit(0)  # nothing of what libraries do at the end counts


if __name__ == "__main__":
    main()

"""A table of transfer values that nobody extracted: as many images and classes as a test wants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bottlebank.cache import Key, content_of_bytes
from bottlebank.extraction.feature_table import FeatureTable, Report
from bottlebank.features import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPE = Recipe(
    extractor="toy",
    architecture="toy",
    weights="seed",
    weights_sha256="0" * 64,
    pooling="avg",
    width=12,
    input_size_px=224,
    fit="crop",
    resize="pil_antialias",
    pixel_scaling="none",
    decoder_version=1,
)


def toy_rows(
    n: int, k: int, width: int = 12, spread: float = 0.35, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, width) around k centres, and the centre of each, int (n,)."""
    random = np.random.default_rng(seed)
    codes = np.arange(n) % k
    rows = random.normal(size=(k, width))[codes] + spread * random.normal(size=(n, width))
    return rows.astype(np.float32), codes


def toy_table(
    features: np.ndarray,
    labels: Sequence[str],
    cache: Path,
    *,
    paths: Sequence[str] = (),
    splits: Sequence[str | None] = (),
    **columns: Any,
) -> FeatureTable:
    """A table of rows, float32 (n, width), whose files are there only where `paths` are."""
    from dataclasses import replace

    n, width = features.shape
    report = dict.fromkeys(Report.__dataclass_fields__, 0)
    words = {
        "extractor": "toy",
        "fingerprint": "0" * 64,
        "cache": str(cache),
        "store": "float32",
        "precision": "float32",
    }
    contents = [
        content_of_bytes(Path(paths[row]).read_bytes() if paths else row.to_bytes(4))
        for row in range(n)
    ]
    table = FeatureTable(
        paths=list(paths) or [f"photos/{row:04d}.jpg" for row in range(n)],
        labels=np.array(list(labels)),
        splits=list(splits) or [None] * n,
        keys=[Key(content, 0) for content in contents],
        rejected=[],
        report=Report(**{**report, **words}),  # pyright: ignore[reportArgumentType]
        recipe=replace(RECIPE, width=width),
        **columns,
    )
    vars(table)["features"] = features
    return table


def noise(path: Path, seed: int = 0, brightness: float = 1.0, size: Any = (24, 20)) -> str:
    """Write a picture of smooth noise; the path."""
    random = np.random.default_rng(seed)
    small = random.uniform(40, 180, (5, 5, 3)) * brightness
    picture = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8)).resize(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return str(path)

"""Ways to turn an image file into a network's input: how fast, and what a head makes of it.

    python benchmarks/decoding.py photos/ --extractor mobilenet_v2

Every way decodes all images of a folder of JPEG files to the input of one network, which runs in
float32. The table holds the processor time of one core for an image (reading left out; least of 3
passes over some of the images), and the accuracy of one logistic regression (standardised, C =
0.003) by 5-fold cross-validation repeated 3 times, with its standard error over the 15 folds. The
folds are the same for all. Each way is one answer to three questions: who decodes, who scales,
and with or without antialiasing.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from machine import machine
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bottlebank as bb
from bottlebank.features import ExtractorSpec, open_extractor, recipe_for
from bottlebank.features.images.fit import Preprocessing, decode_and_resize

TIMED = 300


def ways(side_px: int) -> dict[str, Callable[[bytes], np.ndarray]]:
    size = (side_px, side_px)

    def pillow(data: bytes, resampling: Image.Resampling, draft: int = 0) -> np.ndarray:
        with Image.open(io.BytesIO(data)) as image:
            if draft:
                image.draft(None, (draft * side_px, draft * side_px))
            return np.asarray(image.convert("RGB").resize(size, resampling))

    def turbo(data: bytes, interpolation: int) -> np.ndarray:
        return cv2.resize(simplejpeg.decode_jpeg(data), size, interpolation=interpolation)

    found: dict[str, Callable[[bytes], np.ndarray]] = {
        "Pillow, nearest (load_img)": lambda data: pillow(data, Image.Resampling.NEAREST),
        "Pillow, bilinear antialiased": lambda data: pillow(data, Image.Resampling.BILINEAR),
        "the same, drafts from 2x": lambda data: pillow(data, Image.Resampling.BILINEAR, 2),
        "Pillow, bicubic antialiased": lambda data: pillow(data, Image.Resampling.BICUBIC),
        "simplejpeg, OpenCV area": lambda data: turbo(data, cv2.INTER_AREA),
        "simplejpeg, OpenCV bilinear": lambda data: turbo(data, cv2.INTER_LINEAR),
    }
    for fit in ("squash", "crop", "pad"):
        how = Preprocessing(size, fit)
        found[f"bottlebank, {fit}"] = lambda data, how=how: decode_and_resize(data, how).pixels
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a folder per class, or train and validation folders of those")
    parser.add_argument("--extractor", default="mobilenet_v2")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    dataset = bb.load_dataset(arguments.data)
    files = [Path(path).read_bytes() for path in dataset.paths]
    recipe, weights = recipe_for(ExtractorSpec(arguments.extractor))
    extractor = open_extractor(recipe, lambda: weights, precisions=["float32"])
    print(f"{len(files)} images, {arguments.extractor}, {extractor.engine} in float32; {machine()}")
    timed = files[:: max(1, len(files) // TIMED)]
    for name, decode in ways(recipe.input_size_px).items():
        milliseconds = 1000 * min(seconds(decode, timed) for _ in range(3))
        accuracies = accuracy(features(extractor, decode, files), dataset.labels)
        error = accuracies.std(ddof=1) / len(accuracies) ** 0.5
        print(f"  {name:<30} {milliseconds:5.2f} ms   {accuracies.mean():.4f} ± {error:.4f}")


def seconds(decode: Callable[[bytes], np.ndarray], files: list[bytes]) -> float:
    start = time.thread_time()
    for data in files:
        decode(data)
    return (time.thread_time() - start) / len(files)


def features(extractor, decode: Callable[[bytes], np.ndarray], files: list[bytes]) -> np.ndarray:
    size = extractor.batch_size
    return np.concatenate(
        [
            extractor.transfer_values(
                np.stack([decode(data) for data in files[first : first + size]])
            )
            for first in range(0, len(files), size)
        ]
    )


def accuracy(rows: np.ndarray, labels) -> np.ndarray:
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cross_val_score(head, rows, np.array(labels), cv=folds)


if __name__ == "__main__":
    main()

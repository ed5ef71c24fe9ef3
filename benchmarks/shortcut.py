"""Whether saliency finds a shortcut that was planted: a coloured square in one class's images.

    python benchmarks/shortcut.py clothing/ --extractor mobilenet_v2 --size 96

Images of some classes are written at the size of the network's input. Those of the first class
carry a square of 12 pixels, at a random place or in a corner, as photographs of one camera carry
its stamp. A head is trained on them and fine-tuned; with `--unfreeze 0`, the network stays frozen,
and with `--validation plain`, the images by which the best epoch is chosen carry no square.

Whether the head relies on the square is seen in images of the other classes that it was not trained
on: how many are called the first class with a square, and are not without. The answers to so many
of these are explained by all three methods, and the share of all positive attribution that lies in
the square is printed, beside its share of the area: that of a map that knows nothing. The control
explains the same images and the same class with a network and a head that were trained in the same
way on the same images without squares.

A patch that hides a part of the square hides what lies beside it as well, and cells of the maps
that Grad-CAM reads are wider than pixels. So the share is printed a second time for the square with
a margin, half a patch or half a cell wide. For comparison, "counting" is what occlusion shows of a
score that counts the pixels of the square that are seen, and depends on nothing else. Segments
end where the square does, and need no margin. Occlusion is done with both.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import machine
from PIL import Image, ImageOps

import bottlebank as bb
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.interpret.attribution import open_explainer
from bottlebank.interpret.attribution.gradcam import layer_for
from bottlebank.interpret.attribution.methods import (
    BASELINES,
    GRADCAM,
    GREY,
    INTEGRATED,
    LOG_ODDS,
    METHODS,
    OCCLUSION,
    SCORES,
)
from bottlebank.interpret.attribution.occlusion import occlusion
from bottlebank.interpret.attribution.parts import Patches
from bottlebank.interpret.opening import open_for_head

SQUARE_PX = 12
COLOURS = {"magenta": (255, 0, 255), "green": (0, 200, 0), "yellow": (255, 230, 0)}


class Marked(NamedTuple):
    """An image with a square."""

    plain: np.ndarray
    pixels: np.ndarray
    top: int
    left: int

    def square(self, margin_px: int = 0) -> np.ndarray:
        """Bool (height, width): where the square is, and so many pixels around it."""
        inside = np.zeros(self.pixels.shape[:2], bool)
        top, left = max(0, self.top - margin_px), max(0, self.left - margin_px)
        beyond = SQUARE_PX + margin_px
        inside[top : self.top + beyond, left : self.left + beyond] = True
        return inside


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--classes", nargs="+", default=["longsleeve", "t-shirt"])
    parser.add_argument("--extractor", default="mobilenet_v2")
    parser.add_argument("--size", type=int, help="of networks that take any")
    parser.add_argument("--features-layer", help="whose maps are the features")
    parser.add_argument("--layer", help="of Grad-CAM")
    parser.add_argument("--unfreeze", type=int, default=16, help="blocks; 0: nothing is fine-tuned")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--place", choices=("random", "corner"), default="random")
    parser.add_argument("--validation", choices=("marked", "plain"), default="marked")
    parser.add_argument("--colours", nargs="+", choices=COLOURS, default=list(COLOURS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--train-images", type=int, default=250, help="of each class")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--patch", type=int, default=16, help="of occlusion")
    parser.add_argument("--stride", type=int, default=8, help="of occlusion")
    parser.add_argument("--segments", type=int, default=64, help="of occlusion")
    parser.add_argument("--baseline", default=GREY, choices=BASELINES, help="of occlusion")
    parser.add_argument("--score", default=LOG_ODDS, choices=SCORES, help="of occlusion")
    parser.add_argument("--no-control", action="store_true")
    parser.add_argument("--cache")
    arguments = parser.parse_args()
    print(machine())
    print({name: value for name, value in vars(arguments).items() if value is not None}, flush=True)
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as temporary:
            control = None
            if not arguments.no_control:
                control = trained(arguments, Path(temporary), seed, None)
            for colour in arguments.colours:
                measure(arguments, seed, colour, control)


def measure(arguments: argparse.Namespace, seed: int, colour: str, control: Path | None) -> None:
    """One colour and one seed: train, count the answers that a square changes, explain them."""
    data, (first, *others) = Path(arguments.data), arguments.classes
    print(f"{colour}, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        head = trained(arguments, folder, seed, colour)
        predictor = bb.load_predictor(head, cache=arguments.cache)
        side_px = predictor.extractor.recipe.input_size_px
        random = np.random.default_rng(seed + 1000)
        held_out = [
            marked(picture_of(path, side_px), arguments.place, COLOURS[colour], random)
            for name in others
            for path in files(data / "validation" / name)
        ]
        index = predictor.classes.index(first)
        said = {
            name: predictor.probabilities(np.stack(pictures)).argmax(axis=1) == index
            for name, pictures in (
                ("plain", [each.plain for each in held_out]),
                ("marked", [each.pixels for each in held_out]),
            )
        }
        flipped = np.flatnonzero(said["marked"] & ~said["plain"])
        print(
            f"  of {len(held_out)} images of other classes, {said['plain'].sum()} are called "
            f"{first} without the square, {said['marked'].sum()} with it; it changes "
            f"{len(flipped)} answers",
            flush=True,
        )
        chosen = [held_out[row] for row in flipped[: arguments.images]]
        if not chosen:
            return
        heads = {"": head} if control is None else {"": head, "control, ": control}
        for method in arguments.methods:
            every: list[dict[str, Any]] = [{}]
            if method == OCCLUSION:
                every = [
                    {"patch_px": arguments.patch, "stride_px": arguments.stride},
                    {"segments": arguments.segments},
                ]
            for parts, (about, its_head) in itertools.product(every, heads.items()):
                report(arguments, its_head, chosen, first, method, parts, about)


def report(
    arguments: argparse.Namespace,
    head: Path,
    chosen: list[Marked],
    label: str,
    method: str,
    parts: dict[str, Any],
    about: str,
) -> None:
    """Print the shares, in the squares, of all positive attribution."""
    settings: dict[str, Any] = {
        OCCLUSION: {
            **parts,
            "baseline": arguments.baseline,
            "score": arguments.score,
        },
        GRADCAM: {"layer": arguments.layer},
        INTEGRATED: {},
    }[method]
    explain = open_explainer(
        head, method=method, cache=arguments.cache, sanity=False, progress=False, **settings
    )
    name = f"{method} of segments" if "segments" in parts else method
    start = time.perf_counter()
    maps = [np.maximum(explain(each.pixels, label).values, 0) for each in chosen]
    seconds = (time.perf_counter() - start) / len(chosen)
    margins_px = [0]
    if method == OCCLUSION:
        if "patch_px" in parts:
            margins_px.append(arguments.patch // 2)
    elif method == GRADCAM:
        network = open_for_head(head, cache=arguments.cache)
        (height, *_) = network.layers[layer_for(network, arguments.layer)]
        margins_px.append(-(-network.input_size_px // (2 * (height or 1))))
    for margin_px in margins_px:
        squares = [each.square(margin_px) for each in chosen]
        shares = np.array(
            [
                values[square].sum() / max(values.sum(), 1e-12)
                for values, square in zip(maps, squares, strict=True)
            ]
        )
        area = np.mean([square.mean() for square in squares])
        counting = ""
        if "patch_px" in parts:
            by_counting = [share_by_counting(arguments, each, margin_px) for each in chosen]
            counting = f"counting {np.median(by_counting):.1%}; "
        print(
            f"  {about}{name}, margin {margin_px} px: median {np.median(shares):.1%}, least "
            f"{shares.min():.1%}, at least half on {(shares >= 0.5).sum()} of {len(shares)}; "
            f"{counting}share of the area {area:.1%}; {seconds:.1f} s an image",
            flush=True,
        )


def share_by_counting(arguments: argparse.Namespace, image: Marked, margin_px: int) -> float:
    """The share in a square of the map of a score that counts its pixels."""
    square = image.square()
    values = occlusion(
        lambda images: images.sum(axis=(1, 2), dtype=float),
        square.astype(np.uint8),
        np.zeros(square.shape, np.uint8),
        Patches(arguments.patch, arguments.stride).of(square),
        batch_size=64,
    )
    return float(values[image.square(margin_px)].sum() / values.sum())


def trained(arguments: argparse.Namespace, folder: Path, seed: int, colour: str | None) -> Path:
    """The file of a head; None: no image has a square."""
    spec = {
        "size": arguments.size,
        "layer": arguments.features_layer,
        "cache": arguments.cache,
        "progress": False,
    }
    spec = {name: value for name, value in spec.items() if value is not None}
    settings = {name: value for name, value in spec.items() if name in ("size", "layer")}
    recipe, _ = recipe_for(ExtractorSpec.of(arguments.extractor, **settings))
    side_px = recipe.input_size_px
    plant(arguments, folder / "images", side_px, seed, colour)
    table = bb.extract(folder / "images", arguments.extractor, **spec)
    head = folder / "head.h5"
    bb.save_head(bb.train_head(table), head)
    if not arguments.unfreeze:
        return head
    start = time.perf_counter()
    tuned = bb.finetune(
        folder / "images",
        head,
        folder / "tuned",
        unfreeze=arguments.unfreeze,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        seed=seed,
        cache=arguments.cache,
        progress=False,
    )
    print(
        f"  fine-tuned {'without squares' if colour is None else 'with squares'}: best epoch "
        f"{tuned.epochs.best} of {arguments.epochs}, {time.perf_counter() - start:.0f} s",
        flush=True,
    )
    return tuned.head_file


def plant(
    arguments: argparse.Namespace, folder: Path, side_px: int, seed: int, colour: str | None
) -> None:
    """Write the images of the training split, a sixth of them to choose the epoch by."""
    random = np.random.default_rng(seed)
    for name in arguments.classes:
        paths = files(Path(arguments.data) / "train" / name)[: arguments.train_images]
        for number, row in enumerate(np.random.default_rng(seed).permutation(len(paths))):
            split = "validation" if number < len(paths) // 6 else "train"
            pixels = picture_of(paths[row], side_px)
            has_square = split == "train" or arguments.validation == "marked"
            if colour is not None and name == arguments.classes[0] and has_square:
                pixels = marked(pixels, arguments.place, COLOURS[colour], random).pixels
            path = folder / split / name / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def files(folder: Path) -> list[Path]:
    """The photographs in a folder, in order."""
    return sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})


def picture_of(path: Path, side_px: int) -> np.ndarray:
    """A photograph, uint8 (side_px, side_px, 3)."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((side_px, side_px), Image.Resampling.BOX))


def marked(
    pixels: np.ndarray, place: str, colour: tuple[int, int, int], random: np.random.Generator
) -> Marked:
    """A picture with a square, at a random place or a few pixels from the lower right corner."""
    last = len(pixels) - SQUARE_PX
    top, left = (last - 4, last - 4)
    if place == "random":
        top, left = (int(each) for each in random.integers(0, last + 1, 2))
    changed = pixels.copy()
    changed[top : top + SQUARE_PX, left : left + SQUARE_PX] = colour
    return Marked(pixels, changed, top, left)


if __name__ == "__main__":
    main()

"""Learn from photographs that are sorted into folders, and sort others in the same way.

    python examples/sort_photographs.py photos/ inbox/ sorted/

`photos/` has one folder per class. Each image of `inbox/` is copied to a folder of its class in
`sorted/`, or to `sorted/unknown/` where the head does not recognise it; images that look much like
a class are often put there instead. Nothing is moved or replaced: where another image has the name
already, the copy gets a number, such as `IMG_1-2.jpg`. The head is saved as `sorted/head.h5`.
"""

import argparse
import filecmp
import itertools
import shutil
import sys
from pathlib import Path

import bottlebank as bb


def main() -> None:
    """Read the arguments, train, and copy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="one folder per class")
    parser.add_argument("inbox", type=Path, help="images to sort")
    parser.add_argument("sorted", type=Path, help="where the copies go")
    parser.add_argument("--extractor", default="efficientnet_lite0")
    arguments = parser.parse_args()

    trained = bb.train_head(bb.extract(arguments.photos, extractor=arguments.extractor))
    print(trained)
    arguments.sorted.mkdir(parents=True, exist_ok=True)
    bb.save_head(trained, arguments.sorted / "head.h5")

    predict = bb.load_predictor(arguments.sorted / "head.h5", many=True)
    images = sorted(path for path in arguments.inbox.rglob("*") if path.is_file())
    for path, prediction in zip(images, predict(images), strict=True):
        if prediction.error:
            print(f"{path}: {prediction.error}", file=sys.stderr)
            continue
        folder = arguments.sorted / ("unknown" if prediction.unknown else prediction.label)
        folder.mkdir(exist_ok=True)
        copy(path, folder)


def copy(path: Path, folder: Path) -> None:
    """Copy a file under its name, or that with a number; a file already there is left alone."""
    for number in itertools.count(1):
        place = folder / (path.name if number == 1 else f"{path.stem}-{number}{path.suffix}")
        if not place.exists():
            shutil.copy2(path, place)
            return
        if filecmp.cmp(path, place, shallow=False):
            return


if __name__ == "__main__":
    main()

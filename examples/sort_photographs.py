"""Learn from photographs that are sorted into folders, and sort others in the same way.

    python examples/sort_photographs.py photos/ inbox/ sorted/

`photos/` has one folder per class. Each image of `inbox/` is copied to a folder of its class in
`sorted/`, or to `sorted/unknown/` where it resembles nothing in `photos/`. Nothing is moved or
replaced.
"""

import argparse
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
    parser.add_argument("--extractor", default="mobilenet_v2")
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
        if not (folder / path.name).exists():
            shutil.copy2(path, folder)


if __name__ == "__main__":
    main()

"""`bottlebank plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..figures import counted
from .answers import print_json, report_rejections, tell
from .outputs import PICTURE, require_output, require_outside, writing
from .parser import OUTPUT, add_answers, add_command, add_data, add_extraction, add_seed

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "plot",
        run,
        summary="Draw a map on which images with similar transfer values lie together.",
        example="bottlebank plot photos/ --extractor mobilenet_v2 --method umap --output map.png",
    )
    add_data(parser, "; or one image, whose transfer values are drawn")
    parser.add_argument(
        *OUTPUT, required=True, metavar="MAP.png", help="a name ending in .png or .svg"
    )
    parser.add_argument(
        "--method",
        choices=("pca", "tsne", "umap"),
        default="pca",
        help="principal components (instant), t-SNE or UMAP (default: %(default)s)",
    )
    add_extraction(parser)
    add_seed(parser)
    add_answers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw and say where."""
    output = require_output(arguments.output, PICTURE, [arguments.data, arguments.weights])
    require_outside(output, arguments.data)
    from ..features.dataset import EXTENSIONS

    path = Path(arguments.data)
    if path.suffix.lower() in EXTENSIONS and path.is_file():
        return _draw_image(arguments, output)
    return _draw_map(arguments, output)


def _draw_map(arguments: argparse.Namespace, output: Path) -> int:
    from ..plots import plot
    from .extract import extract_for

    table = extract_for(arguments)
    table.require_rows()
    title = f"{Path(arguments.data).name or arguments.data} ({table.report.extractor})"
    embedding = plot(
        table, output, method=arguments.method, random_state=arguments.seed, title=title
    ).embedding
    if arguments.json:
        print_json({"output": str(output), "images": len(table), "caption": embedding.caption})
    else:
        tell(f"wrote {output}: {counted(len(table), 'image')}, {embedding.caption}")
    return report_rejections(table.rejected, arguments.strict)


def _draw_image(arguments: argparse.Namespace, output: Path) -> int:
    from ..errors import ImageRejectedError
    from ..features import Dataset
    from ..features.images import Limits, read
    from ..features.preprocess import load
    from ..viz import draw_transfer_values
    from .extract import extract_dataset

    image = arguments.data
    table = extract_dataset(arguments, Dataset(image, [image], [""], [None]))
    if table.rejected:
        raise ImageRejectedError(f"{image}: {table.rejected[0][1]}")
    recipe = table.recipe
    pixels = load(
        read(image)[0],
        (recipe.input_size_px, recipe.input_size_px),
        recipe.fit,
        limits=Limits(pixels=arguments.max_pixels),
        grey16=recipe.grey16,
    )
    title = f"{Path(image).name}: {table.report.width} transfer values of {table.report.extractor}"
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        draw_transfer_values(table.features[0], output, title, image=pixels)
    if arguments.json:
        print_json({"output": str(output), "images": 1, "caption": title})
    else:
        tell(f"wrote {output}: {title}")
    return 0

"""Options that several commands share; each function here adds some of them to a command."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..command import argument, option
from ..usage.errors import KEYWORDS
from . import choices
from .types import (
    COUNT,
    FILE,
    FOLDER,
    POSITIVE,
    SEED,
    SHARE,
    SHARE_OR_NONE,
    Choice,
    Memory,
    Name,
    Names,
    WholeNumber,
    WholeNumbers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Any], Any]

DATA_HELP = (
    "a folder with one folder per class; or train, validation and test folders of those; or a "
    "tar archive of such folders, or a folder of archives; or a Parquet file of images, or a "
    "folder of such; or a CSV or Parquet file with path,label[,split][,group]"
)
UNLABELLED_HELP = "; or, without classes, a folder of images, or a text file with one path a line"


def data(also: str = "") -> Decorator:
    """DATA, and the options by which it is read."""
    add_data = argument("data", type=FILE, metavar="DATA", help=f"{DATA_HELP}{also}")
    return _all(add_data, reading())


def weights_column() -> Decorator:
    """--weights-column, a keyword of `load_dataset` for the commands that train."""
    return option(
        "--weights-column",
        metavar="NAME",
        part_of="reading",
        section="Reading DATA, where it is ambiguous",
        help="column of a CSV file with what each image weighs in training: 2 counts as the image "
        "twice, 0 leaves it out, nothing is 1",
    )


def reading() -> Decorator:
    """Options that say how DATA is read: `reading`, keywords of `load_dataset`."""
    add = partial(option, part_of="reading", section="Reading DATA, where it is ambiguous")
    return _all(
        add(
            "--exclude",
            type=Names(),
            default=(),
            metavar="NAME,…",
            help="files and folders in DATA to leave out, at any depth; * and ? as in a shell",
        ),
        add(
            "--class-level",
            type=WholeNumber(0),
            metavar="N",
            default_in_words="detected",
            help="1: the folders in DATA are the classes; 2: those in them are; 0: images at any "
            "depth have no class",
        ),
        add("--path-column", metavar="NAME", help="column of a CSV file with the image files"),
        add("--label-column", metavar="NAME", help="column of a CSV file with the classes"),
        add(
            "--image-root",
            type=FOLDER,
            metavar="DIR",
            default_in_words="the file's own",
            help="folder to which the paths of a CSV file or a list are relative",
        ),
        add(
            "--encoding",
            metavar="NAME",
            default_in_words="detected: UTF-8, UTF-16 or Windows-1252",
            help="encoding of a CSV file or a list",
        ),
    )


def extractor(*, part_of: str = "extraction", **settings: Any) -> Decorator:
    """--extractor."""
    return option(
        "--extractor",
        type=Name(choices.EXTRACTORS),
        metavar="NAME|FILE",
        part_of=part_of,
        **settings,
    )


def extraction(*, trains: bool = False) -> Decorator:
    """Options of the commands that may extract: `extraction`, keywords of `extract`."""
    help_text = f"the frozen network: {choices.EXTRACTORS_IN_WORDS}"
    add_extractor = extractor(default_in_words=choices.EXTRACTOR_IN_WORDS, help=help_text)
    return _all(add_extractor, extraction_with_any(trains=trains))


def extraction_with_any(*, trains: bool = False) -> Decorator:
    """The options of `extraction` but for --extractor."""
    add = partial(option, part_of="extraction")
    return _all(
        add(
            "--weights",
            type=FILE,
            default="imagenet",
            metavar="imagenet|FILE",
            help="ImageNet weights, which Keras downloads once, or a weights file of Keras "
            "without the classification layers, or .npz as `bottlebank finetune` writes it",
        ),
        add(
            "--fit",
            type=Choice(choices.FITS),
            default_in_words="the network's own, mostly squash",
            help="how images that are not square are fitted: squash scales width and height "
            "independently, crop keeps the largest square in the middle, pad adds grey borders",
        ),
        add(
            "--grey16",
            type=Choice(choices.GREY16),
            default_in_words=choices.GREY16[0],
            help="how 16 bits per channel, grey or colour, become 8: scale takes all 16, stretch "
            "as many as the picture's greatest value has, for cameras of 10 or 12 bits",
        ),
        add(
            "--size",
            type=COUNT,
            metavar="PX",
            default_in_words="the network's usual one",
            help="height and width of the network's input",
        ),
        add(
            "--layer",
            type=Names(),
            metavar="NAME,…",
            default_in_words="the one that gives features, which `bottlebank extractors NAME|FILE` "
            "marks",
            help="layer whose output is the transfer values, or several, side by side; maps are "
            "averaged over height and width, of tokens --pooling decides",
        ),
        add(
            "--scaling",
            metavar="tf|torch|caffe|none|MEAN,DEVIATION",
            default_in_words="the network's own, or what the file says",
            help="how pixels become the input of a network of keras.applications or in a file of "
            "your own; 0,1 gives values from 0 to 1",
        ),
        add(
            "--pooling",
            type=Choice(choices.POOLINGS),
            default_in_words="cls where the layer has a class token, else mean",
            help="how the tokens of a layer become one vector, in a network in a file of your own: "
            "cls takes the first, the class token, mean their mean",
        ),
        max_pixels(part_of="extraction"),
        resources(trains=trains, part_of="extraction"),
        engine(part_of="extraction"),
        precision(part_of="extraction"),
        cache(part_of="extraction"),
        add(
            "--store",
            type=Choice(choices.STORES),
            default=choices.STORES[0],
            default_in_words="as in the cache, else float32",
            help="how transfer values are stored; float16 takes half the disk space and keeps 11 "
            "bits of each value",
        ),
    )


def network_of(given: dict[str, Any]) -> dict[str, Any]:
    """What the options of a dense head are called as keywords of `train_head`."""
    return {KEYWORDS.get(name, name): value for name, value in given.items()}


def head_to_train() -> Decorator:
    """--head, which kind, and its settings; those of a dense head are `network`."""
    add = partial(option, part_of="network", section="A dense head")
    return _all(
        option(
            "--head",
            type=Choice(choices.HEADS),
            default=choices.HEADS[0],
            help=choices.HEADS_IN_WORDS,
        ),
        option(
            "--class-weight",
            type=Choice(choices.CLASS_WEIGHTS),
            default=choices.CLASS_WEIGHTS[0],
            help="balanced: errors on rare classes count more",
        ),
        option(
            "--coverage",
            type=SHARE,
            default=0.95,
            metavar="SHARE",
            help="share of validation images to answer; the others are called unknown",
        ),
        add(
            "--hidden",
            type=WholeNumbers(),
            metavar="N,…",
            default_in_words="256",
            help="units of the hidden layers; 0 for no hidden layer",
        ),
        add(
            "--batch-norm/--no-batch-norm",
            default=None,
            default_in_words="--batch-norm",
            help="whether hidden layers are normalised before their ReLU",
        ),
        add(
            "--dropout",
            type=SHARE_OR_NONE,
            metavar="SHARE",
            default_in_words="0.5",
            help="share of hidden units that are dropped in training",
        ),
        add(
            "--output-layer",
            type=Choice(choices.OUTPUTS),
            default_in_words="softmax",
            help="sigmoid, for two classes: one output in place of two",
        ),
        add(
            "--learning-rate",
            type=POSITIVE,
            metavar="X",
            default_in_words="0.001",
            help="of Adam at 64 images per step; it grows with the root of the batch size",
        ),
        add(
            "--batch-size",
            type=COUNT,
            metavar="N",
            default_in_words="32 to 1,024, about a twelfth of the images",
            help="images per step",
        ),
        add(
            "--epochs",
            type=COUNT,
            metavar="N",
            default_in_words="100",
            help="most passes over the images; the best epoch on the validation split is kept",
        ),
    )


def head(**settings: Any) -> Decorator:
    """--head, a head file."""
    help_text = "a head file from `bottlebank train`"
    return option("--head", **{"type": FILE, "metavar": "HEAD.h5", "help": help_text, **settings})


def loading(*, has_precision: bool = True) -> Decorator:
    """Options of the commands that have a head, which names its extractor: `loading`."""
    return _all(
        extractor(
            part_of="loading",
            default_in_words="the head's own",
            help="refuse a head of any other extractor",
        ),
        option(
            "--weights",
            type=FILE,
            metavar="imagenet|FILE",
            part_of="loading",
            help="where the weights are, if they have moved",
        ),
        option(
            "--parity",
            type=Choice(choices.PARITY),
            default=choices.PARITY[0],
            part_of="loading",
            help="what to do if the head's golden images have other transfer values on this "
            "machine than in training",
        ),
        engine(part_of="loading"),
        *([precision(part_of="loading")] if has_precision else []),
        cache(part_of="loading"),
    )


def max_pixels(**settings: Any) -> Decorator:
    """--max-pixels."""
    return option(
        "--max-pixels",
        type=COUNT,
        default=choices.MAX_PIXELS,
        metavar="N",
        help="largest picture that is decoded, in pixels",
        **settings,
    )


def resources(*, trains: bool = False, **settings: Any) -> Decorator:
    """--workers and --memory, by which those that train or evaluate a head go, too."""
    beyond = "; where transfer values need more, they are read from a temporary file"
    return _all(
        option(
            "--workers",
            type=COUNT,
            metavar="N",
            default_in_words="one per core, or fewer where memory is short",
            help="processes that read and decode",
            **settings,
        ),
        option(
            "--memory",
            type=Memory(),
            metavar="SIZE",
            default_in_words="three quarters of what the machine or container has available",
            help="most memory that these processes, files and pixels take together, such as 1G "
            f"or 50%; the network needs some 250 MiB more{beyond if trains else ''}",
            **settings,
        ),
    )


def engine(**settings: Any) -> Decorator:
    """--engine."""
    return option(
        "--engine",
        type=Choice(choices.ENGINES),
        default=choices.ENGINES[0],
        default_in_words="the fastest that agrees with the reference",
        help="what runs the network; coreml and directml are untested",
        **settings,
    )


def precision(**settings: Any) -> Decorator:
    """--precision."""
    texts = {
        "default_in_words": "as in the cache or head, else the fastest",
        "help": "precision in which it computes",
    }
    types = {"type": Choice(choices.PRECISIONS), "default": choices.PRECISIONS[0]}
    return option("--precision", **{**types, **texts, **settings})


def cache(**settings: Any) -> Decorator:
    """--cache."""
    texts = {
        "default_in_words": "the platform's, such as ~/.cache/bottlebank",
        "help": "folder of the cache, or a URL such as s3://bucket/prefix",
    }
    return option("--cache", **{"type": FOLDER, "metavar": "DIR", **texts, **settings})


def as_json() -> Decorator:
    """--json."""
    return option("--json", is_flag=True, help="print the answer as JSON, on one line of stdout")


def strict() -> Decorator:
    """--strict."""
    return option("--strict", is_flag=True, help="exit with status 1 if an image was rejected")


def output(**settings: Any) -> Decorator:
    """-o and --output."""
    return option("-o", "--output", **{"type": FILE, **settings})


def seed() -> Decorator:
    """--seed."""
    return option(
        "--seed", type=SEED, default=0, default_in_words="0", metavar="N", help="random seed"
    )


def _all(*options: Decorator) -> Decorator:
    """Add options in the order in which they are named."""

    def add(function: Any) -> Any:
        for each in reversed(options):
            function = each(function)
        return function

    return add

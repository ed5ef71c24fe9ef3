"""Parsing: options that several commands share, and errors of one line."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from .answers import print_help, say
from .mistakes import did_you_mean, unknown_option

ENGINES = ("auto", "openvino", "tensorflow")
PRECISIONS = ("auto", "bfloat16", "float32")
FITS = ("squash", "crop", "pad")
OUTPUT = ("-o", "--output")
HEADS = ("logistic", "dense", "knn")
DATA_HELP = (
    "a folder with one folder per class; or train, validation and test folders of those; or a "
    "CSV file with path,label[,split][,group]"
)


class _Help(argparse.HelpFormatter):
    """Wraps paragraphs to the terminal, and keeps the lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and say what may have been meant."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("allow_abbrev", False)
        settings.setdefault("formatter_class", _Help)
        super().__init__(**settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse; of options that exclude one another, what is typed wins over the environment.

        A command of which nothing but its name is typed, and which needs another one, answers
        with its help.
        """
        typed = sys.argv[1:] if args is None else list(args)
        if not typed and self._subparsers is not None:
            self.print_help(sys.stderr)
            self.exit(2)
        options = self._option_string_actions
        wrong = unknown_option(typed, options, takes_commands=self._subparsers is not None)
        if wrong is not None:
            self.error(f"unrecognized arguments: {wrong}{did_you_mean(wrong, options)}")
        namespace, rest = super().parse_known_args(typed, namespace)
        for group in self._mutually_exclusive_groups:
            given = [
                action
                for action in group._group_actions
                if getattr(namespace, action.dest) is not action.default
            ]
            for action in group._group_actions:
                if given and action not in given:
                    setattr(namespace, action.dest, None)
        if rest and self._subparsers is None:
            self.error(f"unrecognized arguments: {' '.join(rest)}; {self._what_it_takes()}")
        return namespace, rest

    def _what_it_takes(self) -> str:
        positional = self._get_positional_actions()
        if any(action.nargs == "+" for action in positional):
            return f"name each {positional[0].metavar} before the options"
        names = " and one ".join(str(action.metavar) for action in positional)
        return f"expected one {names}" if names else "expected options only"

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or the version; argparse is silent where that fails."""
        print_help(message, file or sys.stderr)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(str(value), map(str, action.choices or ()))
            raise

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        say(f"{self.prog}: {message}; see `{self.prog} --help`")
        self.exit(2)


def add_command(
    commands: Any, name: str, run: Any, *, summary: str, example: str, **settings: Any
) -> Parser:
    """Add a command whose help ends with an example."""
    parser: Parser = commands.add_parser(
        name, help=summary, description=summary, epilog=f"example:\n  {example}", **settings
    )
    parser.set_defaults(run=run)
    return parser


def add_data(parser: Parser, also: str = "") -> None:
    """DATA, and the options by which it is read."""
    parser.add_argument("data", type=path, metavar="DATA", help=f"{DATA_HELP}{also}")
    add_reading(parser)


def add_reading(parser: Parser) -> None:
    """Options that say how DATA is read: those of `load_dataset`."""
    group = parser.add_argument_group("reading DATA, where its names leave a doubt")
    group.add_argument(
        "--exclude",
        type=names,
        default=[],
        metavar="NAME,…",
        help="files and folders in DATA to leave out, at any depth; * and ? as in a shell",
    )
    group.add_argument(
        "--class-level",
        type=count,
        metavar="N",
        help="1: the folders in DATA are the classes; 2: those in them are (default: found out)",
    )
    group.add_argument(
        "--path-column", metavar="NAME", help="column of a CSV file that names image files"
    )
    group.add_argument(
        "--label-column", metavar="NAME", help="column of a CSV file that names classes"
    )
    group.add_argument(
        "--image-root",
        type=path,
        metavar="DIR",
        help="what the paths of a CSV file are relative to (default: its folder)",
    )
    group.add_argument(
        "--encoding",
        metavar="NAME",
        help="of a CSV file (default: UTF-8, UTF-16 or Windows-1252, found out)",
    )


def add_extraction(parser: Parser, *, several: bool = False) -> None:
    """Options of the commands that may extract: --extractor, --weights, --fit and `add_engine`."""
    known = (
        "inception_v3, mobilenet_v2, convnext_tiny, resnet50_v2, efficientnet_v2_b0, vgg16, any "
        "other image network of keras.applications, or random, which needs no weights and has "
        "learned nothing (default: inception_v3)"
    )
    if several:
        parser.add_argument(
            "--extractors",
            type=names,
            default=["inception_v3"],
            metavar="NAME,…",
            help=f"frozen networks, separated by commas: {known}",
        )
    else:
        parser.add_argument(
            "--extractor",
            default="inception_v3",
            metavar="NAME",
            help=f"the frozen network: {known}",
        )
    parser.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|FILE",
        help="ImageNet weights, which Keras downloads once, or a Keras weights file without the "
        "classification layers (default: %(default)s)",
    )
    parser.add_argument(
        "--fit",
        choices=FITS,
        default="squash",
        help="how images that are not square are fitted: squash scales width and height "
        "independently, crop keeps the largest square in the middle, pad adds grey borders "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--grey16",
        choices=("scale", "stretch"),
        default="scale",
        help="how 16 bits per channel, grey or colour, become 8: scale takes all 16, stretch as "
        "many as the picture's greatest value has, for cameras of 10 or 12 bits "
        "(default: %(default)s)",
    )
    add_max_pixels(parser)
    add_engine(parser)
    parser.add_argument(
        "--store",
        choices=("auto", "float32", "float16"),
        default="auto",
        help="how transfer values are stored; float16 takes half the disk space and keeps 11 bits "
        "of each value (default: as in the cache, else float32)",
    )


def add_head_extractor(parser: Parser) -> None:
    """Options of the commands that have a head, which says its extractor itself."""
    parser.add_argument(
        "--head", required=True, metavar="HEAD.h5", help="a head file from `bottlebank train`"
    )
    parser.add_argument(
        "--extractor",
        metavar="NAME",
        help="refuse a head of any other extractor (default: the head's own)",
    )
    parser.add_argument(
        "--weights", metavar="imagenet|FILE", help="where the weights are, if they have moved"
    )
    add_parity(parser)
    add_engine(parser)


def add_max_pixels(parser: Parser) -> None:
    """--max-pixels."""
    parser.add_argument(
        "--max-pixels",
        type=count,
        default=250_000_000,
        metavar="N",
        help="pixels of the largest picture that is decoded (default: %(default)s)",
    )


def add_parity(parser: Parser) -> None:
    """--parity."""
    parser.add_argument(
        "--parity",
        choices=("refuse", "warn"),
        default="refuse",
        help="what to do if the head's probe images have other transfer values on this machine "
        "than in training (default: %(default)s)",
    )


def add_engine(parser: Parser, *, cache: bool = True) -> None:
    """--engine, --precision and, unless the command has its own, --cache."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the network (default: the fastest that agrees with TensorFlow)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="precision of its arithmetic (default: as in the cache or head, else the fastest)",
    )
    if cache:
        add_cache(parser)


def add_cache(parser: Parser) -> None:
    """--cache."""
    parser.add_argument(
        "--cache",
        type=path,
        metavar="DIR",
        help="folder of the cache (default: the platform's, such as ~/.cache/bottlebank)",
    )


def add_answers(parser: Parser, *, strict: bool = True) -> None:
    """--json and --strict."""
    parser.add_argument(
        "--json", action="store_true", help="print the answer as JSON, on one line of stdout"
    )
    if strict:
        parser.add_argument(
            "--strict", action="store_true", help="exit with status 1 if an image was rejected"
        )


def add_seed(parser: Parser) -> None:
    """--seed."""
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="random seed (default: 0)"
    )


def count(text: str) -> int:
    """A whole number of at least 1."""
    return _whole_number(text, 1, 2**63 - 1)


def seed(text: str) -> int:
    """What NumPy takes for a seed."""
    return _whole_number(text, 0, 2**32 - 1)


def folds(text: str) -> int:
    """Parts of a cross-validation."""
    return _whole_number(text, 2, 100)


def names(text: str) -> list[str]:
    """Names with commas between."""
    found = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not found:
        raise argparse.ArgumentTypeError(f"expected names separated by commas, received {text!r}")
    return found


def heads(text: str) -> list[str]:
    """Some of `HEADS`, with commas between."""
    found = names(text)
    for name in found:
        if name not in HEADS:
            raise argparse.ArgumentTypeError(
                f"expected some of {', '.join(HEADS)}, received {name!r}"
            )
    return found


def units(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between."""
    return tuple(count(number) for number in names(text))


def share(text: str) -> float:
    """A number above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, received {text!r}")
    return value


def port(text: str) -> int:
    """A port to listen on; 0 takes a free one."""
    return _whole_number(text, 0, 65_535)


def path(text: str) -> str:
    """A path; an empty one is a variable that was not set."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, received nothing")
    return text


def _whole_number(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        at_most = "" if most > 2**62 else f" and at most {most}"
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least {least}{at_most}, received {text!r}"
        )
    return number

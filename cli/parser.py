"""Parsing: options that several commands share, defaults from the environment, one-line errors."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINES = ("auto", "openvino", "tensorflow")
PRECISIONS = ("auto", "bfloat16", "float32")
FITS = ("squash", "crop", "pad")
HEADS = ("logistic", "dense", "knn")
DATA_HELP = (
    "a folder with one folder per class; or train, validation and test folders of those; or a "
    "CSV file with path,label[,split]"
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("allow_abbrev", False)
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse; of options that exclude one another, what is typed wins over the environment."""
        namespace, rest = super().parse_known_args(args, namespace)
        for group in self._mutually_exclusive_groups:
            given = [
                action
                for action in group._group_actions
                if getattr(namespace, action.dest) is not action.default
            ]
            for action in group._group_actions:
                if given and action not in given:
                    setattr(namespace, action.dest, None)
        return namespace, rest

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def add_command(
    commands: Any, name: str, run: Any, *, summary: str, example: str, **settings: Any
) -> Parser:
    """Add a command whose help ends with an example."""
    parser: Parser = commands.add_parser(
        name, help=summary, description=summary, epilog=f"example:\n  {example}", **settings
    )
    parser.set_defaults(run=run)
    return parser


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
            help=f"frozen networks, with commas between: {known}",
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
        help="ImageNet weights, which Keras downloads once, or a Keras weights file without top "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--fit",
        choices=FITS,
        default="squash",
        help="what becomes of pictures that are not square: squash scales their sides "
        "independently, crop takes the largest square in the middle, pad lays them on grey "
        "(default: %(default)s)",
    )
    add_engine(parser)
    parser.add_argument(
        "--store",
        choices=("auto", "float32", "float16"),
        default="auto",
        help="how numbers are kept; float16 takes half the disk and keeps 11 bits of each "
        "(default: as in the cache, else float32)",
    )


def add_head_extractor(parser: Parser) -> None:
    """Options of the commands that have a head, which says its extractor itself."""
    parser.add_argument(
        "--head", required=True, metavar="HEAD.h5", help="a head file from `bottlebank train`"
    )
    parser.add_argument(
        "--extractor",
        metavar="NAME",
        help="refuse a head of another extractor (default: the head's)",
    )
    parser.add_argument(
        "--weights", metavar="imagenet|FILE", help="where the weights are, if they have moved"
    )
    add_parity(parser)
    add_engine(parser)


def add_parity(parser: Parser) -> None:
    """--parity."""
    parser.add_argument(
        "--parity",
        choices=("refuse", "warn"),
        default="refuse",
        help="what to do when the head's probe images give other transfer values here than when "
        "it was trained (default: %(default)s)",
    )


def add_engine(parser: Parser) -> None:
    """--engine, --precision and --cache."""
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
        help="what it computes in (default: as in the cache or head, else the fastest)",
    )
    add_cache(parser)


def add_cache(parser: Parser) -> None:
    """--cache."""
    parser.add_argument(
        "--cache",
        type=path,
        metavar="DIR",
        help="where transfer values are kept (default: the platform's folder for caches)",
    )


def add_answers(parser: Parser, *, strict: bool = True) -> None:
    """--json and --strict."""
    parser.add_argument("--json", action="store_true", help="print one line of JSON on stdout")
    if strict:
        parser.add_argument(
            "--strict", action="store_true", help="exit with 1 when an image was rejected"
        )


def add_seed(parser: Parser) -> None:
    """--seed."""
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of all chance (default: 0)"
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
        raise argparse.ArgumentTypeError(f"expected names with commas between, received {text!r}")
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


def read_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Take defaults of options, in all commands, from BOTTLEBANK_<NAME OF THE OPTION>."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                read_environment(command, environment)
            continue
        name = f"BOTTLEBANK_{action.dest.upper()}"
        value = environment.get(name)
        if not value or not action.option_strings or action.dest in ("help", "version"):
            continue
        if isinstance(action, argparse._StoreTrueAction):
            action.default = value.lower() not in ("0", "false", "no")
        else:
            action.default = value if (reason := _why_not(action, value)) is None else reason
            action.type = _refuse if reason else action.type
            action.required = False
    for group in parser._mutually_exclusive_groups:
        group.required &= all(action.default is None for action in group._group_actions)


def _why_not(action: argparse.Action, value: str) -> str | None:
    """Why an option cannot have a value; None when it can."""
    name = f"BOTTLEBANK_{action.dest.upper()}"
    if action.choices is not None and value not in action.choices:
        return f"{name} is {value!r}, expected one of {', '.join(map(str, action.choices))}"
    if callable(action.type):
        try:
            action.type(value)
        except (argparse.ArgumentTypeError, ValueError) as error:
            return f"{name}: {error}"
    return None


def _refuse(value: str) -> str:
    """Type of an option whose default, from the environment, is the reason why it cannot be."""
    if value.startswith("BOTTLEBANK_"):
        raise argparse.ArgumentTypeError(value)
    return value

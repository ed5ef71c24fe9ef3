"""`bottlebank serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import HeadFileError, UsageError
from .parser import add_command, add_engine, add_parity, port

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "serve",
        run,
        summary="Answer predictions over HTTP, with a page to drop images on.",
        example="bottlebank serve --head head.h5 --port 8000\n"
        "  curl -F image=@holiday.jpg http://127.0.0.1:8000/predict",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--head", metavar="HEAD.h5", help="a head file from `bottlebank train`")
    which.add_argument("--heads", metavar="DIR", help="a folder: its newest head file is served")
    parser.add_argument("--extractor", metavar="NAME", help="refuse a head of another extractor")
    parser.add_argument(
        "--weights", metavar="imagenet|FILE", help="where the weights are, if they have moved"
    )
    add_parity(parser)
    add_engine(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 opens it to the network (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=port, default=8000, metavar="N", help="0 takes a free one (default: 8000)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until it is interrupted."""
    from ..pipeline import load_predictor
    from ..service import Settings, create_app, serve

    head = arguments.head or _newest_head(Path(arguments.heads))
    predictor = load_predictor(
        head,
        cache=arguments.cache,
        extractor=arguments.extractor,
        weights=arguments.weights,
        engine=arguments.engine,
        precision=arguments.precision,
        parity=arguments.parity,
        many=True,
    )
    settings = Settings()

    def on_ready(url: str) -> None:
        print(
            f"serving {head} (version {predictor.version}: {len(predictor.classes)} classes, "
            f"{predictor.extractor_name}, {predictor.engine} in {predictor.precision}) at {url}\n"
            f"try: curl -F image=@IMAGE {url.rstrip('/')}/predict; Ctrl-C ends",
            flush=True,
        )

    serve(create_app(predictor, settings), arguments.host, arguments.port, settings, on_ready)
    return 0


def _newest_head(folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}")
    heads = sorted(folder.glob("*.h5"), key=lambda path: path.stat().st_mtime_ns)
    if not heads:
        raise HeadFileError(
            f"no head file (*.h5) in {folder}: make one with "
            f"`bottlebank train DATA --output {folder / 'head.h5'}`"
        )
    return heads[-1]

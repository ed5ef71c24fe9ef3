"""A folder as published on the Hugging Face Hub: an ONNX file, and how its pixels are made.

What is in it is an ONNX file's network, with the settings that the folder names: everything later,
its recipe included, is that of an ONNX file.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ....errors import EngineError, UnknownExtractorError
from ....untrusted.files import read_bounded
from .. import onnx_file
from ..described import own_scaling
from ..registry import HUB
from ..spec import SettingError
from .pixels import chosen_rule, read_pixels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ...images.resize import ResizeRule
    from ..opening import Layers
    from ..registry import Backbone
    from ..spec import ExtractorSpec
    from ..weights import Weights

README = "README.md"
"""Begins with the licence, between lines of ``---``."""

# Of networks for images and texts, the part for images; `model` would want both.
_STEMS = ("vision_model", "visual", "model")
_PLACES = ("", "onnx/")
_MAX_README_BYTES = 1 << 22


def open_file(path: Path, spec: ExtractorSpec) -> tuple[Backbone, Weights]:
    """Read which network a folder holds; nothing is run.

    Raises
    ------
    UnknownExtractorError
        When there is no ONNX file in it.
    UsageError
        When a setting means nothing to the network.
    EngineError
        When a file is damaged, or says something about pixels that is not understood.
    """
    file, of_file, rule = _settled(path, spec)
    with _of_own_size(path, spec):
        backbone, weights = onnx_file.open_file(file, of_file, folder=_named(path, spec))
    backbone = backbone._replace(
        name=path.resolve().name, fit=rule.fit, resize=str(rule), licence=licence_of(path)
    )
    return backbone, weights


def layers(path: Path, spec: ExtractorSpec) -> Layers:
    """The layers that can be chosen."""
    file, of_file, _ = _settled(path, spec)
    with _of_own_size(path, spec):
        return onnx_file.layers(file, of_file, folder=_named(path, spec))


@contextlib.contextmanager
def _of_own_size(path: Path, spec: ExtractorSpec) -> Iterator[None]:
    """Where no size is chosen, another than the network's is a contradiction in the folder."""
    try:
        yield
    except SettingError as error:
        if error.setting != "size" or spec.size_px is not None:
            raise
        what = str(error).partition(":")[0]
        raise EngineError(f"{path}: its files contradict one another: {what}") from error


def _settled(path: Path, spec: ExtractorSpec) -> tuple[Path, ExtractorSpec, ResizeRule]:
    """The ONNX file, what is chosen of it beside what it says, and how pictures are scaled."""
    try:
        file = path / network_in(names_in(path))
    except UnknownExtractorError as error:
        raise UnknownExtractorError(f"{path}: {error}") from error
    pixels = read_pixels(path)
    rule = chosen_rule(pixels.rule, spec)
    scaling = own_scaling(_named(path, spec), pixels.scaling, spec.scaling)
    return file, spec._replace(size_px=rule.output_px, scaling=scaling.in_words()), rule


def _named(path: Path, spec: ExtractorSpec) -> Path:
    """The folder for people: one of the Hub's cache is called by a hash."""
    return Path(spec.extractor) if spec.extractor.startswith(HUB) else path.resolve()


def network_in(names: Collection[str]) -> str:
    """Which of a folder's files is the network, in full precision where that is there.

    Parameters
    ----------
    names
        The files in the folder, relative to it, with ``/``.

    Raises
    ------
    UnknownExtractorError
        When none is, or several of reduced precision are.
    """
    for ending in ("", "_fp16"):
        for stem in _STEMS:
            for place in _PLACES:
                if f"{place}{stem}{ending}.onnx" in names:
                    return f"{place}{stem}{ending}.onnx"
    others = sorted(
        name
        for name in names
        if PurePosixPath(name).match("*.onnx") and re.match(rf"(onnx/)?({'|'.join(_STEMS)})_", name)
    )
    if len(others) == 1:
        return others[0]
    if others:
        raise UnknownExtractorError(
            f"only networks of reduced precision are there: {', '.join(others)}; keep one of them"
        )
    raise UnknownExtractorError(
        "there is no model.onnx, onnx/model.onnx or onnx/vision_model.onnx: look for a repository "
        "that has one (those of onnx-community do), or export one with `optimum-cli export onnx`"
    )


def licence_of(folder: Path) -> str:
    """The licence that a folder's README names; empty where it names none."""
    try:
        text = read_bounded(folder / README, _MAX_README_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return ""
    head = re.match(r"\ufeff?---\s*\n(.*?)\n---", text, re.DOTALL)
    found: dict[str, str] = {}
    for line in head[1].splitlines() if head else []:
        key, _, value = line.partition(":")
        if key in ("license", "license_name"):
            found.setdefault(key, value.strip().strip("\"'"))
    name = found.get("license", "")
    if name in ("", "other"):
        name = found.get("license_name", "") or name
    return "".join(character for character in name if character.isprintable())[:60]


def names_in(folder: Path) -> list[str]:
    """The files of a folder among which `network_in` looks."""
    places = ((folder / place, place) for place in _PLACES)
    return [
        f"{place}{file.name}"
        for where, place in places
        if where.is_dir()
        for file in where.iterdir()
        if file.is_file() or file.is_symlink()  # a link to nothing is refused, not passed over
    ]

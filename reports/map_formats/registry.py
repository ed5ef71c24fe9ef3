"""The registry of formats of maps. Data only: reading it imports no library and no format.

A format is a module and a line of `MAP_FORMATS`. The module has two functions:

``write(laid_out, output)``
    Writes what `laid_out.LaidOut` has: a file at a path, whole or not at all; or files into an
    empty folder, which is put in its place afterwards.
``is_own(output)``
    Whether what is at a path, a file or a folder, has been written by it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from ...arguments import is_one_of, received
from ...errors import LibraryNotFoundError, UsageError
from ...extras import how_to_install

if TYPE_CHECKING:
    from collections.abc import Sequence


class MapFormat(NamedTuple):
    """What is known of a format without importing it."""

    module: str
    """A name that begins with a dot is of this package."""
    in_words: str
    """What help texts say of it, behind its name."""
    suffixes: tuple[str, ...] = ()
    """How the name of a file of it ends; none: it is a folder."""
    files: tuple[str, ...] = ()
    """What is in the folder."""
    libraries: Sequence[str] = ()
    """What has to be installed for it, beside what bottlebank requires."""
    extra: str = ""
    """By which extra of bottlebank pip installs these."""

    def imported(self) -> Any:
        """Its module."""
        return import_module(self.module, __package__)

    def require_installed(self) -> None:
        """Raise LibraryNotFoundError, with what to do, where a library is missing."""
        for library in self.libraries:
            if find_spec(library) is None:
                raise LibraryNotFoundError(
                    f"{self.in_words} needs {library}, which is not installed: "
                    f"{how_to_install(self.extra)}"
                )


MAP_FORMATS: dict[str, MapFormat] = {
    "csv": MapFormat(".csv_file", "a CSV file of coordinates, paths and labels", (".csv",)),
    "parquet": MapFormat(
        ".parquet_file",
        "a Parquet file of the same",
        (".parquet",),
        libraries=("pyarrow",),
        extra="parquet",
    ),
    "projector": MapFormat(
        ".projector",
        "a folder for TensorBoard's Embedding Projector",
        files=(
            "projector_config.pbtxt",
            "metadata.tsv",
            "map.tsv",
            "values.tsv",
            "values.bytes",
            "sprite.png",
        ),
    ),
    "fiftyone": MapFormat(
        ".fiftyone_folder", "a folder that FiftyOne imports", files=("labels.json", "data.json")
    ),
}


def find_map_format(name: str) -> MapFormat:
    """The format of a name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if not is_one_of(name, MAP_FORMATS):
        raise UsageError(f"unknown format {received(name)}: expected {', '.join(MAP_FORMATS)}")
    return MAP_FORMATS[name]

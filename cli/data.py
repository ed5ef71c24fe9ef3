"""DATA, read with the options of `add_data`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from ..features import Dataset


def read_data(arguments: argparse.Namespace) -> Dataset:
    """The dataset that a command is given."""
    from ..features import load_dataset

    return load_dataset(
        arguments.data,
        exclude=arguments.exclude,
        class_level=arguments.class_level,
        path_column=arguments.path_column,
        label_column=arguments.label_column,
        image_root=arguments.image_root,
        encoding=arguments.encoding,
    )

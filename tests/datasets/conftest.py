"""What a test reads as a whole is read in parts, too: with the same images, notes and errors."""

from __future__ import annotations

import json

import pytest

from bottlebank.datasets import dataset
from bottlebank.datasets.parts import Remembered, archives, lists, tables, tree
from bottlebank.errors import DatasetError


class Remembering:
    """A memory in a dictionary."""

    def __init__(self):
        self.known = {}

    def recall(self, place):
        found = self.known.get(place[:3])
        if found is None or found[0] != place.status:
            return None
        return Remembered(json.loads(found[1]), found[2])

    def remember(self, place, about, contents=b""):
        self.known[place[:3]] = (place.status, json.dumps(about), contents)


def answer_of(read):
    try:
        return read(), None
    except DatasetError as error:
        return None, str(error)


def same(whole, in_parts):
    """Compare what two readings have given: as a whole, and of parts all that they name."""
    (dataset, error), (parts, error_of_parts) = whole, in_parts
    assert error_of_parts == error
    if dataset is None:
        return
    named = [path for part in parts for path, _ in part.files()]
    assert sorted(named) == sorted(dataset.paths)
    assert len(parts) == len(dataset)
    assert parts.notes == list(dataset.notes)
    assert parts.ignored_kinds == dict(dataset.ignored_kinds)
    assert parts.ignored == dataset.ignored
    assert sorted(parts.unreadable) == sorted(dataset.unreadable)


@pytest.fixture(autouse=True)
def in_parts_too(monkeypatch):
    monkeypatch.setattr(tree, "FILES_AT_ONCE", 3)
    monkeypatch.setattr(archives, "MEMBERS_AT_ONCE", 3)
    monkeypatch.setattr(lists, "ROWS_AT_ONCE", 3)
    from_folder, from_list, from_table, from_tables = (
        dataset._from_folder,
        dataset._from_list,
        dataset._from_table,
        dataset._from_tables,
    )

    def compared(read, survey):
        whole, memory = answer_of(read), Remembering()
        for _ in range(2):  # the second time from what is remembered
            same(whole, answer_of(lambda: survey(memory)))
        return read()

    def _from_folder(path, exclude, class_level):
        return compared(
            lambda: from_folder(path, exclude, class_level),
            lambda memory: tree.survey(path, exclude, class_level, memory),
        )

    def _from_list(path, image_root, encoding):
        options = {"image_root": image_root, "encoding": encoding}
        return compared(
            lambda: from_list(path, image_root, encoding),
            lambda memory: lists.survey(path, options, memory, is_table=False),
        )

    def _from_table(path, options):
        if options["weights_column"] is not None:  # which parts have not
            return from_table(path, options)
        return compared(
            lambda: from_table(path, options),
            lambda memory: lists.survey(path, options, memory, is_table=True),
        )

    def _from_tables(path, exclude, options):
        if options["weights_column"] is not None:
            return from_tables(path, exclude, options)
        return compared(
            lambda: from_tables(path, exclude, options),
            lambda memory: tables.survey(path, exclude, options, memory),
        )

    for read in (_from_folder, _from_list, _from_table, _from_tables):
        monkeypatch.setattr(dataset, read.__name__, read)

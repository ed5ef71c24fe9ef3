"""Damaged and odd exports, shards and heads, always the same ones."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key
from bottlebank.cache.import_export import export_rows
from bottlebank.cache.isolated_reading import damage_of_shards, open_export
from bottlebank.classifier import Head, Layers, write_head_file
from bottlebank.errors import CacheError
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.untrusted.isolation import DiedError, isolated_reader

from .faults import shard_paths
from .fuzzing import spoiled, write

N_OF_EACH = 2000
N_QUICKLY = 100
# A column that need not be there; what nobody reads; what older exports do not have.
HARMLESS = {"missing", "another attribute", "checksum missing"}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A sound file of each kind."""
    base = tmp_path_factory.mktemp("originals")
    recipe, _ = recipe_for(ExtractorSpec("random"))
    random = np.random.default_rng(0)
    keys = [Key(bytes([number + 1]) * 32) for number in range(40)]
    paths = [b"/photos/%d.jpg" % number for number in range(40)]
    with CacheFolder(base / "cache", create=True) as folder:
        cache = folder.open(recipe.fingerprint, "float32")
        with cache.writer(recipe.as_dict()) as writer:
            writer.extend(keys, paths, random.normal(size=(40, recipe.width)).astype("f4"))
            writer.reject(b"r" * 32, b"/photos/bad.jpg", "no image")
        about = {"fingerprint": recipe.fingerprint, "variant": "float32"}
        about["recipe"] = json.dumps(recipe.as_dict())
        labels = {"labels": [str(number % 3) for number in range(40)]}
        export_rows(cache, base / "rows.h5", keys, paths, labels, about)
        [shard] = shard_paths(cache)
    width = 5
    layers = Layers(
        random.normal(size=width).astype("f4"),
        np.ones(width, "f4"),
        [random.normal(size=(width, 8)).astype("f4"), random.normal(size=(8, 3)).astype("f4")],
        [random.normal(size=8).astype("f4"), random.normal(size=3).astype("f4")],
    )
    head = Head("dense", ("cat", "dog", "fish"), layers, {"width": width}, "float32")
    write_head_file(head, base / "head.h5")
    return {"export": base / "rows.h5", "shard": shard, "head": base / "head.h5"}


def deaths_of(kind, original, folder, n_files):
    """Read spoiled files: the seeds of those that end their process, and all other answers."""
    answers, deaths = [], {}
    first = 0
    while first < n_files:
        arguments = [kind, str(original), str(folder), first, n_files]
        with isolated_reader("fuzzing", "read_many", *arguments) as messages:
            try:
                for message in messages:
                    answers.append(message.about)  # also of a process that dies later
                    first = message.about["seed"] + 1
                break
            except DiedError as death:
                deaths[first] = str(death)
                first += 1
    return deaths, answers


@pytest.mark.parametrize(
    "n_files", [N_QUICKLY, pytest.param(N_OF_EACH, marks=pytest.mark.slow)], ids=["some", "many"]
)
@pytest.mark.parametrize("kind", ["export", "shard", "head"])
def test_damage_ends_in_one_line(originals, kind, n_files, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parent)])
    original = originals[kind]
    deaths, answers = deaths_of(kind, original, tmp_path, n_files)
    refused = [each["error"] for each in answers if each["error"]]
    assert len(answers) + len(deaths) == n_files
    assert len(refused) > n_files / 2
    assert all(len(line) < 1500 and "\n" not in line for line in refused)
    for each in answers:
        assert each["error"] or "bytes" in each["changes"] or set(each["changes"]) <= HARMLESS, each
    assert max(each["peak_kb"] for each in answers) < 500_000
    # Heads are read in the process that needs them: none may end it.
    if kind == "head":
        assert not deaths
    # The real way in: what ends a process there ends no import. A few others go along.
    n_others = 20 if n_files == N_OF_EACH else 1
    for seed in [*deaths, *range(0, 2 * n_others, 2)] if kind != "head" else []:
        path = write(kind, spoiled(original, tmp_path, seed)[0], tmp_path)
        start = time.monotonic()
        problem = brought_in(kind, path)
        assert time.monotonic() - start < 20  # a bound for hangs
        assert problem is not None or seed not in deaths
        path.unlink()


def brought_in(kind, path):
    """What is wrong with a file, by the way that an import reads it; None where nothing is."""
    if kind == "shard":
        [damage] = damage_of_shards([path], "float32", 512)
        return damage
    try:
        with open_export(path) as export:
            export.verify()
            for _ in export.rows():
                pass
    except CacheError as error:
        return str(error)
    return None

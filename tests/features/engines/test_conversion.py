import json
import os

import numpy as np
import pytest

from bottlebank.features import ExtractorSpec, find_backbone, recipe_for
from bottlebank.features.engines import conversion
from bottlebank.features.engines.conversion import OPENVINO, _keep, converted_network


def test_a_network_is_kept_where_a_pipe_was(tmp_path):
    made, kept = tmp_path / "made", tmp_path / "networks" / ("f" * 64)
    made.mkdir()
    kept.parent.mkdir()
    (made / "network.xml").write_text("new")
    for harm in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("nothing"), lambda path: None):
        harm(kept)
        _keep(made, kept, OPENVINO, 64)
        assert [path.name for path in kept.iterdir()] == ["network.xml"]
        assert list(kept.parent.iterdir()) == [kept]
        for path in kept.iterdir():
            path.unlink()
        kept.rmdir()


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """Use a network of the cache; `meanwhile` is called once it has been converted."""
    backbone = find_backbone("random")
    recipe, weights = recipe_for(ExtractorSpec("random"))

    def use(text, meanwhile=lambda: None):
        def write(recipe, backbone, weights, folder, form, progress):
            (folder / "network.xml").write_text(text)
            (folder / "network.bin").write_bytes(b"numbers")
            np.save(folder / "reference.npy", np.ones((4, backbone.width), "<f4"))
            names = ("network.xml", "network.bin", "reference.npy")
            manifest = {name: conversion.file_sha256(folder / name) for name in names}
            (folder / "manifest.json").write_text(json.dumps(manifest))
            meanwhile()

        monkeypatch.setattr(conversion, "_write", write)
        networks = tmp_path / "networks"
        how = recipe, backbone, lambda: weights, networks, OPENVINO, False
        with converted_network(*how) as folder:
            assert (folder / "network.xml").exists()
        return networks / recipe.fingerprint

    return use


def test_what_another_process_has_kept_meanwhile_stays(convert):
    """A third one reads it already."""
    seen = []

    def another_run():
        kept = convert("of the second")
        seen.append((kept.stat().st_ino, (kept / "network.xml").stat().st_ino))

    kept = convert("of the first", another_run)
    assert [(kept.stat().st_ino, (kept / "network.xml").stat().st_ino)] == seen
    assert (kept / "network.xml").read_text() == "of the second"
    assert list(kept.parent.iterdir()) == [kept]


def test_a_network_that_was_damaged_meanwhile_is_replaced(convert):
    def damage():
        kept = convert("of the second")
        (kept / "network.bin").write_bytes(b"changed")

    kept = convert("of the first", damage)
    assert (kept / "network.xml").read_text() == "of the first"
    assert list(kept.parent.iterdir()) == [kept]

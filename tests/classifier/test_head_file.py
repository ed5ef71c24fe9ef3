import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from bottlebank.classifier import (
    Head,
    Layers,
    load_head,
    write_head_file,
)
from bottlebank.classifier.head import GoldenImages
from bottlebank.classifier.open_set import fit_unknown
from bottlebank.errors import HeadFileError


def make_head(classes=("cat", "dog", "鳥 \udc80<b>"), hidden=8, width=5) -> Head:
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.normal(size=shape).astype(np.float32)

    layers = Layers(
        draw(width),
        np.abs(draw(width)) + 1,
        [draw(width, hidden), draw(hidden, len(classes))],
        [draw(hidden), draw(len(classes))],
    )
    return Head("dense", tuple(classes), layers, {"width": width}, "bfloat16", training={"seed": 0})


def make_full_head() -> Head:
    """With everything that a head file can hold."""
    head = make_head()
    random = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], 100)
    rows = (
        np.abs(random.normal(size=(300, 5))).astype(np.float32) + 5 * np.eye(5, dtype="f4")[codes]
    )
    return dataclasses.replace(
        head,
        temperature=1.5,
        unknown=fit_unknown(head.layers, rows[::2], codes[::2], rows[1::2], coverage=0.8),
        golden=GoldenImages([b"one", b"three"], random.normal(size=(2, 5)).astype(np.float32)),
    )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "head.h5"
    write_head_file(make_head(), path)
    return path


@pytest.fixture
def full(tmp_path):
    path = tmp_path / "full.h5"
    write_head_file(make_full_head(), path)
    return path


def test_it_holds_arrays_and_one_json_attribute(saved):
    with h5py.File(saved) as file:
        assert sorted(file) == ["bias_0", "bias_1", "kernel_0", "kernel_1", "mean", "scale"]
        assert {dataset.dtype for dataset in file.values()} == {np.dtype("<f4")}
        assert list(file.attrs) == ["head"]
        about = json.loads(file.attrs["head"])
    assert about["classes"] == ["cat", "dog", "鳥 \udc80<b>"]
    assert about["recipe"] == {"width": 5}
    assert about["precision"] == "bfloat16"


def test_it_comes_back_whole(saved):
    head, loaded = make_head(), load_head(saved)
    rows = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    assert np.array_equal(loaded.predict_proba(rows), head.predict_proba(rows))
    assert (loaded.classes, loaded.kind, loaded.training) == (head.classes, "dense", {"seed": 0})
    assert loaded.created


def test_a_full_head_comes_back_whole(full):
    head, loaded = make_full_head(), load_head(full)
    rows = np.abs(np.random.default_rng(2).normal(size=(50, 5), scale=4)).astype(np.float32)
    for mine, its in zip(head.answer(rows), loaded.answer(rows), strict=True):
        assert np.array_equal(mine, its)
    assert 0 < head.answer(rows).unknown.sum() < 50
    assert list(loaded.golden.files) == [b"one", b"three"]
    assert np.array_equal(loaded.golden.features, head.golden.features)
    assert loaded.temperature == 1.5
    assert loaded.version == head.version


SPOILED = {
    "a spread of 0": lambda head: head.unknown.spreads.fill(0),
    "a kernel that is not finite": lambda head: head.layers.kernels[0].fill(np.nan),
    "a scale of 0": lambda head: head.layers.scale.fill(0),
    "golden values that are not finite": lambda head: head.golden.features.fill(np.inf),
    "classes": lambda head: object.__setattr__(head, "classes", ("cat", "cat", "dog")),
    "temperature": lambda head: object.__setattr__(head, "temperature", float("nan")),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_could_not_be_read_again_replaces_no_head(full, spoil):
    before, head = full.read_bytes(), make_full_head()
    spoil(head)
    with pytest.raises(HeadFileError, match=r"full.h5 is not written, since it could not be read"):
        write_head_file(head, full)
    assert full.read_bytes() == before
    assert [path.name for path in full.parent.iterdir()] == [full.name]


def test_the_temperature_softens_probabilities_and_changes_no_answer():
    head = make_full_head()
    rows = np.abs(np.random.default_rng(2).normal(size=(50, 5), scale=4)).astype(np.float32)
    plain = dataclasses.replace(head, temperature=1.0)
    soft, sharp = head.predict_proba(rows), plain.predict_proba(rows)
    assert (soft.argmax(axis=1) == sharp.argmax(axis=1)).all()
    assert (soft.max(axis=1) < sharp.max(axis=1)).all()
    assert head.version != plain.version


def test_many_classes_with_long_names(tmp_path):
    head = make_head([f"{number:05d} {'x' * 60}" for number in range(3000)], hidden=2)
    write_head_file(head, tmp_path / "head.h5")
    assert load_head(tmp_path / "head.h5").classes == head.classes


def test_the_version_names_the_answers():
    head = make_head()
    assert head.version == make_head().version
    assert make_head(classes=("cat", "dog", "bird")).version != head.version
    other = make_head()
    other.layers.biases[1][0] += 1
    assert other.version != head.version


def test_a_head_of_the_earlier_format_answers_as_it_did():
    """Written by the version before odds had a limit: far rows were not unknown."""
    head = load_head(Path(__file__).with_name("format_2.head"))
    assert head.version == "ae5d5fd55064"
    rows = np.concatenate([5 * np.eye(5) + 0.7, 100 * np.eye(5), np.zeros((1, 5))]).astype(
        np.float32
    )
    expected = [
        1.1905,
        0.4873,
        1.1312,
        -19.0406,
        -21.6467,
        145.2957,
        125.5943,
        131.982,
        -23.5758,
        -35.0651,
        -54.8794,
    ]
    np.testing.assert_allclose(
        head.unknown.scores(rows, head.layers.logits(rows)), expected, rtol=1e-3
    )
    assert head.answer(rows).unknown.tolist() == [
        score < head.unknown.threshold for score in expected
    ]


def test_a_head_of_the_earlier_format_can_be_written_again(tmp_path):
    head = load_head(Path(__file__).with_name("format_2.head"))
    write_head_file(head, tmp_path / "again.h5")
    again = load_head(tmp_path / "again.h5")
    assert again.version == head.version
    rows = np.abs(np.random.default_rng(3).normal(size=(50, 5), scale=9)).astype(np.float32)
    for mine, its in zip(head.answer(rows), again.answer(rows), strict=True):
        assert np.array_equal(mine, its)


def change(path, name=None, array=None, **about):
    with h5py.File(path, "r+") as file:
        values = json.loads(file.attrs["head"])
        values.update(about)
        file.attrs["head"] = np.bytes_(json.dumps(values))
        if name is not None:
            if name in file:
                del file[name]
            if array is not None:
                file[name] = array


def rewrite(path, text):
    with h5py.File(path, "r+") as file:
        file.attrs["head"] = np.bytes_(text(file.attrs["head"].decode()))


def crowd(path, n_arrays):
    with h5py.File(path, "r+", libver="latest") as file:
        for number in range(n_arrays):
            file[f"x{number}"] = file["mean"]  # one more name of it


def regroup(path, name, loop=False):
    with h5py.File(path, "r+") as file:
        del file[name]
        if loop:
            file[name] = file["/"]
        else:
            file.create_group(name)


HARMS = {
    "another array": (lambda p: change(p, "extra", np.zeros(3, "f4")), "arrays"),
    "a missing array": (lambda p: change(p, "bias_1"), "arrays"),
    "another type": (
        lambda p: change(p, "mean", np.zeros(5, "f8")),
        "mean is not an array of float32",
    ),
    "objects": (lambda p: change(p, "mean", np.array([b"x"], dtype=object)), "not an array of f"),
    "another shape": (lambda p: change(p, "kernel_1", np.zeros((9, 3), "f4")), "a layer of shape"),
    "no number": (lambda p: change(p, "mean", np.full(5, np.nan, "f4")), "not finite"),
    "a zero scale": (lambda p: change(p, "scale", np.zeros(5, "f4")), "mean and scale"),
    "other numbers": (lambda p: change(p, "mean", np.ones(5, "f4")), "are not those of version"),
    "fewer classes": (lambda p: change(p, classes=["cat", "dog"]), "3 outputs for 2 classes"),
    "equal classes": (lambda p: change(p, classes=["a", "a", "b"]), "not distinct"),
    "an earlier format": (lambda p: change(p, format=1), "format 1; this version .* reads 2 and 3"),
    "a later format": (lambda p: change(p, format=4), "format 4; this version .* reads 2 and 3"),
    "a temperature of zero": (lambda p: change(p, temperature=0.0), "temperature of 0"),
    "an endless temperature": (lambda p: change(p, temperature=float("inf")), "not a float"),
    "a huge temperature": (lambda p: change(p, temperature=1e300), "temperature of 1e\\+300"),
    "a number beyond all": (
        lambda p: rewrite(p, lambda t: t.replace('"temperature": 1.0', '"temperature": 1e999')),
        "beyond the largest float",
    ),
    "an unknown field": (lambda p: change(p, run="rm"), "unknown field.* run"),
    "a field twice": (
        lambda p: rewrite(p, lambda t: t.replace('"kind"', '"kind": "dense", "kind"')),
        "'kind' is there twice",
    ),
    "another kind": (lambda p: change(p, kind="pickle"), "kind 'pickle'; expected logistic or"),
    "another precision": (lambda p: change(p, precision="../x"), "precision '../x'; expected"),
    "a long class name": (lambda p: change(p, classes=["a", "b", "c" * 1001]), "at most .* 1000"),
    "numbers for classes": (lambda p: change(p, classes=[1, 2, 3]), "not distinct strings"),
    "a class per atom": (lambda p: change(p, classes=[*map(str, range(100_001))]), "100001 class"),
    "many golden images": (lambda p: change(p, probe=[1] * 9), "a probe of 9 files"),
    "large golden images": (lambda p: change(p, probe=[1 << 40]), "a probe of 1 files; at most"),
    "a long date": (lambda p: change(p, created="2" * 65), "its creation time"),
    "an ANSI date": (lambda p: change(p, created="\x1b[2J"), "its creation time"),
    "deep JSON": (lambda p: rewrite(p, lambda t: "[" * 9000), "nested too deeply|no head file"),
    "nested training": (
        lambda p: rewrite(
            p,
            lambda t: t.replace('"training": {', '"training": {"x": ' + "[" * 50 + "]" * 50 + ","),
        ),
        "nested too deeply",
    ),
    "20,000 arrays": (lambda p: crowd(p, 20_000), "20000 of the 20006 arrays"),
    "a group": (lambda p: regroup(p, "mean"), "mean is not an array"),
    "a group that holds itself": (lambda p: regroup(p, "mean", loop=True), "mean is not an array"),
    "a missing field": (lambda p: change(p, recipe=None), "field recipe"),
    "not HDF5": (lambda p: p.write_bytes(b"pickle" * 50), "damaged or not a bottlebank head file"),
    "an empty file": (lambda p: p.write_bytes(b""), "damaged or not a bottlebank head file"),
}


HARMS_TO_FULL = {
    "another length": (lambda p: change(p, probe=[3, 6]), "a probe of shapes"),
    "a long probe": (lambda p: change(p, probe=[1] * 9), "a probe of 9 files; at most 8 files"),
    "a large probe": (lambda p: change(p, probe=[3, 1 << 80]), "at most 8 files and 4,194,304 by"),
    "a negative length": (lambda p: change(p, probe=[9, -1]), "lengths of the probe's files"),
    "floating files": (
        lambda p: change(p, "probe_files", np.zeros(8, "f4")),
        "probe_files is not an array of uint8",
    ),
    "no probe features": (lambda p: change(p, "probe_features"), "probe_features"),
    "a narrower probe": (
        lambda p: change(p, "probe_features", np.zeros((2, 4), "f4")),
        "probe_features has 4 columns",
    ),
    "another threshold": (
        lambda p: change(p, unknown={**read(p)["unknown"], "threshold": 0.0}),
        "are not those of version",
    ),
    "no threshold": (lambda p: change(p, unknown={}), "unknown"),
    "words for numbers": (
        lambda p: change(p, unknown={**read(p)["unknown"], "threshold": "low"}),
        "threshold",
    ),
}


def read(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["head"])


@pytest.mark.parametrize("harm", HARMS_TO_FULL)
def test_what_belongs_to_confidence_and_parity_is_checked_too(full, harm):
    spoil, reason = HARMS_TO_FULL[harm]
    spoil(full)
    with pytest.raises(HeadFileError, match=reason):
        load_head(full)


def test_every_array_of_the_unknown_rule_is_needed_and_checked(full):
    with h5py.File(full) as file:
        names = [name for name in file if name.startswith("unknown_")]
        shapes = {name: file[name].shape for name in names}
    assert names
    for name in names:
        for array in (None, np.full(shapes[name], np.nan, "f4"), np.zeros((3, 2, 2), "f4")):
            write_head_file(make_full_head(), full)
            change(full, name, array)
            with pytest.raises(HeadFileError, match="damaged"):
                load_head(full)


@pytest.mark.parametrize("harm", HARMS)
def test_anything_else_is_refused_with_the_reason(saved, harm):
    spoil, reason = HARMS[harm]
    spoil(saved)
    with pytest.raises(HeadFileError, match=reason) as refused:
        load_head(saved)
    assert len(str(refused.value)) < 400 + 2 * len(str(saved))
    assert "\n" not in str(refused.value)


def test_numbers_that_are_none_in_the_summary_are_read_as_none(saved):
    """Earlier versions could write NaN there."""
    change(saved, training={"accuracy": float("nan")})
    assert load_head(saved).training == {"accuracy": None}


def test_a_pipe_is_no_head(tmp_path):
    os.mkfifo(tmp_path / "head.h5")
    with pytest.raises(HeadFileError, match="not a regular file"):
        load_head(tmp_path / "head.h5")


def test_links_virtual_external_and_chunked_data_are_refused(saved, tmp_path):
    canary = tmp_path / "canary.h5"
    with h5py.File(canary, "w") as file:
        file["mean"] = np.zeros(5, "f4")
    layout = h5py.VirtualLayout(shape=(5,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(canary), "mean", shape=(5,))

    def spoil(make):
        write_head_file(make_head(), saved)
        with h5py.File(saved, "r+") as file:
            del file["mean"]
            make(file)
        with pytest.raises(HeadFileError, match="mean is (a link|not stored)"):
            load_head(saved)

    before = canary.read_bytes()
    spoil(lambda file: file.__setitem__("mean", h5py.SoftLink("/scale")))
    spoil(lambda file: file.__setitem__("mean", h5py.ExternalLink(str(canary), "mean")))
    spoil(lambda file: file.create_virtual_dataset("mean", layout))
    spoil(
        lambda file: file.create_dataset(
            "mean", (5,), "f4", external=[(str(tmp_path / "raw"), 0, 20)]
        )
    )
    spoil(lambda file: file.create_dataset("mean", (5,), "f4", chunks=(5,), compression="gzip"))
    assert canary.read_bytes() == before


class Malice:
    """Unpickling it writes into a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("place", ["array", "attribute", "of an array", "the head", "whole file"])
def test_a_pickle_is_never_unpickled(saved, tmp_path, place):
    canary = tmp_path / "canary"
    canary.write_text("alive")
    pickled = pickle.dumps(Malice(canary))
    if place == "whole file":
        saved.write_bytes(pickled)
    else:
        with h5py.File(saved, "r+") as file:
            if place == "array":
                file["extra"] = np.void(pickled)
            elif place == "attribute":
                file.attrs["extra"] = np.void(pickled)
            elif place == "of an array":
                file["mean"].attrs["pickle"] = np.void(pickled)
            else:
                file.attrs["head"] = np.void(pickled)
    with pytest.raises(HeadFileError, match="damaged or not a bottlebank head file"):
        load_head(saved)
    assert canary.read_text() == "alive"


def test_a_shape_bomb_is_refused_before_it_is_read(saved):
    with h5py.File(saved, "r+") as file:
        del file["mean"]
        file.create_dataset("mean", (10**12,), "f4")
    with pytest.raises(HeadFileError, match="declares 4000000000000 bytes in a file of"):
        load_head(saved)


def test_no_file(tmp_path):
    with pytest.raises(HeadFileError, match="no head file at .* `bottlebank train"):
        load_head(tmp_path / "none.h5")
    with pytest.raises(HeadFileError, match="cannot be written"):
        write_head_file(make_head(), tmp_path / "none" / "head.h5")


def test_loading_imports_neither_pickle_users_nor_keras(saved):
    script = (
        "import sys; before = set(sys.modules)\n"
        f"from bottlebank.classifier import load_head; load_head({str(saved)!r})\n"
        "print([n for n in ('joblib', 'keras', 'tensorflow', 'sklearn', 'dill', 'cloudpickle')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

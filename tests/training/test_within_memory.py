"""Transfer values that exceed the memory: heads and figures are those of the fit in memory."""

import dataclasses
import errno
import json
import os

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.registry import HEADS
from bottlebank.cli import main
from bottlebank.errors import TemporaryFileError, UsageError
from bottlebank.rows_on_disk import RowsOnDisk
from bottlebank.training import evaluate_split, within_memory
from bottlebank.training.compare import compare
from bottlebank.training.learning_curve import train_learning_curve
from bottlebank.training.within_memory import require_rows_in_memory

from ..toys.toy_table import toy_rows, toy_table


@pytest.fixture(autouse=True)
def temporary_files(tmp_path, monkeypatch):
    """Nothing is left there."""
    folder = tmp_path / "temporary files"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert [*folder.iterdir()] == []


@pytest.fixture
def on_disk(monkeypatch):
    """Counts the tables that were streamed."""
    made = []
    real = within_memory.rows_on_disk

    def rows_on_disk(*size):
        made.append(size)
        return real(*size)

    monkeypatch.setattr(within_memory, "rows_on_disk", rows_on_disk)
    return made


def require_same(one, other):
    assert one.head.version == other.head.version
    mine, its = one.head.arrays(), other.head.arrays()
    assert mine.keys() == its.keys()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, its[name])
    assert {**one.head.training} == {**other.head.training}
    assert one.near_duplicates == other.near_duplicates
    for name, found in one.evaluations.items():
        assert (found is None) == (other.evaluations[name] is None)
        if found is not None:
            assert found.as_dict() == other.evaluations[name].as_dict()


SETTINGS = {"logistic": {}, "dense": {"hidden": 8, "max_epochs": 6}}


def overlapping(n, k, width, cache, **columns):
    rows, codes = toy_rows(n, k, width, spread=1.5)
    return toy_table(rows, [f"class {code}" for code in codes], cache, **columns)


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize(("n", "k", "width"), [(300, 2, 12), (900, 5, 200), (120, 3, 1)])
def test_the_head_is_the_same_to_the_last_bit(tmp_path, on_disk, kind, n, k, width):
    table = overlapping(n, k, width, tmp_path / "cache")
    expected = bb.train_head(table, kind, **SETTINGS[kind])
    assert on_disk == []
    found = bb.train_head(table, kind, **SETTINGS[kind], memory=4 * n * width)
    assert on_disk == [(n, width)]
    require_same(found, expected)
    assert isinstance(table.features, np.ndarray)


@pytest.mark.parametrize("kind", SETTINGS)
def test_so_it_is_with_weights_copies_and_a_class_that_a_split_lacks(tmp_path, on_disk, kind):
    rows, codes = toy_rows(400, 3, 20, spread=1.5)
    rows[50:60] = rows[49]
    splits = np.array(["train", "train", "validation", "test"])[np.arange(400) // 3 % 4]
    splits[codes == 2] = "train"
    weights = np.where(np.arange(400) % 7, 1.0, 3.0)
    weights[::11] = 0
    labels = [f"class {code}" for code in codes]
    table = toy_table(rows, labels, tmp_path / "cache", splits=splits.tolist(), weights=weights)
    settings = {**SETTINGS[kind], "class_weight": "balanced", "seed": 3}
    expected = bb.train_head(table, kind, **settings)
    require_same(bb.train_head(table, kind, **settings, memory=1000), expected)
    assert on_disk


@pytest.mark.parametrize("kind", SETTINGS)
def test_without_validation_rows_a_dense_head_holds_some_out(tmp_path, on_disk, kind):
    splits = ["train", "train", "test"] * 60
    table = overlapping(180, 2, 16, tmp_path / "cache", splits=splits)
    expected = bb.train_head(table, kind, **SETTINGS[kind])
    require_same(bb.train_head(table, kind, **SETTINGS[kind], memory=1000), expected)
    assert on_disk


@pytest.mark.slow
@pytest.mark.parametrize("kind", SETTINGS)
def test_so_it_is_where_a_sample_chooses_the_strength_and_epochs_take_many_blocks(tmp_path, kind):
    table = overlapping(16_000, 3, 300, tmp_path / "cache")
    settings = {"hidden": 8, "max_epochs": 2} if kind == "dense" else {}
    expected = bb.train_head(table, kind, **settings)
    require_same(bb.train_head(table, kind, **settings, memory="1M"), expected)


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("views", [0, 2])
def test_rows_and_views_come_from_the_cache_in_any_order(photos, cache, on_disk, kind, views):
    given = {"cache": cache, "engine": "openvino", "precision": "float32", "views": views}
    table = bb.extract(photos, "random", **given)
    order = np.random.default_rng(0).permutation(len(table))
    for part in (table, dataclasses.replace(table).some(order)):
        expected = bb.train_head(part, kind, **SETTINGS[kind])
        require_same(bb.train_head(part, kind, **SETTINGS[kind], memory="1K"), expected)
        unread = dataclasses.replace(part)  # nothing is read, but from the cache
        require_same(bb.train_head(unread, kind, **SETTINGS[kind], memory="1K"), expected)
        assert "features" not in vars(unread)
        for name in ("test", "all"):
            mine = bb.evaluate_head(expected.head, part, name, views=views > 0)
            its = bb.evaluate_head(expected.head, unread, name, views=views > 0, memory=1)
            assert mine[1].as_dict() == its[1].as_dict()


@pytest.mark.parametrize("n_together", [1, 4, 1000])
def test_images_stand_before_their_views(photos, cache, on_disk, n_together):
    given = {"cache": cache, "engine": "openvino", "precision": "float32", "views": 2}
    table = bb.extract(photos, "random", **given)
    rows = np.random.default_rng(1).permutation(len(table))[:11]
    expected = np.concatenate([table.features[rows][:, np.newaxis], table.view_features(rows)], 1)
    with within_memory.within_memory(dataclasses.replace(table), 1) as within:
        for each in (table, within):
            found = list(within_memory.with_views(each, rows, n_together))
            assert max(map(len, found)) == min(n_together, 11)
            np.testing.assert_array_equal(np.concatenate(found), expected)
    assert on_disk


def test_a_learning_curve_is_the_same(tmp_path):
    table = overlapping(300, 2, 12, tmp_path / "cache")
    head = bb.train_head(table).head
    expected = train_learning_curve(head, table, evaluate_split(head, table, "test"))
    with within_memory.within_memory(table, 1) as within:
        found = train_learning_curve(head, within, evaluate_split(head, within, "test"))
    np.testing.assert_array_equal(found.right, expected.right)


@pytest.mark.parametrize("views", [0, 1])
def test_heads_are_compared_the_same(photos, cache, on_disk, views):
    given = {"cache": cache, "engine": "openvino", "precision": "float32", "views": views}
    table = bb.extract(photos, "random", **given)
    n_bytes = 4 * len(table) * (1 + views) * table.recipe.width
    expected = compare([table], ["logistic", "knn"], n_folds=3)
    found = compare([table], ["logistic", "knn"], n_folds=3, memory=n_bytes)
    assert on_disk
    assert [trial.standing for trial in found.trials] == [
        trial.standing for trial in expected.trials
    ]


def test_a_head_that_holds_all_rows_is_refused(tmp_path):
    table = overlapping(300, 2, 12, tmp_path / "cache")
    expected = (
        r"a knn head holds the transfer values of all 300 images, 14400 bytes, and memory is 14399 "
        r"bytes: take a logistic or dense head, fewer images, or more --memory"
    )
    expected = expected.replace("14400", "14,400").replace("14399", "14,399")
    with pytest.raises(UsageError, match=expected):
        compare([table], ["logistic", "knn"], memory=14_399)
    require_rows_in_memory(HEADS, table, 14_400)
    require_rows_in_memory(["logistic", "dense"], table, 1)


def test_rows_are_streamed_from_where_training_would_take_more(tmp_path):
    table = overlapping(100, 2, 10, tmp_path / "cache")
    least = within_memory.COPIES * 4 * 100 * 10
    for memory, streamed in ((least, False), (least - 1, True)):
        with within_memory.within_memory(table, memory) as within:
            assert isinstance(within.features, RowsOnDisk) == streamed
            with within_memory.within_memory(within, 1) as again:
                assert (again is within) == streamed


def test_by_default_it_is_what_is_available(tmp_path, monkeypatch):
    table = overlapping(100, 2, 10, tmp_path / "cache")
    for available, streamed in ((1 << 30, False), (20_000, True)):
        monkeypatch.setattr(within_memory, "available_memory_bytes", lambda n=available: n)
        with within_memory.within_memory(table) as within:
            assert isinstance(within.features, RowsOnDisk) == streamed


@pytest.mark.parametrize("memory", ["", "much", "0", 0, -1, "0%", "101%", "-5%", "5 %%", 1.5, True])
def test_what_is_no_size_is_refused(tmp_path, memory):
    table = overlapping(30, 2, 4, tmp_path / "cache")
    with pytest.raises(UsageError, match=r"memory is .*; expected a"):
        bb.train_head(table, memory=memory)
    with pytest.raises(UsageError, match=r"memory is .*; expected a"):
        bb.evaluate_head(bb.train_head(table).head, table, memory=memory)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_full_disk_ends_training_with_what_to_do(tmp_path, monkeypatch, kind):
    table = overlapping(300, 2, 12, tmp_path / "cache")

    def pwrite(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(TemporaryFileError, match=r"No space left .*set TMPDIR .* --memory$"):
        bb.train_head(table, kind, memory=100)


def test_the_commands(photos, cache, tmp_path, on_disk, capsys, monkeypatch):
    given = ["--cache", str(cache), "--json"]
    data = [str(photos), *given, "--extractor", "random", "--engine", "openvino"]
    assert main(["extract", *data]) == 0
    answers = []
    for number, memory in enumerate(([], ["--memory", "1G"])):
        capsys.readouterr()
        head = str(tmp_path / f"{number}.h5")
        assert main(["train", *data, *memory, "--output", head]) == 0
        trained = json.loads(capsys.readouterr().out)
        report = ["--report", str(tmp_path / f"report {number}")]
        assert main(["evaluate", str(photos), *given, *memory, *report, "--head", head]) == 0
        evaluated = json.loads(capsys.readouterr().out)
        answers.append(({**trained, "head": 0, "seconds": 0}, evaluated))
        assert len(on_disk) == 2 * number
        monkeypatch.setattr(within_memory, "COPIES", 10_000)  # as if there were more images
    assert answers[0] == answers[1]
    others = [str(photos), *given, "--heads", "logistic", "--folds", "2", "--memory", "1G"]
    assert main(["compare", *others]) == 0
    assert len(on_disk) == 3
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    assert main(["train", *data, "--memory", "1G", "--output", head]) == 1
    assert "gone: No such file or directory; set TMPDIR to" in capsys.readouterr().err
    assert main(["train", *data, "--memory", "lots", "--output", head]) == 2
    assert "expected a size such as 1G or 2G, or a share such as 50%" in capsys.readouterr().err

"""The whole audit: what it orders, suggests and leaves alone."""

import json

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.datasets.labels_file import SUGGESTION_COLUMNS, read_labels
from bottlebank.errors import DatasetError, ImageRejectedError, UsageError, WrongTypeError
from bottlebank.extraction.relabelling import relabel

from ..toys.toy_table import noise, toy_rows, toy_table

NAMES = np.array(["hat", "<script>alert(1)</script>", "كتاب"])


def flipped(tmp_path, n=120, wrong=(3, 40, 77), **columns):
    rows, codes = toy_rows(n, 3, width=24, spread=0.1)
    given = codes.copy()
    given[list(wrong)] = (codes[list(wrong)] + 1) % 3
    return toy_table(rows, NAMES[given], tmp_path / "cache", **columns), NAMES[codes]


def lines_of(found):
    return found.labels_file().decode().splitlines()


def test_wrong_labels_come_first_with_what_they_should_be(tmp_path):
    splits = ["train"] * 100 + ["validation"] * 20
    table, right = flipped(tmp_path, splits=splits)
    found = bb.audit(table)
    assert sorted(found.order[:3].tolist()) == [3, 40, 77]
    assert [found.suggested[row] for row in (3, 40, 77)] == right[[3, 40, 77]].tolist()
    assert {each.row for each in found.findings["label"]} == {3, 40, 77}
    for each in found.findings["label"]:
        assert {table.labels[row] for row in each.of_given} == {table.labels[each.row]}
        assert {table.labels[row] for row in each.of_suggested} == {each.suggested}
        assert not {3, 40, 77} & {*each.of_given, *each.of_suggested}
    assert sorted(found.order.tolist()) == list(range(120))
    assert "3 labels that are likely wrong" in repr(found)
    assert json.loads(json.dumps(found.as_dict()))["images"] == 120


def test_the_file_applies_nothing_unasked_and_what_is_accepted(tmp_path):
    table, right = flipped(tmp_path, splits=["train"] * 120)
    header, *rows = lines_of(bb.audit(table))
    assert header == ",".join(SUGGESTION_COLUMNS)
    assert len(rows) == 120
    assert all(row.endswith(",") for row in rows)
    file = tmp_path / "labels.csv"
    file.write_text("\n".join([header, *rows]))
    assert relabel(table, read_labels(file)).n_changed == 0
    file.write_text("\n".join([header, *(f"{row}yes" for row in rows[:3]), *rows[3:]]))
    np.testing.assert_array_equal(relabel(table, read_labels(file)).table.labels, right)


def test_images_of_the_test_split_are_shown_and_left_alone(tmp_path):
    splits = ["test" if row in (3, 40) else "train" for row in range(120)]
    table, right = flipped(tmp_path, splits=splits)
    found = bb.audit(table)
    assert {each.row: each.suggested for each in found.findings["label"]} == {
        3: "",
        40: "",
        77: right[77],
    }
    assert [found.suggested[row] for row in (3, 40)] == ["", ""]
    shown = {each.row: each.of_suggested for each in found.findings["label"]}
    assert (shown[3], shown[40], len(shown[77])) == ((), (), 3)  # nor given away by its images
    described = {each["path"]: each for each in found.as_dict()["findings"]["label"]}
    assert described[table.paths[3]]["like_the_suggested"] == []
    included = bb.audit(table, include_test=True)
    assert [included.suggested[row] for row in (3, 40)] == right[[3, 40]].tolist()


def test_labels_of_test_images_say_nothing_of_the_others(tmp_path):
    splits = ["test" if row % 4 == 0 else "train" for row in range(120)]
    table, _ = flipped(tmp_path, wrong=(3, 41, 77), splits=splits)
    is_test = np.arange(120) % 4 == 0
    labels = table.labels.copy()
    labels[is_test] = np.random.default_rng(0).permutation(labels[is_test])
    found, other = bb.audit(table), bb.audit(table.with_labels(labels))
    one, two = found.judged.probabilities, other.judged.probabilities
    np.testing.assert_array_equal(one[~is_test], two[~is_test])
    for row in np.flatnonzero(~is_test).tolist():
        assert found.suggested[row] == other.suggested[row]
        assert found.scores[row] == other.scores[row]
    assert {each.row for each in found.findings["label"]} == {3, 41, 77}
    only = bb.audit(table.some(np.flatnonzero(is_test)))  # of these alone, each says it of the rest
    assert only.n_judged == 30


def test_where_nothing_can_be_judged_it_says_so(tmp_path):
    table, _ = flipped(tmp_path)
    unlabelled = bb.audit(table.with_labels(np.full(len(table), "")))
    assert unlabelled.share_wrong is None
    assert "none could be judged" in repr(unlabelled)
    assert unlabelled.as_dict()["estimated_wrong"] is None
    labels = table.labels.copy()
    labels[60:] = ""
    half = bb.audit(table.with_labels(labels))
    assert half.n_judged == 60
    assert "of the 60 of 120 that were judged" in repr(half)


def test_features_that_are_no_numbers_are_refused(tmp_path):
    table, _ = flipped(tmp_path, n=60, wrong=())
    table.features[7, 3] = np.nan
    with pytest.raises(UsageError, match=r"1 of 60 images have NaN or infinity, the first is .*"):
        bb.audit(table)


def test_progress_names_each_stage(tmp_path, capsys):
    table, _ = flipped(tmp_path, n=60, wrong=(3,), splits=["train"] * 60)
    bb.audit(table, n_next=2, progress=True)
    said = capsys.readouterr().err
    for stage in ("Looking at the images", "Predicting each image", "that show the same"):
        assert stage in said
    for stage in ("Comparing each image with the others", "Looking for wrong labels"):
        assert stage in said
    for stage in ("duplicates", "outliers", "Choosing what to label next", "shortcuts"):
        assert stage in said
    bb.audit(table, progress=False)
    assert capsys.readouterr().err == ""


def test_equal_files_under_two_labels(tmp_path):
    rows, codes = toy_rows(60, 3, width=24)
    paths = [noise(tmp_path / f"{row:02d}.png", seed=row) for row in range(60)]
    rows[59], labels = rows[0], NAMES[codes]  # codes 2 and 0
    paths[59] = noise(tmp_path / "copy.png", seed=0)
    table = toy_table(rows, labels, tmp_path / "cache", paths=paths, splits=["train"] * 60)
    found = bb.audit(table)
    (pair,) = found.findings["duplicate"]
    assert (pair.row, pair.of_given, pair.score, pair.suggested) == (59, (0,), 1.0, labels[0])
    assert "same file" in pair.reason
    assert (found.kinds[59], found.suggested[59]) == ("duplicate", labels[0])
    assert found.order[0] == 59
    file = tmp_path / "labels.csv"
    file.write_bytes(found.labels_file())
    after = relabel(table, read_labels(file)).table.labels
    np.testing.assert_array_equal(after, labels)  # undecided: each keeps its own
    header, first, *rest = lines_of(found)
    file.write_text("\n".join([header, f"{first}yes", *rest]))
    after = relabel(table, read_labels(file)).table.labels
    assert after[59] == after[0] == labels[0]


def test_images_without_a_label_come_last_the_next_ones_first(tmp_path):
    rows, codes = toy_rows(90, 3, width=24)
    labels = NAMES[codes]
    labels[60:] = ""
    table = toy_table(rows, labels, tmp_path / "cache")
    found = bb.audit(table, n_next=5)
    chosen = [each.row for each in found.findings["next"]]
    assert len(set(chosen)) == 5
    assert min(chosen) >= 60
    assert found.order[60:65].tolist() == chosen
    assert sorted(found.order[:60].tolist()) == list(range(60))
    assert [found.suggested[row] for row in chosen] == NAMES[codes[chosen]].tolist()
    assert found.kinds[chosen[0]] == "next"
    assert bb.audit(table).findings["next"] == []


def test_no_label_at_all(tmp_path):
    table = toy_table(toy_rows(40, 4)[0], [""] * 40, tmp_path / "cache")
    found = bb.audit(table, n_next=4)
    assert len(found.findings["next"]) == 4
    assert {each.suggested for each in found.findings["next"]} == {""}
    assert found.findings["label"] == found.findings["duplicate"] == found.shortcuts == []
    assert len(lines_of(found)) == 41


@pytest.mark.parametrize(
    ("n", "labels"),
    [
        (1, ["a"]),
        (2, ["a", "a"]),
        (2, ["a", "b"]),
        (3, ["a", "a", "b"]),
        (30, ["same"] * 30),
        (41, ["a", "b"] * 20 + ["single"]),
        (400, [f"class {row % 200}" for row in range(400)]),
    ],
)
def test_few_images_and_many_classes(tmp_path, n, labels):
    table = toy_table(toy_rows(n, 2)[0], labels, tmp_path / "cache")
    found = bb.audit(table)
    assert len(lines_of(found)) == n + 1
    assert len(found.in_words()) == 4
    if n <= 3:
        assert found.findings["label"] == []


def test_constant_features(tmp_path):
    table = toy_table(np.ones((50, 6), "f4"), ["a", "b"] * 25, tmp_path / "cache")
    found = bb.audit(table, n_next=3)
    assert found.findings["outlier"] == found.findings["next"] == []
    assert np.isfinite(found.scores).all()


def test_weight_0_is_not_suspected(tmp_path):
    weights = np.ones(120)
    weights[3] = 0
    table, _ = flipped(tmp_path, weights=weights)
    found = bb.audit(table, include_test=True)
    assert {each.row for each in found.findings["label"]} == {40, 77}


def test_what_is_no_argument(tmp_path):
    with pytest.raises(WrongTypeError, match=r"bb\.audit\(bb\.extract\('photos'"):
        bb.audit("photos")
    table = toy_table(toy_rows(4, 2)[0], list("abab"), tmp_path / "cache")
    with pytest.raises(UsageError, match="n_next"):
        bb.audit(table, n_next=-1)
    with pytest.raises((DatasetError, ImageRejectedError), match="no images"):
        bb.audit(table.some(np.array([], int)))

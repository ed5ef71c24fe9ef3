"""A labels file over a table."""

import dataclasses

import numpy as np
import pytest

from bottlebank.datasets.labels_file import LabelsFile, read_labels, write_labels, write_suggestions
from bottlebank.errors import DatasetError
from bottlebank.extraction.relabelling import relabel


@pytest.fixture
def labels(table, tmp_path):
    """A labels file of some rows."""

    def write(said):
        rows = [(str(table.keys[row]), table.paths[row], label) for row, label in said.items()]
        (tmp_path / "labels.csv").write_bytes(write_labels(rows))
        return read_labels(tmp_path / "labels.csv")

    return write


def test_labels_change_and_images_go(table, labels):
    table.features  # noqa: B018 (read, so that the part has them too)
    kept = np.delete(np.arange(60), 7)
    changes = relabel(table, labels({3: "spots", 7: "", 11: str(table.labels[11])}))
    assert (changes.n_changed, changes.n_left_out, changes.n_not_here) == (1, 1, 0)
    assert changes.table.labels[3] == "spots"
    assert changes.table.paths == [table.paths[row] for row in kept]
    np.testing.assert_array_equal(changes.before, table.labels[kept])
    np.testing.assert_array_equal(changes.table.features, table.features[kept])
    assert changes.in_words() == "1 label changed, 1 image left out"


def test_images_without_a_class_need_a_label(table, labels):
    unlabelled = dataclasses.replace(table, labels=np.array([""] * 60))
    changes = relabel(unlabelled, labels({0: "a", 1: "b"}))
    assert changes.table.labels.tolist() == ["a", "b"]
    assert (changes.n_changed, changes.n_left_out) == (2, 58)


def test_a_class_whose_name_is_not_utf_8_stays_itself(table, labels):
    names = np.array(["caf\udce9" if name == "disc" else name for name in table.labels])
    changes = relabel(
        dataclasses.replace(table, labels=names), labels({0: "caf\udce9", 1: "stripes"})
    )
    assert changes.table.labels[0] == "caf\udce9"
    assert set(changes.table.labels) == set(names)


def test_two_classes_that_are_written_alike_stay_two(table, labels):
    own = np.array(["caf\udce9", "caf\\xe9", "stripes"] * 20)
    odd = dataclasses.replace(table, labels=own)
    wanted = own.copy()
    wanted[0] = "stripes"
    assert relabel(odd, labels({0: "stripes"})).table.labels.tolist() == wanted.tolist()
    # The file cannot tell the two apart: who is in one of them stays there.
    wanted = ["caf\udce9", "caf\\xe9", "caf\\xe9"] * 20
    said = labels(dict.fromkeys(range(60), "caf\\xe9"))
    assert relabel(odd, said).table.labels.tolist() == wanted


def test_a_file_of_other_images_is_refused(table, labels, tmp_path):
    (tmp_path / "labels.csv").write_bytes(write_labels([("0" * 64, "a.png", "cat")]))
    with pytest.raises(DatasetError, match="has none of these 60 images"):
        relabel(table, read_labels(tmp_path / "labels.csv"))
    with pytest.raises(DatasetError, match="leaves out all 60 images"):
        relabel(table, labels(dict.fromkeys(range(60), "")))


def test_rows_of_other_images_are_counted(table, labels):
    file = labels({3: "spots"})
    both = LabelsFile(file.source, {**file.labels, b"\0" * 32: "cat"})
    assert [each[:] for each in relabel(table, both).earlier] == [
        (str(table.keys[3]), "", "spots", False),
        ("00" * 32, "", "cat", False),
    ]
    assert relabel(table, both).in_words() == (
        "1 label changed, 0 images left out; 1 of its rows are of other images"
    )


def test_who_labels_goes_on_with_what_has_no_label_and_is_not_left_out(table, labels):
    unlabelled = dataclasses.replace(table, labels=np.array([""] * 60))
    changes = relabel(unlabelled, labels({0: "a", 1: ""}), keeps_unlabelled=True)
    assert changes.table.labels.tolist() == ["a", *[""] * 58]
    assert changes.table.paths == [table.paths[0], *table.paths[2:]]
    assert [each.label for each in changes.earlier] == ["a", ""]


def test_what_an_audit_wrote_and_nobody_changed_is_no_decision(table, tmp_path):
    own = table.labels.tolist()
    changed = {3: ("spots", "", ""), 5: (own[5], "earlier", ""), 7: (own[7], "label", "no")}
    rows = [
        (str(key), "x", label, "", "", kind, accept)
        for row, key in enumerate(table.keys)
        for label, kind, accept in [changed.get(row, (own[row], "", ""))]
    ]
    rows.append(("0" * 64, "y", "", "", "", "", ""))
    (tmp_path / "labels.csv").write_bytes(write_suggestions(rows))
    changes = relabel(table, read_labels(tmp_path / "labels.csv"))
    said = {each.key: (each.label, each.undecided) for each in changes.earlier}
    assert said == {
        str(table.keys[3]): ("spots", False),
        str(table.keys[5]): (own[5], False),
        str(table.keys[7]): (own[7], False),
        "0" * 64: ("", True),
    }

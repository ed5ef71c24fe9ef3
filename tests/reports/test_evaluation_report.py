"""The report of an evaluation, written from Python."""

import dataclasses
import json
import re

import pytest

import bottlebank as bb
from bottlebank.errors import HeadFileError, UsageError
from bottlebank.reports.evaluation_sections import training_section
from bottlebank.training.head_settings import HeadSettings


def test_it_is_the_one_of_the_command(table, trained, tmp_path):
    written = bb.write_report(tmp_path / "deep" / "report", trained.head, table)
    assert written[0].name == "report.html"
    assert {path.parent for path in written} == {tmp_path / "deep" / "report"}
    assert all(path.stat().st_size for path in written)
    answer = json.loads((tmp_path / "deep" / "report" / "evaluation.json").read_text())
    split, found = bb.evaluate_head(trained.head, table)
    assert (answer["split"], answer["accuracy"]) == (split, found.accuracy)
    page = written[0].read_text()
    assert "photos, " in page
    assert re.search(rf"version {trained.head.version}\s*<", page), "it has no date yet"
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert any("disc" in each for each in tables)
    assert not any(str(tmp_path) in each for each in tables)


def test_a_split_that_there_is_not(table, trained, tmp_path):
    with pytest.raises(UsageError, match="unknown split 'tset'"):
        bb.write_report(tmp_path / "report", trained.head, table, "tset")
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
def test_the_curve_of_a_dense_head_is_of_logistic_heads(table, tmp_path):
    head = bb.train_head(table, "dense", hidden=(8,)).head
    bb.write_report(tmp_path, head, table, "test")
    assert "The curve is of logistic heads" in (tmp_path / "report.html").read_text()


def with_summary(trained, **summary):
    return dataclasses.replace(trained.head, training={**trained.head.training, **summary})


def test_a_head_whose_summary_holds_no_settings_is_refused(table, trained, tmp_path):
    for name, values in {
        "class_weight": (3, "typo", {"disc": "x"}, {"disc": 10**400}, ["disc"]),
        "seed": ("x", None, 1e300, True),
    }.items():
        for value in values:
            with pytest.raises(HeadFileError, match=rf"training summary \({name}.* is .*; expect"):
                HeadSettings.of(with_summary(trained, **{name: value}))
    bb.save_head(with_summary(trained, class_weight=3), tmp_path / "head.h5")
    with pytest.raises(HeadFileError, match=r"training summary \(class_weight is 3; expected None"):
        bb.write_report(tmp_path / "report", tmp_path / "head.h5", table)
    assert not (tmp_path / "report").exists()


def test_curves_that_cannot_be_drawn_are_left_out(table, trained, tmp_path):
    epoch = [0.5, 0.5, 0.5]
    for history, best in (
        ([epoch], None),
        ([epoch], 2),
        ([epoch], "x"),
        ([[0.5, None, 0.5]], 1),
        ([[10**400, 0.5, 0.5]], 1),
        ([[0.5, 0.5]], 1),
        ("x", 1),
        ({"loss": 1}, 1),
    ):
        head = with_summary(trained, history=history, best_epoch=best)
        section = training_section(tmp_path, head)
        assert section.text.startswith("The curves in the head file cannot be drawn: ")
        assert section.picture is None
    written = bb.write_report(tmp_path, head, table, "train")
    assert "The curves in the head file cannot be drawn: " in written[0].read_text()
    assert not (tmp_path / "training-curves.png").exists()

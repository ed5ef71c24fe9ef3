"""The report of an evaluation, written from Python."""

import json
import re

import pytest

import bottlebank as bb
from bottlebank.errors import UsageError


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
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert any("disc" in each for each in tables)
    assert not any(str(tmp_path) in each for each in tables)


def test_a_split_that_there_is_not(table, trained, tmp_path):
    with pytest.raises(UsageError, match="unknown split 'tset'"):
        bb.write_report(tmp_path / "report", trained.head, table, "tset")
    assert not (tmp_path / "report").exists()


def test_the_curve_of_a_dense_head_is_of_logistic_heads(table, tmp_path):
    head = bb.train_head(table, "dense", hidden=(8,)).head
    bb.write_report(tmp_path, head, table, "test")
    assert "The curve is of logistic heads" in (tmp_path / "report.html").read_text()

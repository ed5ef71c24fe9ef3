"""A measurement that was interrupted goes on; anything else starts anew."""

import pytest

from bottlebank.errors import BottlebankError, UsageError
from bottlebank.interpret.attacks.journal import BEGINS, Journal

ROWS = {"a": [True, False, 4, True], "b": [False, True, None, False]}


def test_what_was_found_is_there_again_under_the_same_settings(tmp_path):
    path = tmp_path / "curve.partial.json"
    Journal(path, ["pgd", 20]).add(ROWS)
    assert path.read_bytes().startswith(BEGINS)
    again = Journal(path, ["pgd", 20])
    assert [again.get(key) for key in "abc"] == [ROWS["a"], ROWS["b"], None]
    assert Journal(path, ["fgsm", 20]).get("a") is None
    again.remove()
    assert not path.exists()


@pytest.mark.parametrize(
    "damage", [b"", BEGINS[:5], BEGINS, BEGINS + b'"0", "fou', BEGINS + b"1}", BEGINS + b"\xff\x00"]
)
def test_a_torn_file_starts_anew(tmp_path, damage):
    path = tmp_path / "curve.partial.json"
    path.write_bytes(damage)
    journal = Journal(path, [])
    assert journal.get("a") is None
    journal.add(ROWS)
    assert Journal(path, []).get("b") == ROWS["b"]


@pytest.mark.parametrize("others", [b"[]", b"null", b"\xff\xd8\xff", b'{"mine": 1}', b" " + BEGINS])
def test_files_of_others_are_neither_replaced_nor_removed(tmp_path, others):
    path = tmp_path / "صورة <b>.jpg"
    path.write_bytes(others)
    with pytest.raises(
        UsageError, match=r"<b>\.jpg exists and is not an interrupted .* choose another name"
    ):
        Journal(path, [])
    assert path.read_bytes() == others
    with pytest.raises(UsageError, match="choose another name"):
        Journal(tmp_path, [])


def test_where_it_cannot_be_written_it_says_so(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BottlebankError, match=r"kept\.json cannot be written"):
        Journal(tmp_path / "file" / "kept.json", []).add(ROWS)


def test_rows_of_another_form_are_left_out(tmp_path):
    path = tmp_path / "curve.partial.json"
    Journal(path, []).add({**ROWS, "c": [1, 2], "d": [True, True, "x", True]})
    assert Journal(path, []).get("c") is None
    assert Journal(path, []).get("d") is None
    assert Journal(path, []).get("a") == ROWS["a"]


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = Journal(None, [])
    journal.add(ROWS)
    journal.remove()
    assert [*tmp_path.iterdir()] == []

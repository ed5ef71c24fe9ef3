"""Handwritten digits, written as a folder per class."""

import sklearn.datasets

from bottlebank.datasets import digits


def test_a_torn_picture_is_written_again(tmp_path, monkeypatch):
    whole = sklearn.datasets.load_digits()
    few = sklearn.utils.Bunch(images=whole.images[:30], target=whole.target[:30])
    monkeypatch.setattr(digits, "load_digits", lambda: few)
    assert digits.write_digits(tmp_path) == 30
    torn, gone = sorted(tmp_path.rglob("*.png"))[:2]
    wanted = torn.read_bytes()
    torn.write_bytes(wanted[:50])
    gone.unlink()
    assert digits.write_digits(tmp_path) == 2
    assert torn.read_bytes() == wanted
    assert digits.write_digits(tmp_path) == 0

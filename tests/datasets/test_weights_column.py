"""The column of a CSV file that says what each image weighs."""

import logging

import pytest

from bottlebank.datasets import load_dataset
from bottlebank.errors import DatasetError, UsageError

from .test_dataset import make


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path, "img/a.png", "img/b.png", "img/c.png")


def load(folder, *cells, separator=",", column="weight", **settings):
    lines = [["path", "label", "weight"]]
    lines += [[f"img/{name}.png", "x", cell] for name, cell in zip("abc", cells, strict=False)]
    text = "".join(separator.join(line) + "\n" for line in lines)
    (folder / "list.csv").write_text(text, encoding="utf-8")
    return load_dataset(folder / "list.csv", weights_column=column, **settings)


@pytest.mark.parametrize(
    ("cell", "weight"),
    [
        ("1", 1), ("", 1), ("0", 0), ("2.5", 2.5), (" 2.5 ", 2.5), ("+2", 2), (".5", 0.5),
        ("2.", 2), ("1e-3", 0.001), ("1E2", 100), ("0.0", 0), ("-0", 0), ("0e5", 0),
        ('"1,5"', 1.5), ("'2'", None), ("\u0662", 2), ("1e9", 1e9), ("1e-9", 1e-9),
        ("-1", None), ("\u22121", None), ("nan", None), ("NaN", None), ("inf", None),
        ("-inf", None), ("Infinity", None), ("NA", None), ("heavy", None), ("50%", None),
        ("1_000", None), ("1 000", None), ("1.000.000", None), ("1e400", None), ("1e-400", None),
        ("1e-10", None), ("0x10", None), ("True", None), ("½", None), ("e5", None), (".", None),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(folder, cell, weight):
    if weight is None:
        with pytest.raises(
            DatasetError, match=r"list\.csv, line 3: the weight is .*; expected 0, a"
        ):
            load(folder, "1", cell)
    else:
        assert load(folder, "1", cell).weights == [1, weight]


def test_a_decimal_comma_where_semicolons_separate(folder):
    assert load(folder, "1,5", "0,25", ",5", separator=";").weights == [1.5, 0.25, 0.5]


@pytest.mark.parametrize("column", ["weight", "Weight", " weight ", "WEIGHT"])
def test_the_column_is_found_as_others_are(folder, column):
    assert load(folder, "3", column=column).weights == [3]


def test_without_the_option_the_column_means_nothing(folder):
    assert load(folder, "heavy", column=None).weights == []


def test_a_column_that_is_not_there_or_has_another_sense(folder):
    with pytest.raises(DatasetError, match="no column is called 'mass': there are path, label, w"):
        load(folder, "1", column="mass")
    with pytest.raises(DatasetError, match="'label' is to hold weights, and holds labels: name"):
        load(folder, "1", column="label")
    with pytest.raises(UsageError, match="--weights-column is for a CSV file"):
        load_dataset(folder, weights_column="weight")


def test_the_column_is_no_class(folder):
    """One column per class: weights of 0 and 1 are not one of them."""
    text = "path,hat,shoe,weight\nimg/a.png,1,0,1\nimg/b.png,0,1,0\nimg/c.png,0,1,1\n"
    (folder / "list.csv").write_text(text)
    dataset = load_dataset(folder / "list.csv", weights_column="weight")
    assert dataset.labels == ["hat", "shoe", "shoe"]
    assert dataset.weights == [1, 0, 1]


def test_every_image_of_a_folder_weighs_as_its_row_says(folder):
    make(folder, "more/d.png", "more/e.png")
    (folder / "list.csv").write_text("path,label,w\nimg/a.png,x,2\nmore,y,0.5\n")
    dataset = load_dataset(folder / "list.csv", weights_column="w")
    assert dataset.weights == [2, 0.5, 0.5]


def test_what_is_left_out_and_what_weighs_oddly_is_said(folder, caplog):
    with caplog.at_level(logging.WARNING):
        load(folder, "0", "0", "1")
    assert "2 images weigh 0 and are left out" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        load(folder, "60", "90", "90")
    assert "mean of 80, so that 3 images count as 240: divide them by 80 if only" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        load(folder, "2", "1", "0.5")
    assert caplog.text == ""
    with pytest.raises(DatasetError, match=r"list\.csv: every weight is 0: no image is left"):
        load(folder, "0", "0", "0")

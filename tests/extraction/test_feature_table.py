"""What a table looks like in a notebook, and as a DataFrame."""

import dataclasses
import sys

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import DatasetError, LibraryNotFoundError
from bottlebank.training.compare import compare


def test_a_table_becomes_a_data_frame(table):
    pandas = pytest.importorskip("pandas")
    odd = dataclasses.replace(
        table,
        paths=["a\udcff.png", *table.paths[1:]],
        splits=["train", *table.splits[1:]],
        groups=["film 1"] * 60,
    )
    frame = odd.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    about = ["path", "label", "split", "group", "key"]
    assert frame.columns.tolist() == [*about, *(f"f{number}" for number in range(512))]
    values = frame.filter(regex=r"^f\d+$").to_numpy()
    assert values.dtype == np.float32
    assert np.array_equal(values, table.features)
    assert frame["path"].tolist() == odd.paths
    assert frame["label"].value_counts().to_dict() == {"checks": 20, "disc": 20, "stripes": 20}
    assert frame.loc[0, ["split", "group", "key"]].tolist() == [
        "train", "film 1", str(table.keys[0])
    ]  # fmt: skip
    assert table.to_pandas(features=False).columns.tolist() == ["path", "label", "split", "key"]


def test_without_pandas_a_table_says_what_to_install(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(LibraryNotFoundError, match="not installed: pip install pandas"):
        table.to_pandas()


def test_a_table_is_short_and_escaped_in_a_notebook(table):
    labels = np.array([f"<b>\x1b{number:02d}{'x' * 500}" for number in range(60)])
    odd = dataclasses.replace(table, labels=labels, splits=["train", *table.splits[1:]])
    html = odd._repr_html_()
    assert "<b>" not in html
    assert "\x1b" not in html
    assert "&lt;b&gt;\\x1b00xxx" in html
    assert "<th>class</th><th>images</th><th>train</th>" in html
    assert "… 30 more classes" in html
    assert len(html) < 10_000
    assert len(repr(odd)) < 200


def test_a_table_without_images_says_so(table):
    none = dataclasses.replace(
        table, paths=[], labels=np.array([], np.str_), splits=[], keys=[], rejected=[]
    )
    trained = bb.train_head(table)
    for call in (
        none.require_rows,
        lambda: bb.train_head(none),
        lambda: bb.evaluate_head(trained, none),
        lambda: bb.write_report("report", trained, none),
        lambda: bb.plot(none, "map.png"),
        lambda: compare([none], ["knn"]),
    ):
        with pytest.raises(DatasetError, match="the table has no images"):
            call()

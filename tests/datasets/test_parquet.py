"""Parquet files that list images: the same dataset as the CSV file of the same rows."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

from bottlebank.datasets import load_dataset
from bottlebank.errors import BottlebankError, DatasetError, UsageError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def images(folder, n):
    (folder / "photos").mkdir(exist_ok=True)
    names = [f"photos/{number}é.jpg" for number in range(n)]
    for name in names:
        (folder / name).write_bytes(name.encode())
    return names


def written(folder, columns, name="list.parquet", **settings):
    file = folder / name
    parquet.write_table(pyarrow.table(columns), file, **settings)
    return file


def as_csv(folder, columns):
    file = folder / "list.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return file


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize(
    "of_rows",
    [
        lambda n: {"label": [["hat", "chat à poil"][row % 2] for row in range(n)]},
        lambda n: {"label": [row % 3 for row in range(n)], "split": ["train", "test"] * (n // 2)},
        lambda n: {"cat": [row % 2 for row in range(n)], "dog": [1 - row % 2 for row in range(n)]},
        lambda n: {"class": ["a", "b"] * (n // 2), "group": [str(row // 4) for row in range(n)]},
    ],
)
def test_the_dataset_is_that_of_a_csv_file_of_the_same_rows(tmp_path, of_rows, compression):
    n = 40
    columns = {"path": images(tmp_path, n), **of_rows(n)}
    expected = load_dataset(as_csv(tmp_path, columns))
    found = load_dataset(written(tmp_path, columns, compression=compression, row_group_size=7))
    for name in ("paths", "labels", "splits", "groups", "weights"):
        assert list(getattr(found, name)) == list(getattr(expected, name)), name
    assert len(found) == n


def test_kinds_of_columns_that_tools_write(tmp_path):
    paths = images(tmp_path, 4)
    labels = pyarrow.array(["a", "b", None, "a"]).dictionary_encode()
    weights = pyarrow.array([1.0, 0.5, None, 2.0])
    columns = {"path": pyarrow.array(paths, pyarrow.large_string()), "label": labels, "w": weights}
    columns["embedding"] = pyarrow.array([[1.0, 2.0]] * 4)
    found = load_dataset(written(tmp_path, columns), weights_column="w")
    assert list(found.labels) == ["a", "b", "", "a"]
    assert list(found.weights) == [1.0, 0.5, 1.0, 2.0]
    flags = {"path": paths, "cat": [True, False] * 2, "dog": [False, True] * 2}
    assert list(load_dataset(written(tmp_path, flags)).labels) == ["cat", "dog"] * 2
    named = written(tmp_path, {"picture": paths, "kind": ["a"] * 4, "label": ["b"] * 4})
    found = load_dataset(named, path_column="picture", label_column="kind")
    assert set(found.labels) == {"a"}


def test_the_name_does_not_matter(tmp_path):
    columns = {"path": images(tmp_path, 2), "label": ["a", "b"]}
    for name in ("list", "list.csv", "train-00000-of-00001.parquet"):
        assert list(load_dataset(written(tmp_path, columns, name)).labels) == ["a", "b"]


def test_damaged_files_are_one_error_that_names_them(tmp_path):
    columns = {"path": images(tmp_path, 300), "label": ["a", "b", "c"] * 100}
    file = written(tmp_path, columns)
    whole = file.read_bytes()
    for data in (
        whole[:4],
        whole[: len(whole) // 2],
        whole[:-1],
        whole[:4] + b"PAR1",
        *(
            whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
            for place in range(0, len(whole), max(1, len(whole) // 60))
        ),
    ):
        file.write_bytes(data)
        try:
            load_dataset(file)
        except BottlebankError as error:
            assert "list.parquet" in str(error)
    file.write_bytes(whole[:-1])
    with pytest.raises(DatasetError, match=r"list.parquet is no Parquet file, or a damaged one"):
        load_dataset(file)


def test_an_encoding_is_of_text_and_pyarrow_is_named_where_it_is_not(tmp_path, monkeypatch):
    file = written(tmp_path, {"path": images(tmp_path, 2), "label": ["a", "b"]})
    with pytest.raises(UsageError, match="--encoding is for text; .*is a Parquet file"):
        load_dataset(file, encoding="utf-8")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError, match="to read Parquet files, pip install pyarrow"):
        load_dataset(file)


def test_pyarrow_stays_out_of_other_datasets(tmp_path):
    file = as_csv(tmp_path, {"path": images(tmp_path, 2), "label": ["a", "b"]})
    code = (
        "import sys; from bottlebank.datasets import load_dataset; load_dataset(sys.argv[1]);"
        "sys.exit('pyarrow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)

"""CSV files as people's tools write them: each is read right, or refused by name."""

import os
import unicodedata

import pytest

from bottlebank.datasets import load_dataset
from bottlebank.errors import DatasetError, UsageError

from .test_dataset import make, rows

BOTH = [("img/a.png", "hat", None), ("img/b.png", "shoes", None)]


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path, "img/a.png", "img/b.png")


def load(folder, data: bytes | str, name="list.csv", **settings):
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return load_dataset(folder / name, **settings)


PLAIN = "path,label\nimg/a.png,hat\nimg/b.png,shoes\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        "sep=;\r\n" + PLAIN.replace(",", ";"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN,
        PLAIN + ",\n,\n",
        PLAIN.replace(",", ";") + ";;\n;;\n",
        "path,label,,\nimg/a.png,hat,,\nimg/b.png,shoes,,\n,,,\n",
        ",path,label\n0,img/a.png,hat\n1,img/b.png,shoes\n",
        "label, path\nhat, img/a.png\nshoes, img/b.png\n",
        " Path , LABEL \n img/a.png , hat \n img/b.png , shoes \n",
        '"path","label"\n"img/a.png","hat"\n"img/b.png", "shoes"\n',
        PLAIN.replace("/", "\\"),
        "path,label\n.\\img\\a.png,hat\nimg/../img/b.png,shoes\n",
        PLAIN.replace(".png", ""),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.encode("utf-32"),
        PLAIN.replace("path,label", "filename,class"),
        PLAIN.replace("path,label", "Image,Target"),
        PLAIN.replace("path,label", "id,category"),
        PLAIN.replace("path,label", "image_id,species").replace(".png", ""),
        PLAIN.replace("path,label", "File Path;Breed").replace(",", ";"),
        PLAIN.replace("path,label", "filepaths,labels"),
        PLAIN.replace("path,label", "imageName,className"),
        "id,filename,class_id,class\n7,img/a.png,0,hat\n8,img/b.png,1,shoes\n",
        "img/a.png,hat\nimg/b.png,shoes\n",
        "img/a.png\that\nimg/b.png\tshoes\n",
        "image,hat,shoes\nimg/a.png,1,0\nimg/b.png,0,1\n",
        "image,hat,shoes\nimg/a,1.0,0.0\nimg/b,0.0,1.0\n",
        "filename, hat, shoes\nimg/a.png, 1, 0\nimg/b.png, 0, 1\n",
        "a.png,hat\nb.png,shoes\n",
        "id,breed\na,hat\nb,shoes\n",
        "image,id,choice,annotator\nimg/a.png,1,hat,1\nimg/b.png,2,shoes,1\n",
        "path,label\n\u200bimg/a.png,hat\u00a0\nimg/b.png,shoes\n",
    ],
)  # fmt: skip
def test_dialects_that_are_read(folder, data):
    dataset = load(folder, data)
    found = [(os.path.normpath(path), *rest) for path, *rest in rows(dataset, folder)]
    assert found == BOTH


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("path,label,label\nimg/a.png,hat,x\n", "2 columns are called label, label"),
        ("path,path,label\nimg/a.png,b,x\n", "2 columns are called path"),
        ("file,class,species\nimg/a.png,hat,x\n", "class, species may hold the labels: use --lab"),
        ("colour,size\nx,y\n", "expected a header with the columns path,label"),
        ("image_id,dx\nimg/a.png,nv\n", "--label-column; found 'image_id, dx'"),
        ("img/a.png,hat,train\n", "expected a header"),
        ("path,label\nimg/a.png,hat, red\n", "line 2: 3 values where the header has 2"),
        ("path,label\nimg/a.png,hat\nimg/b.png\n", "line 3: path or label is missing"),
        ("path,label,split\nimg/a.png,hat,holdout\n", "split 'holdout' is not one of train"),
        ("path,label,is_valid\nimg/a.png,hat,True\n", "'is_valid' declares a split in a way"),
        ("path,label\nhttps://x.org/a.png,hat\n", "line 2: 'https://x.org/a.png' is an address"),
        ("path,label\nC:\\me\\a.png,hat\n", "line 2: .* absolute path of another system"),
        ("path,label\n\\\\nas\\a.png,hat\n", "line 2: .* absolute path of another system"),
        ("path,label\ngone/a.png,hat\n", "none of its paths leads to a file; the first, 'gone/a"),
        ("path,label\n'img/a.png','hat'\n", "none of its paths leads to a file"),
        ('path,label\nimg/a.png,"hat\nimg/b.png,shoes\n', "line 2: .*quotation mark"),
        ("image,hat,shoes\nimg/a.png,1,1\n", "line 2: expected a 1 in one column .* hat, shoes"),
        ("image,hat,shoes\nimg/a.png,0,0\n", "line 2: expected a 1 in one column .* no class"),
        ("filename,width,class,xmin,ymin\nimg/a.png,3,hat,1,2\n", "holds boxes of objects"),
        ('image,choice\nimg/a.png,"{""choices"": [""a"", ""b""]}"\n', "line 2: .* is a list"),
        ("path,label\nimg/a.png,шапка\n".encode("cp1251"), "not UTF-8, .* use --encoding NAME"),
        ("path,label\nimg/a.png,帽子\n".encode("gbk"), "use --encoding NAME"),
        ("path,label\nimg/a.png,żółty\n".encode("cp1250"), "use --encoding NAME"),
        ("path,label\nimg/a.png,hat\n".encode("utf-16")[:-1], "utf-16 text, but does not continue"),
        ("path,label\n", "no rows"),
        ("", "columns path,label"),
        (b"path,label\nimg/a.png,h\0t\n", "is a binary file"),
        ('[{"path": "a.png"}]', "is JSON, not a CSV file: save the table as a CSV"),
        ('{"path": "a.png"}\n{"path": "b.png"}', "is JSON"),
        ("<html><body>", "is HTML or XML"),
        (b"PK\x03\x04\x14\0\0\0", "is a zip archive, not a CSV file: unpack it"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is an image, not a CSV file: put images into one folder per"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "is an image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "is an image"),
        (b"\x89HDF\r\n\x1a\n\0\0", "is an HDF5 file, such as a head"),
        (b"PAR1\x15\x04", "is no Parquet file, or a damaged one"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "is an Excel workbook, not a CSV file: save"),
        (b"\x1f\x8b\x08\0", "is an archive"),
        (b"%PDF-1.7\n\xe2\xe3", "is a PDF"),
        (b"\x80\x04\x95\0\0", "is a pickle"),
    ],
)  # fmt: skip
def test_files_that_are_refused_by_name(folder, data, message):
    with pytest.raises(DatasetError, match=f"(?s){message}") as caught:
        load(folder, data)
    assert "\0" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_workbook_is_named(folder):
    with pytest.raises(DatasetError, match="is an Excel workbook"):
        load(folder, b"PK\x03\x04\x14\0\0\0", name="list.xlsx")


@pytest.mark.parametrize("word", ["chapéu", "Mütze", "été", "maçã", "niño", "Größe", "Créée"])
def test_what_excel_writes_in_the_west(folder, word, caplog):
    dataset = load(folder, f"path;label\nimg/a.png;{word}\nimg/b.png;x\n".encode("cp1252"))
    assert dataset.classes == sorted([word, "x"])
    assert f"read as Windows-1252, with labels such as '{word}'" in caplog.text


def test_an_encoding_that_is_said(folder):
    data = "path,label\nimg/a.png,шапка\n".encode("cp1251")
    assert load(folder, data, encoding="cp1251").classes == ["шапка"]
    assert load(folder, data, encoding="cp1252").classes == ["øàïêà"]
    for name in ("nonsense", "base64"):
        with pytest.raises(DatasetError, match=f"unknown encoding '{name}'"):
            load(folder, data, encoding=name)
    with pytest.raises(DatasetError, match="is not text in utf-8"):
        load(folder, data, encoding="utf-8")


def test_columns_and_folders_that_are_said(folder):
    data = "id,dx,path\na,nv,9\nb,mel,9\n"
    settings = {"path_column": "ID", "label_column": "dx", "image_root": folder / "img"}
    dataset = load(folder, data, **settings)
    assert rows(dataset, folder) == [("img/a.png", "nv", None), ("img/b.png", "mel", None)]
    with pytest.raises(DatasetError, match="no column is called 'name': there are id, dx, path"):
        load(folder, data, path_column="name")
    with pytest.raises(DatasetError, match="no such folder: .*nowhere, named by --image-root"):
        load(folder, data, **{**settings, "image_root": folder / "nowhere"})
    with pytest.raises(UsageError, match="--class-level is for a folder"):
        load(folder, data, class_level=1)


def test_what_was_guessed_is_said(folder, caplog):
    load(folder, "id,breed\na,hat\nb,shoes\n")
    assert "paths are taken from the column 'id', labels from 'breed'" in caplog.text
    assert f"paths are taken as relative to {folder / 'img'}" in caplog.text


def test_an_id_that_two_files_have(folder):
    make(folder, "img/a.jpg", "other/b.png")
    with pytest.raises(DatasetError, match="line 2: 'img/a' may be .*a.jpg or .*a.png"):
        load(folder, "path,label\nimg/a,hat\nimg/b,shoes\n")
    with pytest.raises(DatasetError, match="both hold files of its first rows: use --image-root"):
        load(folder, "path,label\nb,hat\n")


def test_split_columns(folder):
    text = "path,label,{}\nimg/a.png,hat,{}\nimg/b.png,shoes,{}\n"
    for name, first, second in (
        ("split", "train", "valid"),
        ("SPLIT", " Training ", "dev"),
        ("data set", "train", "Validation"),
        ("subset", "train_set", "eval"),
    ):
        assert load(folder, text.format(name, first, second)).splits == ["train", "validation"]
    assert load(folder, text.format("dataset", "coco", "voc")).splits == [None, None]
    with pytest.raises(DatasetError, match="line 3: split 'holdout' is not one of"):
        load(folder, text.format("subset", "train", "holdout"))


def test_rows_that_name_folders(tmp_path):
    make(tmp_path, "scan1/1.png", "scan1/2.png", "scan2/1.png")
    dataset = load(tmp_path, "id,target\nscan1,0\nscan2,1\n")
    assert list(dataset.labels) == ["0", "0", "1"]
    assert len(set(dataset.groups)) == 2


def test_names_in_another_normal_form_and_in_raw_bytes(tmp_path):
    make(tmp_path, unicodedata.normalize("NFD", "été.png"))
    raw = os.fsencode(tmp_path) + b"/\xfcber.png"
    open(raw, "wb").close()
    data = "path,label\n{},a\nüber.png,b\n".format(unicodedata.normalize("NFC", "été.png"))
    dataset = load(tmp_path, data.encode("cp1252"))
    assert all(os.path.exists(path) for path in dataset.paths)


@pytest.mark.parametrize("label", ["nan", "NULL", "N/A", "a|b", "<NA>", "a;b"])
def test_a_label_that_may_be_none_is_a_class_with_a_note(folder, label):
    dataset = load(folder, f'path,label\nimg/a.png,"{label}"\nimg/b.png,none\n')
    assert dataset.labels == [label, "none"]
    (note,) = dataset.notes
    assert note.endswith(f"though they may stand for none or several: {label!r}")


def test_labels_of_a_list_that_differ_in_case_are_noted(folder):
    dataset = load(folder, "path,label\nimg/a.png,hat\nimg/b.png,Hat\n")
    assert dataset.labels == ["hat", "Hat"]
    assert "differ only in case are kept apart: Hat, hat" in dataset.notes[0]

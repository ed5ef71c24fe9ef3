"""Labels files: what people and spreadsheets make of them, and what is refused."""

import hashlib
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bottlebank.datasets.labels_file import (
    are_undecided_suggestions,
    has_other_labels,
    read_labels,
    write_labels,
    write_suggestions,
)
from bottlebank.errors import DatasetError

SCORES = ["0.75", "", "high"]
KEYS = [hashlib.sha256(name.encode()).hexdigest() for name in "abcd"]


@pytest.fixture
def read(tmp_path):
    def read(text, encoding="utf-8"):
        file = tmp_path / "labels.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return {key.hex(): label for key, label in read_labels(file).labels.items()}

    return read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(read, encoding, newline, separator):
    rows = [
        ["key", "path", "label"],
        [KEYS[0], "a.jpg", "Café"],
        [KEYS[1].upper(), "b,c;d.jpg", ""],
    ]
    lines = [separator.join(f'"{value}"' for value in row) for row in rows]
    assert read(newline.join([*lines, ""]), encoding) == {KEYS[0]: "Café", KEYS[1]: ""}


def test_columns_are_known_by_name_in_any_order(read):
    text = f"note,Label,Path,KEY\nhm,cat,a.jpg,{KEYS[0]}\n"
    assert read(text) == {KEYS[0]: "cat"}


def test_accepted_suggestions_are_labels(read):
    said = ["yes", "", "no", "X"]
    rows = [f"{key},{key[:4]}.jpg,cat,dog,{accept}" for key, accept in zip(KEYS, said, strict=True)]
    found = read("\n".join(["key,path,label,suggested,accept", *rows]))
    assert [found[key] for key in KEYS] == ["dog", "cat", "cat", "dog"]


def test_yes_down_the_whole_column_leaves_no_image_out(tmp_path):
    file = tmp_path / "labels.csv"
    rows = [f"{KEYS[0]},cat,,yes", f"{KEYS[1]},cat,dog,yes", f"{KEYS[2]},,,yes", f"{KEYS[3]},,,no"]
    file.write_text("\n".join(["key,label,suggested,accept", *rows]))
    found = read_labels(file)
    assert [found.labels[bytes.fromhex(key)] for key in KEYS] == ["cat", "dog", "", ""]
    assert {key.hex() for key in found.undecided} == {KEYS[0], KEYS[2]}  # not left out


def test_a_row_that_is_cut_off_decides_nothing(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(f"key,label,suggested,accept\n{KEYS[0]},cat\n{KEYS[1]},cat,dog\n")
    assert {key.hex() for key in read_labels(file).undecided} == {KEYS[0], KEYS[1]}


@pytest.mark.parametrize(
    "label", ["cat", "=SUM(A1)", "-3", "@home", "+1", "'quoted'", "a,b", 'say "x"', "<b>", "猫"]
)
def test_what_is_written_is_read_again(tmp_path, label):
    file = tmp_path / "labels.csv"
    file.write_bytes(write_labels([(KEYS[0], "=evil().jpg", label), (KEYS[1], "b\udce9.jpg", "")]))
    found = read_labels(file).labels
    assert list(found.values()) == [label, ""]
    assert b"b\\xe9.jpg" in file.read_bytes()


@given(
    names=st.lists(
        st.text(st.integers(1, 0xD7FF).map(chr) | st.integers(0xE000, 0x10FFFF).map(chr))
    ),
    edges=st.lists(st.sampled_from(["'", "=", " ", "\t", "\r", "\ufeff", "\u200b", "\x1c", '"'])),
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_name_is_read_as_it_was_written(tmp_path, names, edges):
    """But for NUL, with which no text file is read, and for names that are equal as NFC."""
    edge = "".join(edges)
    names += [edge, *(name for each in names for name in (f"{edge}{each}", f"{each}{edge}"))]
    keys = [hashlib.sha256(f"{place}".encode()).hexdigest() for place in range(len(names))]
    file = tmp_path / "labels.csv"
    file.write_bytes(write_labels(zip(keys, names, names, strict=True)))
    assert [*read_labels(file).labels.values()] == [normalize("NFC", name) for name in names]


def test_a_label_of_a_person_loses_the_space_around_it(read):
    rows = [f"{KEYS[0]}, cat ", f'{KEYS[1]},"\tdog "', f"{KEYS[2]},'tis", f"{KEYS[3]}, '=x"]
    found = read("\n".join(["key,label", *rows]))
    assert [found[key] for key in KEYS] == ["cat", "dog", "'tis", "=x"]


def test_a_name_is_no_formula_to_a_spreadsheet():
    written = write_labels([(KEYS[0], "=evil().jpg", "@home")]).decode()
    assert written.splitlines()[1] == f"{KEYS[0]},'=evil().jpg,'@home"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,label\na.jpg,cat\n", "expected a labels file with the columns key,path,label"),
        ("key,path\n", "expected a labels file with the columns key,path,label"),
        ("", "expected a labels file with the columns key,path,label, found 'nothing'"),
        ("key,label\nabc,cat\n", "line 2: expected a key of 64 hexadecimal digits"),
        (f"key,label\n{KEYS[0]},cat\n{KEYS[0]},dog\n", "line 3: .* 'dog' here and 'cat' in line 2"),
        (f"key,label\n{KEYS[0]},cat,dog\n", "line 2: 3 values where the header has 2"),
        (f"key,label,accept\n{KEYS[0]},cat,yes\n", "there is no column suggested"),
        (f"key,label,suggested,accept\n{KEYS[0]},a,b,perhaps\n", "expected yes, no or nothing"),
        (f"key,label,suggested,accept,Accept\n{KEYS[0]},a,b,,yes\n", "one column accept, found 2"),
        (f"key,label,suggested,suggested\n{KEYS[0]},a,b,c\n", "one column suggested, found 2"),
        (f"key,label\n{KEYS[0]},шапка\n".encode("cp1251"), r'save it as UTF-8 \("CSV UTF-8".*\)$'),
        (f'key,label\n{KEYS[0]},"cat\n', "is a quotation mark never closed"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(read, text, reason):
    with pytest.raises(DatasetError, match=reason):
        read(text)


def test_a_row_that_is_there_twice_is_one(read):
    assert read(f"key,label\n{KEYS[0]},cat\n{KEYS[0]},cat\n") == {KEYS[0]: "cat"}


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"none\.csv cannot be read: No such file"):
        read_labels(tmp_path / "none.csv")


def test_scores_are_read_where_there_are_any(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "\n".join(["key,label,score", *map(",".join, zip(KEYS, "abc", SCORES, strict=False))])
    )
    assert read_labels(path).scores == {bytes.fromhex(KEYS[0]): 0.75}
    path.write_text(f"key,label\n{KEYS[0]},cat\n")
    assert read_labels(path).scores == {}


@pytest.mark.parametrize(
    ("separator", "score", "wanted"),
    [(";", "0,75", 0.75), ("\t", "0,5", 0.5), (",", '"0,75"', None)],
)
def test_a_decimal_comma_is_read_where_no_comma_separates(tmp_path, separator, score, wanted):
    path = tmp_path / "labels.csv"
    rows = [["key", "label", "score"], [KEYS[0], "cat", score]]
    path.write_text("\n".join(map(separator.join, rows)))
    assert read_labels(path).scores.get(bytes.fromhex(KEYS[0])) == wanted


@pytest.mark.parametrize("end", ["", "\r\n", "\r\n\n", ",,,,,,\r\n", " \n"])
def test_empty_rows_at_the_end_decide_nothing(tmp_path, end):
    path = tmp_path / "labels.csv"
    path.write_bytes(write_suggestions([(KEYS[0], "a", "cat", "", "", "", "")]) + end.encode())
    assert are_undecided_suggestions(path)
    assert not has_other_labels(path, {KEYS[0]: {"cat"}}, (), ())
    assert has_other_labels(path, {KEYS[0]: {"dog"}}, (), ())


@pytest.mark.parametrize(
    ("suggested", "kind", "is_changed"),
    [
        ("", "", False),
        ("=dog", "label earlier", False),
        ("caf\udce9", "next", False),
        ("perhaps a fox", "label", True),
        ("=dog", "ask Ann", True),
    ],
)
def test_words_of_a_person_beside_a_label_are_noticed(tmp_path, suggested, kind, is_changed):
    path = tmp_path / "labels.csv"
    path.write_bytes(write_suggestions([(KEYS[0], "a", "cat", suggested, "0.5000", kind, "")]))
    classes, kinds = ["cat", "=dog", "caf\udce9"], ["label", "next"]
    assert has_other_labels(path, {KEYS[0]: {"cat"}}, classes, kinds) is is_changed


def test_a_file_that_is_no_csv_is_no_list_of_suggestions(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(write_suggestions([(KEYS[0], "a" * 200_000, "cat", "", "", "", "")]))
    assert not are_undecided_suggestions(path)

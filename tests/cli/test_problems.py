"""What is wrong with a dataset is named with paths: as text, as JSON and in the report."""

import json
import os
import shutil

import pytest
from PIL import Image

from bottlebank.cli.problems import print_problems
from bottlebank.reports.problem_tables import (
    MOST_IN_A_TABLE,
    problem_sections,
    within,
)


@pytest.fixture
def untidy(photos):
    """Near-duplicates of 20 pictures, one picture under two labels, and one that is none."""
    for number in range(20):
        with Image.open(photos / "disc" / f"{number:02d}.png") as original:
            original.resize((60, 60)).save(photos / "disc" / f"{number:02d}-again.png")
    shutil.copy(photos / "stripes" / "07.png", photos / "checks" / "wrong <b>.png")
    (photos / "checks" / "bad.png").write_text("words")
    return photos


CONTRADICTION = {
    "label": "stripes",
    "of_label": "checks",
    "equal": True,
    "left_out": False,
}


def check_pairs(answer, untidy):
    (pair,) = answer["contradictions"]
    assert pair["path"] == str(untidy / "stripes" / "07.png")
    assert pair["of"] == str(untidy / "checks" / "wrong <b>.png")
    assert pair["split"] == pair["of_split"]
    assert {name: pair[name] for name in CONTRADICTION} == CONTRADICTION
    (rejection,) = answer["rejections"]
    assert rejection["path"] == str(untidy / "checks" / "bad.png")
    assert "looks like text" in rejection["reason"]


def test_train(bottlebank, untidy, options, tmp_path):
    train = ["train", untidy, "-o", tmp_path / "h.h5", *options]
    answer = bottlebank(*train, "--json").json
    check_pairs(answer, untidy)
    pairs = []
    for side, found in answer["near_duplicates"].items():
        assert found["images"] == len(found["pairs"])
        assert {pair["split"] for pair in found["pairs"]} == {side}
        pairs += found["pairs"]
    assert all(pair["left_out"] and not pair["equal"] for pair in pairs)
    assert len(pairs) > 5
    words = bottlebank(*train).out
    assert words.count("shows nearly the same as") == 5
    assert f"and {len(pairs) - 5} more: --json lists them" in words
    assert "1 contradiction (one image under two labels or in two splits):" in words
    contradiction = answer["contradictions"][0]
    assert f"{contradiction['path']} ({contradiction['split']}, stripes) equals " in words


def test_a_pair_in_two_splits_and_under_two_labels_is_named_once(capsys):
    """The two lists name the pair in either order."""
    kinds = {"equal": False, "left_out": True}
    copy = {"path": "test/hat/copy.png", "label": "hat", "split": "test"}
    coat = {"of": "train/coat/1.png", "of_label": "coat", "of_split": "train"}
    hat = {"of": "train/hat/1.png", "of_label": "hat", "of_split": "train"}
    other_way = {"path": coat["of"], "label": "coat", "split": "train", "of": copy["path"]}
    near = [{**copy, **coat, **kinds}, {**copy, "path": "test/hat/2.png", **hat, **kinds}]
    contradiction = {**other_way, "of_label": "hat", "of_split": "test", **kinds}

    print_problems(near, [contradiction])
    first, pair, second, other = capsys.readouterr().out.splitlines()
    assert first.startswith("  1 contradiction (")
    assert "train/coat/1.png (train, coat) shows nearly the same as test/hat/copy.png" in pair
    assert second == "  1 more near-duplicate in two splits:"
    assert other.startswith("    test/hat/2.png (test, hat) shows nearly the same as train/hat/1")
    answer = {"contradictions": [contradiction], "near_duplicates": near, "rejections": []}
    tables = [section.table.rows for section in problem_sections(answer, "photos")]
    assert [[row[0] for row in rows] for rows in tables] == [[coat["of"]], ["test/hat/2.png"]]

    print_problems(near[:1], [contradiction])
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert len([*problem_sections({**answer, "near_duplicates": near[:1]}, "photos")]) == 1


def test_evaluate(bottlebank, untidy, options, cache, tmp_path):
    head, report = tmp_path / "h.h5", tmp_path / "r"
    trained = bottlebank("train", untidy, "-o", head, *options, "--json").json
    evaluate = ["evaluate", untidy, "--head", head, "--cache", cache, "--split", "all"]
    answer = bottlebank(*evaluate, "--json", "--report", report).json
    check_pairs(answer, untidy)
    assert json.loads((report / "evaluation.json").read_text()) == answer
    by_side = [pair for side in trained["near_duplicates"].values() for pair in side["pairs"]]
    key = lambda pair: (pair["path"], pair["of"])  # noqa: E731 (one expression)
    assert sorted(answer["near_duplicates"], key=key) == sorted(by_side, key=key)

    mistakes = answer["mistakes"]
    wrong = sum(sum(row) for row in answer["confusion_matrix"]) - sum(
        row[number] for number, row in enumerate(answer["confusion_matrix"])
    )
    assert len(mistakes) == wrong >= 1  # one of the two labels is wrong
    sure = [mistake["probability"] for mistake in mistakes]
    assert sure == sorted(sure, reverse=True)
    for mistake in mistakes:
        assert mistake["label"] != mistake["predicted"]
        assert os.path.basename(os.path.dirname(mistake["path"])) == mistake["label"]

    page = (report / "report.html").read_text().replace("<wbr>", "")
    for heading in ("Contradictory labels", "Near-duplicates in two splits", "Rejected images"):
        assert f">{heading}</h2>" in page
    assert "wrong &lt;b&gt;.png" in page
    assert "wrong <b>" not in page
    listed = [answer["near_duplicates"][0], mistakes[0], answer["rejections"][0]]
    for found in listed:
        place = os.path.relpath(found["path"], untidy)  # as they stand under the title
        assert f"<bdi>{place.replace('<', '&lt;').replace('>', '&gt;')}</bdi>" in page
    words = bottlebank(*evaluate).out
    assert "1 contradiction (one image under two labels or in two splits):" in words
    assert f"{len(by_side)} near-duplicates in two splits:" in words


def test_a_tidy_dataset_has_no_such_sections(bottlebank, photos, head, cache, tmp_path):
    report = tmp_path / "r"
    done = bottlebank("evaluate", photos, "--head", head, "--cache", cache, "--report", report)
    assert done.code == 0
    page = (report / "report.html").read_text()
    assert "Contradictory" not in page
    assert "Rejected images" not in page
    assert "contradiction" not in done.out


@pytest.mark.parametrize("n", [1, MOST_IN_A_TABLE, MOST_IN_A_TABLE + 1, 5000])
def test_tables_are_bounded_and_say_so(n):
    place = {"label": "a", "split": "train", "of": "y\n", "of_label": "b", "of_split": "test"}
    pairs = [{"path": "x.png", **place, "equal": False, "left_out": True}] * n
    found = {
        "contradictions": pairs,
        "near_duplicates": [{**pair, "of": "z\n"} for pair in pairs],
        "rejections": [{"path": "x", "reason": "why"}] * n,
    }
    sections = list(problem_sections(found, "photos"))
    assert len(sections) == 3
    for section in sections:
        assert len(section.table.rows) == min(n, MOST_IN_A_TABLE)
        said = f"The first {MOST_IN_A_TABLE} of {n:,}; evaluation.json lists all." in section.text
        assert said == (n > MOST_IN_A_TABLE)
    assert sections[0].table.rows[0][3] == "y\\n"


def test_a_report_that_fails_leaves_its_folder_as_it_was(
    bottlebank, photos, head, cache, tmp_path, monkeypatch
):
    evaluate = ["evaluate", photos, "--head", head, "--cache", cache, "--report"]
    old = tmp_path / "old"
    assert bottlebank(*evaluate, old).code == 0
    before = {path.name: path.read_bytes() for path in old.iterdir()}

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bottlebank.reports.evaluation_sections.draw_reliability", fail)
    for folder in (tmp_path / "new", tmp_path / "deep" / "new", old):
        there = {path.name for path in tmp_path.iterdir()}
        assert bottlebank(*evaluate, folder).code != 0
        assert {path.name for path in tmp_path.iterdir()} == there
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before


def test_paths_on_the_page_begin_where_the_dataset_does(tmp_path):
    listed = tmp_path / "list.csv"
    listed.touch()
    for source in (tmp_path, listed):
        paths = [str(tmp_path / "a" / "b.png"), "/elsewhere/c.png", "relative.png"]
        found = [within(str(source), path) for path in paths]
        assert found == ["a/b.png", "/elsewhere/c.png", "relative.png"]

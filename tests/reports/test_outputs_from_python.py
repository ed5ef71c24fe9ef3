"""What is in the way of a file that is written from Python is left alone, and named."""

import os
import stat

import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.errors import BottlebankError, UsageError
from bottlebank.reports.image_heatmap import plot_image


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["report.html", "evaluation.json", "mistakes.png"])
def test_a_report_replaces_nothing_but_a_report(table, trained, tmp_path, name):
    folder = tmp_path / "mine"
    folder.mkdir()
    if name.endswith(".png"):
        Image.new("RGB", (9, 9)).save(folder / name)
    else:
        (folder / name).write_text('{"accuracy": 1}')
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=rf"mine/{name} exists and is not .*, so it is not overw"):
        bb.write_report(folder, trained, table)
    assert contents(tmp_path) == before


def test_a_report_replaces_a_report(table, trained, tmp_path):
    folder = tmp_path / "mine"
    assert bb.write_report(folder, trained, table) == bb.write_report(folder, trained, table)


@pytest.fixture
def writers(table, trained, cache):
    """What writes a file or a folder from Python, by the suffix that it wants."""
    settings = {"extractor": "random", "cache": cache}
    return {
        ".png": [
            lambda path: bb.plot(table, path),
            lambda path: plot_image(table.paths[0], path, **settings),
        ],
        ".h5": [lambda path: bb.save_head(trained, path)],
        "": [lambda path: bb.write_report(path, trained, table)],
    }


def test_what_is_in_the_way_is_left_alone_and_named(writers, tmp_path, monkeypatch):
    where = tmp_path / "where"
    where.mkdir()
    monkeypatch.chdir(where)
    for suffix, calls in writers.items():
        (where / f"file{suffix}").write_text("words")
        os.mkfifo(where / f"pipe{suffix}")
        (where / f"null{suffix}").symlink_to("/dev/null")
        if suffix:
            (where / f"folder{suffix}").mkdir()
        ways = [
            f"file{suffix}",
            f"pipe{suffix}",
            f"null{suffix}",
            *([f"folder{suffix}", "", ".", "/"] if suffix else []),
            f"file/x{suffix}",
            f"file/deep/x{suffix}",
            f"{'n' * 300}{suffix}",
            f"{'n' * 300}/x{suffix}",
            f"{'d/' * 3000}x{suffix}",
            f"\0{suffix}",
        ]
        (where / "file").write_text("words")
        before = sorted(where.rglob("*")), contents(where)
        for call in calls:
            for way in ways:
                with pytest.raises(BottlebankError) as why:
                    call(way)
                assert len(str(why.value).splitlines()) == 1, way
                assert (sorted(where.rglob("*")), contents(where)) == before, way
    assert stat.S_ISFIFO((where / "pipe.h5").stat().st_mode)


def test_a_cache_that_cannot_be_a_folder_is_named(photos, tmp_path):
    (tmp_path / "file").write_text("words")
    for cache in ("file", "file/x", "n" * 300, "d/" * 3000, "\0"):
        with pytest.raises(BottlebankError):
            bb.extract(photos, "random", cache=tmp_path / cache)

"""Commands take tar archives for DATA and for images."""

import json
import os
import subprocess
import time

import pytest


@pytest.fixture
def archive(photos, tmp_path):
    path = tmp_path / "photos.tar"
    subprocess.run(["tar", "-C", photos, "--sort=name", "-cf", path, "."], check=True)
    time.sleep(0.03)
    return path


def test_commands_on_an_archive(bottlebank, archive, photos, options, cache, tmp_path):
    done = bottlebank("extract", archive, *options, "--json")
    assert (done.code, done.json["extracted"], done.json["rejected"]) == (0, 60, 0)
    head, member = tmp_path / "head.h5", f"{archive}/disc/00.png"
    assert bottlebank("train", archive, "--output", head, *options).code == 0

    arguments = ["--head", head, "--cache", cache, "--json"]
    answers = {}
    for given in (archive, member, photos, photos / "disc" / "00.png"):
        done = bottlebank("predict", given, *arguments)
        assert done.code == 0
        found = [json.loads(line) for line in done.out.splitlines()]
        answers[str(given)] = [(each["path"], each["predictions"]) for each in found]
    assert [said for _, said in answers[str(archive)]] == [said for _, said in answers[str(photos)]]
    assert answers[str(archive)][20][0] == member
    file = str(photos / "disc" / "00.png")
    assert answers[member] == [(member, answers[file][0][1])]

    done = bottlebank("similar", member, "--data", archive, *options, "--json")
    assert done.code == 0
    assert all(each["path"].startswith(f"{archive}/") for each in done.json["nearest"])
    explorer = tmp_path / "map.html"
    assert bottlebank("plot", archive, "--output", explorer, *options).code == 0
    assert "UklGR" in explorer.read_text()  # the beginning of WebP, in base 64
    assert bottlebank("audit", archive, "--report", tmp_path / "audit", *options).code in (0, 1)
    assert bottlebank("evaluate", archive, *arguments[:4]).code == 0


def test_an_archive_cut_off(bottlebank, archive, options):
    os.truncate(archive, archive.stat().st_size // 2)
    done = bottlebank("extract", archive, *options, "--json")
    assert (done.code, done.json["rejected"]) == (0, 1)
    [rejection] = done.json["rejections"]
    assert rejection["path"] == str(archive)
    assert "too early: copy or download it again" in rejection["reason"]
    assert bottlebank("extract", archive, *options, "--strict").code == 1


def test_what_is_no_archive(bottlebank, photos, options, tmp_path):
    (tmp_path / "list.tar").write_text("photos/disc/00.png\n")
    done = bottlebank("extract", tmp_path / "list.tar", *options)
    assert (done.code, done.out) == (2, "")
    assert "it is no tar archive" in done.err

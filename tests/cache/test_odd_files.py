"""Something else in the place of a cache's file: every command names it, and does the rest."""

import json
import os
import shutil
import socket

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key
from bottlebank.cli import main
from bottlebank.features import ExtractorSpec, recipe_for

N_ROWS = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cache of three shards, and the images of their rows."""
    base = tmp_path_factory.mktemp("made")
    recipe, _ = recipe_for(ExtractorSpec("random"))
    with CacheFolder(base / "cache", create=True) as folder:
        cache = folder.open(recipe.fingerprint, "float32")
        with cache.writer(recipe.as_dict(), commit_every_rows=3) as writer:
            for number in range(N_ROWS):
                (base / f"{number}.jpg").touch()
                values = np.full(recipe.width, number, "f4")
                writer.add(Key(bytes([number]) * 32), os.fsencode(base / f"{number}.jpg"), values)
    return base / "cache"


def bound(path):
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


KINDS = {
    "a folder": os.mkdir,
    "a pipe": os.mkfifo,
    "a socket": bound,
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}


def run(capsys, *arguments):
    code = main(["cache", *map(str, arguments)])
    told = capsys.readouterr()
    assert "unexpected" not in told.err, told.err
    return code, told.out, told.err


@pytest.mark.parametrize("is_indexed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_in_place_of_a_shard(made, tmp_path, capsys, caplog, kind, is_indexed):
    root = tmp_path / "cache"
    shutil.copytree(made, root)
    if not is_indexed:
        (root / "index.sqlite").unlink()
    shard = sorted(root.glob("*/*/*.h5"))[1]
    shard.unlink()
    KINDS[kind](shard)
    code, out, _ = run(capsys, "info", "--cache", root)
    assert (code, "9 rows" in out) == (0, is_indexed)
    code, _, err = run(capsys, "export", tmp_path / "rows.h5", "--cache", root)
    assert code == 0
    assert shard.name in err + caplog.text
    code, out, _ = run(capsys, "verify", "--cache", root)
    assert code == 1
    assert f"{shard} is damaged" in out
    assert "3 shards checked, 1 damaged" in out
    code, out, _ = run(capsys, "info", "--json", "--cache", root)
    (entry,) = json.loads(out)["recipes"]
    assert (entry["rows"], entry["damaged"]) == (6, [shard.name])
    code, _, _ = run(capsys, "prune", "--yes", "--cache", root)
    assert code == 0
    # A disk that is away, or a folder of somebody else's, is no reason to remove anything.
    is_kept = kind in ("a folder", "a link to nothing", "a link to itself")
    assert os.path.lexists(shard) == is_kept
    with CacheFolder(root) as folder:
        (cache,) = folder.all()
        rows = cache.rows(cache.keys())
    assert rows[:, 0].tolist() == [0, 1, 2, 6, 7, 8]


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to itself"])
@pytest.mark.parametrize("name", ["recipe.json", "float32/LOCK"])
def test_in_place_of_another_file(made, tmp_path, capsys, kind, name):
    root = tmp_path / "cache"
    shutil.copytree(made, root)
    (path,) = root.glob(f"*/{name}")
    path.unlink()
    KINDS[kind](path)
    code, out, _ = run(capsys, "info", "--cache", root)
    assert (code, "9 rows" in out) == (0, True)
    assert run(capsys, "verify", "--cache", root)[0] == 0
    run(capsys, "prune", "--yes", "--cache", root)
    with CacheFolder(root) as folder:
        assert len(next(folder.all())) == N_ROWS


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to itself"])
def test_in_place_of_the_index(made, tmp_path, capsys, kind):
    root = tmp_path / "cache"
    shutil.copytree(made, root)
    (root / "index.sqlite").unlink()
    KINDS[kind](root / "index.sqlite")
    for command in (["info"], ["verify"], ["prune", "--yes"]):
        assert run(capsys, *command, "--cache", root)[0] == 0
    with CacheFolder(root) as folder:
        assert len(next(folder.all())) == N_ROWS

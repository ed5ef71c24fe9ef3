"""Whatever lies in a cache in place of its files: commands and the app end in one line, soon."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from bottlebank.service import Settings, create_app
from bottlebank.service.app import SERVICE


def instead(make):
    """Something else in the place of a file."""

    def harm(path):
        path.unlink()
        make(path)

    return harm


def sparse(path):
    with path.open("r+b") as file:
        file.truncate(1 << 36)


def objects(path):
    with path.open("wb") as file:
        np.save(file, np.array([{}], object), allow_pickle=True)


EMPTY, PIPE = (lambda path: path.write_bytes(b"")), instead(os.mkfifo)
HARMS = {
    "empty parity": ("*/parity-*.npz", EMPTY),
    "parity of objects": ("*/parity-*.npz", objects),
    "huge training rows": ("*/training-*.npz", sparse),
    "training rows from a pipe": ("*/training-*.npz", PIPE),
    "escapes in the recipe": (
        "*/recipe.json",
        lambda path: path.write_text('{"extractor": "\\u001b[31m\\n", "width": "x"}'),
    ),
    "a recipe from a device": ("*/recipe.json", instead(lambda path: path.symlink_to("/dev/zero"))),
    "a recipe from a pipe": ("*/recipe.json", PIPE),
    "a pipe for a shard": ("*/float32/*.h5", PIPE),
    "a folder for a shard": ("*/float32/*.h5", instead(lambda path: path.mkdir())),
    "a cut shard": (
        "*/float32/*.h5",
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    ),
    "a pipe for the lock": ("*/float32/LOCK", PIPE),
    "an index of garbage": ("index.sqlite", lambda path: path.write_bytes(b"\xff" * 9000)),
    "a folder for the index": ("index.sqlite", instead(lambda path: path.mkdir())),
}


@pytest.mark.filterwarnings("ignore:the converted network")
def test_damaged_files_beside_shards(bottlebank, photos, options, head, cache, tmp_path):
    image = photos / "disc" / "00.png"
    damaged, more = tmp_path / "damaged", tmp_path / "more"
    shutil.copytree(photos, more)
    Image.new("RGB", (20, 20), "orange").save(more / "disc" / "new.png")
    for name, (pattern, harm) in HARMS.items():
        shutil.copytree(cache, damaged)
        [path] = damaged.glob(pattern)
        harm(path)
        for arguments in (
            ["cache", "info"],
            ["cache", "verify"],
            ["evaluate", photos, "--head", head],
            ["predict", image, "--head", head],
        ):
            done = bottlebank(*arguments, "--cache", damaged)
            said = f"{name}: {arguments[0]}: {done}"
            assert done.code in (0, 1), said
            assert "unexpected" not in done.err and "\x1b" not in done.out + done.err, said
        app = create_app(Settings(head=str(head), cache=str(damaged)))
        try:
            client = app.test_client()
            for route in ("/predict", "/predict?evidence=3", "/similar"):
                answer = client.post(route, data=image.read_bytes(), content_type="image/png")
                assert answer.status_code < 500, f"{name}: {route}: {answer.text}"
        finally:
            app.extensions[SERVICE].close()
        # What is damaged is made anew, or the error says what is in the way.
        data = more if pattern in ("*/recipe.json", "*/float32/LOCK") else photos
        done = bottlebank("extract", data, *options[:-1], damaged)
        assert done.code in (0, 1) and "unexpected" not in done.err, f"{name}: {done}"
        shutil.rmtree(damaged)


def test_a_link_for_the_lock_empties_no_other_file(bottlebank, photos, options, head, cache):
    [lock] = cache.glob("*/float32/LOCK")
    lock.unlink()
    lock.symlink_to(head)
    before = head.read_bytes()
    Image.new("RGB", (20, 20), "orange").save(photos / "disc" / "new.png")
    done = bottlebank("extract", photos, *options)
    assert done.code == 1
    assert "LOCK cannot be written" in done.err
    assert head.read_bytes() == before

"""Files to pixels: in order, each once, and only what the caller says is new."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import content_of_bytes
from bottlebank.extraction import worker
from bottlebank.extraction.stage_timing import Waiting
from bottlebank.extraction.worker import HashedFile, ImageFile, UnreadableFile, Workers, size_of
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.images.decoder import MAX_PIXELS

N_IMAGES = 30


@pytest.fixture
def files(tmp_path):
    """Images, of which one is torn and one is not there."""
    found = []
    for number in range(N_IMAGES):
        path = tmp_path / f"{number:02d}.png"
        Image.new("RGB", (9, 9), (number, 0, 0)).save(path)
        found.append(ImageFile(number, str(path), size_of(str(path))))
    (tmp_path / "05.png").write_bytes(b"torn")
    (tmp_path / "07.png").unlink()
    return found


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.setattr(worker, "available_cores", lambda: 1)  # one process starts sooner
    recipe, _ = recipe_for(ExtractorSpec("random"))
    with Workers(recipe, MAX_PIXELS, Waiting()) as started:
        yield started


def test_pixels_of_what_is_new_come_in_order(workers, files):
    asked = []

    def are_new(group):
        assert threading.current_thread() is threading.main_thread()
        asked.extend(group)
        return [file.position % 3 != 0 for file in group]

    found = list(workers.pixels(iter(files), are_new))
    assert [file.position for file in asked] == list(range(N_IMAGES))
    assert [type(file) for file in asked if file.position in (6, 7)] == [HashedFile, UnreadableFile]
    assert asked[7].reason == "cannot be read: No such file or directory"

    new = [number for number in range(N_IMAGES) if number % 3 and number not in (5, 7)]
    contents = [content_of_bytes(Path(files[number].path).read_bytes()) for number in new]
    assert [key.content for group in found for key in group.keys] == contents
    assert [path.decode() for group in found for path in group.paths] == [
        files[number].path for number in new
    ]
    pixels = np.concatenate([group.pixels for group in found])
    assert pixels.dtype == np.uint8
    assert pixels[:, 0, 0, 0].tolist() == new
    (rejection,) = [rejection for group in found for rejection in group.rejections]
    assert rejection.content == content_of_bytes(b"torn")
    assert rejection.path.decode() == files[5].path


def test_nothing_starts_while_nothing_is_new(workers, files, monkeypatch):
    monkeypatch.setattr(worker.DecoderPool, "decode", None)  # would fail
    assert list(workers.pixels(iter(files), lambda group: [False] * len(group))) == []


def test_files_are_drawn_a_bounded_number_ahead(workers, files):
    drawn, most = [], 0

    def draw():
        for file in files * 20:
            drawn.append(file)
            yield file

    n_asked = 0

    def are_new(group):
        nonlocal n_asked, most
        n_asked += len(group)
        most = max(most, len(drawn) - n_asked)
        return [False] * len(group)

    assert list(workers.pixels(draw(), are_new)) == []
    assert n_asked == 20 * N_IMAGES
    assert most <= worker.GROUP_SIZE * worker._GROUPS_AHEAD

"""Files to pixels: in order, each once, only what is new, and whatever happens to a worker."""

import contextlib
import gc
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.cache import Key, content_of_bytes
from bottlebank.errors import EngineError, UsageError
from bottlebank.extraction import careful_worker as careful_module
from bottlebank.extraction import workers as workers_module
from bottlebank.extraction.image_files import HashedFile, ImageFile, UnreadableFile
from bottlebank.extraction.stage_timing import Waiting
from bottlebank.extraction.worker import N_BLOCKS
from bottlebank.extraction.workers import Workers
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.images.decoder import MAX_PIXELS
from bottlebank.features.images.decoding_shares import Allowed
from bottlebank.features.images.rejection import depends_on_machine, is_temporary
from bottlebank.features.images.views import decode_views

N_IMAGES = 30


@pytest.fixture
def files(tmp_path):
    """Images, of which one is torn and one is not there."""
    found = []
    for number in range(N_IMAGES):
        path = tmp_path / f"{number:02d}.png"
        Image.new("RGB", (9, 9), (number, 0, 0)).save(path)
        found.append(ImageFile(number, str(path), path.stat().st_size))
    (tmp_path / "05.png").write_bytes(b"torn")
    (tmp_path / "07.png").unlink()
    return found


@pytest.fixture
def start():
    """Workers, by default one, which starts sooner."""
    begun = []

    def make(n_workers=1, memory_bytes=None, most_views=1):
        recipe, _ = recipe_for(ExtractorSpec("random"))
        allowed = Allowed(n_workers, memory_bytes)
        workers = Workers(recipe, MAX_PIXELS, Waiting(), allowed, most_views)
        begun.append(workers.__enter__())
        return workers

    yield make
    for workers in begun:
        workers.__exit__()


def all_are_new(group):
    return [(0,)] * len(group)


def nothing_is_known(content):
    return False


def pixels_of(workers, files, are_new=all_are_new, is_known=nothing_is_known):
    return workers.pixels(iter(files), len(files), is_known, are_new, workers.start)


def numbers_of(groups):
    """The number that each image shows, of pixels that are held only while they are looked at."""
    return [number for group in groups for number in group.pixels[:, 0, 0, 0].tolist()]


GOOD = [number for number in range(N_IMAGES) if number not in (5, 7)]


@pytest.mark.parametrize("n_workers", [1, 3])
def test_pixels_of_what_is_new_come_in_order(start, files, n_workers):
    asked = []

    def are_new(group):
        assert threading.current_thread() is threading.main_thread()
        asked.extend(group)
        return [(0,) if file.position % 3 else () for file in group]

    found = list(pixels_of(start(n_workers), files, are_new))
    assert [file.position for file in asked] == list(range(N_IMAGES))
    assert [type(file) for file in asked if file.position in (6, 7)] == [HashedFile, UnreadableFile]
    assert asked[7].reason == "cannot be read: No such file or directory"
    assert asked[6].stamp.size == files[6].n_bytes

    new = [number for number in GOOD if number % 3]
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


@pytest.mark.parametrize("kill", [False, True])
def test_views_come_with_their_images_whatever_happens_to_a_worker(start, files, kill):
    """Of each image those that are missing; in one that dies, all are looked at one by one."""
    missing = {0: (0, 1, 2, 3), 1: (2,), 2: ()}
    workers = start(most_views=4)

    def new_views(group):
        if kill and group[0].position == 0:
            os.kill(workers._workers[0]._process.pid, signal.SIGKILL)
        return [missing[file.position % 3] for file in group]

    found = list(pixels_of(workers, files, new_views))
    preprocessing = recipe_for(ExtractorSpec("random"))[0].preprocessing
    expected = {}
    for number in GOOD:
        data = Path(files[number].path).read_bytes()
        views = missing[number % 3]
        seen, _ = decode_views(data, preprocessing, views)
        keys = [Key(content_of_bytes(data), view) for view in views]
        expected |= dict(zip(keys, seen, strict=True))
    assert [key for group in found for key in group.keys] == [*expected]
    for group in found:
        assert len(group.keys) == len(group.paths) == len(group.brightest) == len(group.pixels)
        for key, pixels in zip(group.keys, group.pixels, strict=True):
            np.testing.assert_array_equal(pixels, expected[key])


def test_groups_with_views_take_no_more_memory(start):
    few, many, most = start(), start(most_views=100), start(most_views=10_000)
    assert few._largest_group == 32
    image_bytes = recipe_for(ExtractorSpec("random"))[0].input_size_px ** 2 * 3
    assert 1 < many._largest_group == workers_module._BLOCK_BYTES // (100 * image_bytes) < 32
    assert most._largest_group == 1


def test_nothing_starts_while_nothing_is_new(start, files, monkeypatch):
    monkeypatch.setattr(workers_module.Worker, "start", None)  # would fail
    asked = []

    def are_new(group):
        asked.extend(file.position for file in group)
        return [()] * len(group)

    assert list(pixels_of(start(), files, are_new, lambda content: True)) == []
    assert asked == list(range(N_IMAGES))


def test_files_are_drawn_a_bounded_number_ahead(start, files):
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
        return [()] * len(group)

    workers = start()
    assert list(workers.pixels(draw(), 600, nothing_is_known, are_new, workers.start)) == []
    assert n_asked == 20 * N_IMAGES
    assert most <= workers._largest_group * workers_module._IN_HAND


def test_memory_is_used_again_only_when_nobody_holds_it(start, tmp_path, monkeypatch):
    """More groups than there are blocks, held for a while by threads, as the network does."""
    monkeypatch.setattr(workers_module, "_GROUP_SIZE", 5)
    files = []
    for number in range(0, 200):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
        files.append(ImageFile(number, str(path), 0))
    found, threads = [], []

    def hold(part):
        time.sleep(random.uniform(0, 0.05))
        found.extend(part[:, 0, 0, 0].tolist())

    n_groups = 0
    for group in pixels_of(start(2), files):
        n_groups += 1
        for at in range(0, len(group.pixels), 2):
            threads.append(threading.Thread(target=hold, args=(group.pixels[at : at + 2],)))
            threads[-1].start()
        del group
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(200))
    assert n_groups > 2 * N_BLOCKS


def test_what_was_known_a_moment_ago_is_decoded_where_it_is_new(start, files):
    """Between the two questions a row may have gone."""
    groups = pixels_of(start(), files, is_known=lambda content: True)
    assert sorted(numbers_of(groups)) == GOOD


@pytest.mark.parametrize("letter", ["a", "é", "🦊", "\udcff"])
def test_a_worker_that_reads_no_commands_stops_nobody(start, tmp_path, monkeypatch, letter):
    """Paths as long as they can be, many of them, and a worker that does not even begin."""
    monkeypatch.setattr(workers_module, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(workers_module, "_LOOKED_AFTER_S", 0.05)
    name = letter * (240 // len(os.fsencode(letter)))
    folder = tmp_path.joinpath(*[name] * 14)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"this file system takes no such name: {error}")
    files = []
    for number in range(120):
        path = folder / f"{number}.png"
        Image.new("RGB", (8, 8), (number, 0, 0)).save(os.fsencode(path))
        files.append(ImageFile(number, str(path), 0))
    workers = start()
    workers.start()
    os.kill(workers._workers[0]._process.pid, signal.SIGSTOP)
    assert sorted(numbers_of(pixels_of(workers, files))) == list(range(120))


def test_a_picture_that_is_decoded_beside_the_workers_is_not_waited_for(start, files, monkeypatch):
    """The worker dies, and the process that looks at its images one by one hangs."""
    begun = threading.Event()
    real = careful_module.DecoderPool.decode

    def decode(pool, files, **views):
        pool.start()
        os.kill(pool._decoders[0]._process.pid, signal.SIGSTOP)
        begun.set()
        return real(pool, files, **views)

    monkeypatch.setattr(careful_module.DecoderPool, "decode", decode)
    workers = start()
    groups = pixels_of(workers, files)

    def kill():
        os.kill(workers._workers[0]._process.pid, signal.SIGKILL)
        begun.wait(60)
        signal.raise_signal(signal.SIGINT)

    workers.start()
    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(groups)
    before = time.monotonic()
    workers.__exit__()
    assert time.monotonic() - before < 20  # it would be 100 s
    thread.join()
    workers.__enter__()  # which is left once more


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_costs_nothing(start, files, monkeypatch, with_signal):
    monkeypatch.setattr(workers_module, "_LOOKED_AFTER_S", 0.05)
    workers = start(2)
    found = []
    killed = 0
    for number, group in enumerate(pixels_of(workers, files)):
        found += group.pixels[:, 0, 0, 0].tolist()
        if number in (1, 4):
            running = [worker for worker in workers._workers if worker.is_running]
            for worker in running[:1]:  # one that starts slowly is given up, too, after the first
                os.kill(worker._process.pid, with_signal)
                killed += 1
            monkeypatch.setattr(workers_module, "_PATIENCE_S", 0.5)
    assert killed
    assert found == GOOD


def test_an_image_that_changes_while_its_worker_dies_has_no_row(start, files, monkeypatch):
    """Its content was told before: other bytes must not come under that name."""
    workers = start()
    changed = []

    def are_new(group):
        if not changed:
            changed.append(group[0].position)
            Image.new("RGB", (9, 9), (200, 0, 0)).save(files[group[0].position].path)
            os.kill(workers._workers[0]._process.pid, signal.SIGKILL)
        return all_are_new(group)

    found = list(pixels_of(workers, files, are_new))
    assert [n for n in numbers_of(found) if n != 200] == [n for n in GOOD if n not in changed]
    assert 200 not in numbers_of(found)
    reasons = [rejection.reason for group in found for rejection in group.rejections]
    assert "it changed while it was read" in reasons


def test_a_mistake_in_a_worker_is_raised(start, files, monkeypatch):
    workers = start()
    monkeypatch.setattr(
        workers._workers[0], "read", lambda group: workers._workers[0]._ask(group, "no such", 1)
    )
    with pytest.raises(EngineError, match="a mistake in bottlebank"):
        list(pixels_of(workers, files))


@pytest.mark.slow
def test_two_hundred_faults_at_any_moment_lose_nothing(start, tmp_path, monkeypatch):
    """Workers are killed and stopped while they read, decode and wait, and replaced."""
    monkeypatch.setattr(workers_module, "_PATIENCE_S", 1.0)
    monkeypatch.setattr(workers_module, "_LOOKED_AFTER_S", 0.1)
    chance = random.Random(4)
    files = []
    for number in range(6000):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (120, 90), (number % 200, number // 200, 0)).save(path)
        files.append(ImageFile(number, str(path), path.stat().st_size))
    workers = start(3)
    n_faults, is_over = 0, threading.Event()

    def harm():
        nonlocal n_faults
        while n_faults < 200 and not is_over.wait(chance.expovariate(8)):
            process = chance.choice(workers._workers)._process
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(
                        process.pid, chance.choices([signal.SIGKILL, signal.SIGSTOP], [9, 1])[0]
                    )
                    n_faults += 1

    harming = threading.Thread(target=harm)
    harming.start()
    found = []
    try:
        while n_faults < 200:
            found.clear()
            for group in pixels_of(workers, files):
                assert not group.rejections
                red, green = group.pixels[:, 5, 5, 0].tolist(), group.pixels[:, 5, 5, 1].tolist()
                found += [r + 200 * g for r, g in zip(red, green, strict=True)]
            assert found == list(range(6000))
    finally:
        is_over.set()
        harming.join()
    assert n_faults == 200


def n_open():
    return len(os.listdir("/dev/fd"))


def test_nothing_is_left_open(photos, cache):
    settings = {"cache": cache, "engine": "openvino", "precision": "float32", "progress": False}
    bb.extract(photos, "random", **settings)
    gc.collect()  # what other tests have left in circles is none of ours
    before = n_open()
    for number in range(3):
        bb.extract(photos, "random", **settings)  # nothing is missing
        new = photos / "disc" / f"new {number}.png"
        new.write_bytes((photos / "disc" / "00.png").read_bytes() + bytes([number]))
        bb.extract(photos, "random", **settings)
    assert n_open() == before


needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits RLIMIT_DATA")
LEAST_MEMORY = 500 << 20
"""Of one worker."""


@pytest.fixture(scope="module")
def large_picture(tmp_path_factory):
    """60 megapixels, which take 180 MB."""
    path = tmp_path_factory.mktemp("large") / "60-megapixels.png"
    Image.new("RGB", (10_000, 6000), (200, 0, 0)).save(path)
    return path


def with_one_in_the_middle(files, path):
    """Good images, and another one among them."""
    chosen = [files[number].path for number in GOOD]
    chosen.insert(3, str(path))
    return [
        ImageFile(number, path, Path(path).stat().st_size) for number, path in enumerate(chosen)
    ]


@needs_limits
def test_a_picture_that_is_too_large_for_a_worker_is_decoded_beside_it(
    start, files, large_picture, monkeypatch
):
    workers, asked = start(memory_bytes=1 << 30), []
    careful = workers._careful
    read = careful.read
    monkeypatch.setattr(careful, "read", lambda group: (asked.append(group), read(group)))
    found = list(pixels_of(workers, with_one_in_the_middle(files, large_picture)))
    assert numbers_of(found) == [*GOOD[:3], 200, *GOOD[3:]]
    assert not any(group.rejections for group in found)
    assert [len(group.files) for group in asked] == [7]


@needs_limits
def test_a_picture_that_is_too_large_for_the_memory_is_rejected(start, files, large_picture):
    workers = start(memory_bytes=LEAST_MEMORY)
    found = list(pixels_of(workers, with_one_in_the_middle(files, large_picture)))
    assert numbers_of(found) == GOOD
    (rejection,) = [rejection for group in found for rejection in group.rejections]
    assert rejection.path.decode() == str(large_picture)
    assert rejection.reason == "too little memory to decode it; --memory raises the limit"
    assert is_temporary(rejection.reason)
    assert not depends_on_machine(rejection.reason)


@needs_limits
@pytest.mark.parametrize("is_first", [False, True])
def test_a_file_that_is_too_large_for_a_worker_is_read_beside_it(start, files, tmp_path, is_first):
    path = tmp_path / "150-mebibytes.png"
    with path.open("wb") as file:
        file.truncate(150 << 20)
    chosen = with_one_in_the_middle(files, path)
    if is_first:
        chosen.insert(0, chosen.pop(3))
    found = list(pixels_of(start(memory_bytes=2 << 30), chosen))
    assert numbers_of(found) == GOOD
    (rejection,) = [rejection for group in found for rejection in group.rejections]
    assert rejection.path.decode() == str(path)
    assert "not an image" in rejection.reason


@pytest.mark.parametrize("is_first", [False, True])
def test_a_file_that_is_too_large_for_the_memory_is_not_read(start, files, tmp_path, is_first):
    path = tmp_path / "500-mebibytes.png"
    with path.open("wb") as file:
        file.truncate(500 << 20)
    chosen = with_one_in_the_middle(files, path)
    if is_first:
        chosen.insert(0, chosen.pop(3))
    asked = []

    def are_new(group):
        asked.extend(group)
        return all_are_new(group)

    assert numbers_of(pixels_of(start(memory_bytes=LEAST_MEMORY), chosen, are_new)) == GOOD
    (unreadable,) = [file for file in asked if isinstance(file, UnreadableFile)]
    assert unreadable.reason == "too little memory to decode it; --memory raises the limit"


@needs_limits
def test_a_file_that_is_too_large_for_the_memory_can_be_read_by_a_worker_first(
    start, files, tmp_path
):
    path = tmp_path / "60-mebibytes.bmp"  # and a worker cannot decode it
    Image.new("RGB", (5300, 4000), (200, 0, 0)).save(path)
    found = list(pixels_of(start(memory_bytes=LEAST_MEMORY), with_one_in_the_middle(files, path)))
    assert numbers_of(found) == GOOD
    (rejection,) = [rejection for group in found for rejection in group.rejections]
    assert rejection.reason == "too little memory to decode it; --memory raises the limit"


def test_memory_that_does_not_suffice_is_refused_before_anything_starts(start):
    with pytest.raises(
        UsageError, match="memory is 10 MiB; expected at least .*: the least for 1 worker"
    ):
        start(memory_bytes=10 << 20)

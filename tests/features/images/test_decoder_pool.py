"""Decoding in other processes: a decoder that dies costs the image that killed it, and no other."""

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

import numpy as np
import pytest
from PIL import Image

from bottlebank.errors import EngineError, ImageRejectedError
from bottlebank.features.images import decoder_pool as decoders_module
from bottlebank.features.images import decoder_process as decoding
from bottlebank.features.images.decoder import Kind, Limits
from bottlebank.features.images.decoder_pool import DecoderPool
from bottlebank.features.images.fit import Preprocessing, decode_and_resize
from bottlebank.features.images.rejection import depends_on_machine

SIZE_PX = (40, 50)


def resized(data, *how):
    return decode_and_resize(data, Preprocessing(*how)).pixels


def png(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def decoders():
    with DecoderPool(Preprocessing(SIZE_PX, "crop"), 2) as running:
        yield running


def decode(decoders: DecoderPool, data: bytes) -> np.ndarray:
    """Decode one image, as `load` does."""
    (reason,), pixels, _ = decoders.decode([data])
    if reason:
        raise ImageRejectedError(reason)
    return pixels[0]


def running_processes(decoders: DecoderPool) -> list[subprocess.Popen]:
    return [one._process for one in decoders._decoders if one._process is not None]


def test_pixels_are_those_of_the_decoder_in_this_process(decoders):
    files = [png(number) for number in range(30)]
    with ThreadPoolExecutor(5) as pool:
        for data, pixels in zip(
            files, pool.map(lambda data: decode(decoders, data), files), strict=True
        ):
            assert pixels.shape == (*SIZE_PX, 3)
            assert np.array_equal(pixels, resized(data, SIZE_PX, "crop"))
    assert len(running_processes(decoders)) == 2


def test_reasons_come_back_in_the_same_words(decoders):
    for data in (b"", b"hello, I am a letter", png(0)[:-30]):
        with pytest.raises(ImageRejectedError) as here:
            resized(data, SIZE_PX)
        with pytest.raises(ImageRejectedError) as there:
            decode(decoders, data)
        assert str(here.value) == str(there.value)


def test_formats_and_limits_are_kept_in_the_processes():
    with DecoderPool(
        Preprocessing(SIZE_PX, "crop"), 1, formats=["JPEG"], limits=Limits(pixels=4000)
    ) as decoders:
        with pytest.raises(ImageRejectedError, match=r"read here \(JPEG\)"):
            decode(decoders, png(0))
        jpeg = io.BytesIO()
        Image.new("RGB", (70, 60)).save(jpeg, "JPEG")
        with pytest.raises(ImageRejectedError, match="70×60 pixels, more than the 4,000"):
            decode(decoders, jpeg.getvalue())


def test_whoever_finds_no_process_free_in_time_is_told(deadly):
    with (
        DecoderPool(Preprocessing(SIZE_PX, "crop"), 1, 3) as decoders,
        ThreadPoolExecutor(1) as pool,
    ):
        busy = pool.submit(decoders.decode, [b"for ever"])
        while not decoders._idle.empty():
            time.sleep(0.01)
        with pytest.raises(TimeoutError):
            decoders.decode([png(0)], timeout_s=0.05)
        assert "took more than 3 s" in busy.result().reasons[0]


def test_processes_start_when_they_are_needed_and_end_with_the_block():
    with DecoderPool(Preprocessing(SIZE_PX, "squash"), 8) as decoders:
        assert running_processes(decoders) == []
        for number in range(3):
            decode(decoders, png(number))
        (process,) = running_processes(decoders)
    assert process.returncode == 0


# What the processes run before anything else: some files make the decoder die in this way.
DEADLY = """
import io, os, signal, time
import PIL.Image
real = PIL.Image.open
def open(file, *arguments, **settings):
    content = file.getvalue()
    if b"segfault" in content:
        import ctypes
        ctypes.string_at(0)
    if b"abort" in content:
        os.abort()
    if b"killed" in content:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"leave" in content:
        os._exit(1)
    if b"for ever" in content:
        while True:
            pass
    if b"asleep" in content:
        time.sleep(600)
    if b"once" in content and not os.path.exists(os.environ["DIED_ONCE"]):
        io.open(os.environ["DIED_ONCE"], "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if b"greedy" in content:
        bytearray(5 << 30)
    return real(file, *arguments, **settings)
PIL.Image.open = open
"""


@pytest.fixture
def deadly(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(DEADLY)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("DIED_ONCE", str(tmp_path / "died once"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"segfault", "it crashes the decoder: its process was killed by SIGSEGV"),
        (b"abort", "it crashes the decoder: its process was killed by SIGABRT"),
        (b"killed", r"SIGKILL\), most likely for want of memory"),
        (b"leave", "it crashes the decoder: its process ended with exit code 1"),
    ],
)
def test_a_file_that_kills_its_decoder_is_rejected_and_the_others_are_not(
    deadly, decoders, content, reason
):
    with ThreadPoolExecutor(4) as pool:
        good = [pool.submit(decode, decoders, png(number)) for number in range(12)]
        bad = pool.submit(decode, decoders, content)
        good += [pool.submit(decode, decoders, png(number)) for number in range(12)]
        with pytest.raises(ImageRejectedError, match=reason) as why:
            bad.result()
        assert depends_on_machine(str(why.value))
        for number, future in enumerate(good):
            assert np.array_equal(future.result(), resized(png(number % 12), SIZE_PX, "crop"))


def test_in_a_group_each_image_has_its_own_fate(deadly, decoders):
    files = [png(0), b"segfault", png(1), b"", b"for ever", png(2), b"abort", png(3)]
    with DecoderPool(Preprocessing(SIZE_PX, "crop"), 1, max_decode_s=0.5) as one:
        reasons, pixels, kinds = one.decode(files)
    assert [bool(reason) for reason in reasons] == [
        False,
        True,
        False,
        True,
        True,
        False,
        True,
        False,
    ]
    assert "SIGSEGV" in reasons[1] and "SIGABRT" in reasons[6]
    assert "empty" in reasons[3] and "took more than 0.5 s" in reasons[4]
    expected = [resized(png(number), SIZE_PX, "crop") for number in range(4)]
    assert np.array_equal(pixels, expected)
    assert kinds == [None if reason else Kind("PNG", "RGB") for reason in reasons]
    reasons, pixels, kinds = decoders.decode([b"", b"abort"])
    assert all(reasons) and kinds == [None, None]
    assert pixels.shape == (0, *SIZE_PX, 3)


def test_a_group_may_be_of_more_images_than_a_byte_counts(deadly):
    files = [b""] * 600
    files[0] = files[300] = png(0)
    files[290] = b"segfault"
    with DecoderPool(Preprocessing(SIZE_PX, "crop"), 1) as one:
        reasons, pixels, _ = one.decode(files)
    rejected = dict(enumerate(reasons))
    assert (rejected.pop(0), rejected.pop(300), len(pixels)) == ("", "", 2)
    assert "SIGSEGV" in rejected.pop(290)
    assert all("empty" in reason for reason in rejected.values())


def test_large_files_leave_no_memory_taken(decoders):
    noise = np.random.default_rng(0).integers(0, 256, (2400, 2400, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "BMP")
    large = buffer.getvalue()
    assert len(large) > 16 << 20
    for data in (large, png(1), large):
        assert np.array_equal(decode(decoders, data), resized(data, SIZE_PX, "crop"))
    sizes = [os.fstat(one._shared.fileno()).st_size for one in decoders._decoders if one._shared]
    assert sizes == [0]


def test_a_decoder_that_died_for_another_reason_is_asked_again(deadly, decoders):
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(buffer, "PNG")
    assert (decode(decoders, buffer.getvalue() + b"once")[0, 0] == (255, 0, 0)).all()


def test_a_file_that_takes_too_long_is_rejected(deadly):
    with DecoderPool(Preprocessing(SIZE_PX, "squash"), 1, max_decode_s=0.5) as decoders:
        decode(decoders, png(0))
        with pytest.raises(ImageRejectedError, match="took more than 0.5 s") as why:
            decode(decoders, b"for ever")
        assert depends_on_machine(str(why.value))
        decode(decoders, png(0))


def test_a_process_that_is_stopped_is_replaced(decoders, monkeypatch):
    """It takes no processor time, so that no limit on that ends it."""
    monkeypatch.setattr(decoders_module, "PATIENCE_S", 0.3)
    with DecoderPool(Preprocessing(SIZE_PX, "crop"), 1, max_decode_s=0.5) as one:
        decode(one, png(0))
        (process,) = running_processes(one)
        os.kill(process.pid, signal.SIGSTOP)
        assert np.array_equal(decode(one, png(1)), resized(png(1), SIZE_PX, "crop"))
        assert process.returncode == -signal.SIGKILL
        (process,) = running_processes(one)
        os.kill(process.pid, signal.SIGSTOP)
    assert process.returncode == -signal.SIGKILL


def test_a_file_at_which_its_decoder_waits_for_ever_is_rejected(deadly, monkeypatch):
    monkeypatch.setattr(decoders_module, "PATIENCE_S", 1)
    with (
        DecoderPool(Preprocessing(SIZE_PX, "crop"), 1, max_decode_s=0.5) as one,
        pytest.raises(ImageRejectedError, match="did not answer within 2.5 s and was ended"),
    ):
        decode(one, b"asleep")


def test_a_machine_on_which_nothing_decodes_is_not_blamed_on_the_images(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        DecoderPool(Preprocessing(SIZE_PX, "squash"), 1) as decoders,
        pytest.raises(EngineError, match="cannot be decoded on this machine: .* exit code 3"),
    ):
        decode(decoders, png(0))


def test_a_mistake_of_ours_is_no_fault_of_the_image():
    with (
        DecoderPool(Preprocessing(SIZE_PX, "stretch"), 1) as decoders,
        pytest.raises(EngineError, match=r"(?s)a mistake in bottlebank:\nTraceback.*'stretch'"),
    ):
        decode(decoders, png(0))


def test_a_file_that_takes_too_much_memory_is_rejected(deadly, decoders):
    with pytest.raises(ImageRejectedError, match="too little memory to decode it") as why:
        decode(decoders, b"greedy")
    assert depends_on_machine(str(why.value))


def test_too_little_memory_to_fit_an_image_costs_that_image():
    def starve(data, views):
        raise MemoryError

    with tempfile.TemporaryFile() as shared:
        answers = decoding._decode_all(shared.fileno(), [(3, [0])], starve, 5.0)
    assert answers == [("too little memory to decode it", None)]


def test_processes_end_when_their_parent_is_killed(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from bottlebank.features.images.decoder_pool import DecoderPool, _KNOWN_GOOD\n"
        "from bottlebank.features.images.fit import Preprocessing\n"
        "decoders = DecoderPool(Preprocessing((8, 8), 'squash'), 1)\n"
        "decoders.decode([_KNOWN_GOOD])\n"
        "print(decoders._decoders[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    child = int(done.stdout)
    deadline = time.monotonic() + 20
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path):
    """As `multiprocessing` would do when it spawns."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('once', flush=True)\n"
        "from bottlebank.features.images.decoder_pool import DecoderPool, _KNOWN_GOOD\n"
        "from bottlebank.features.images.fit import Preprocessing\n"
        "with DecoderPool(Preprocessing((8, 8), 'squash'), 2) as decoders:\n"
        "    print(decoders.decode([_KNOWN_GOOD]).pixels.shape)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("once\n(1, 8, 8, 3)\n", 0), done.stderr


def test_ctrl_c_is_for_the_parent(decoders):
    decode(decoders, png(0))
    (process,) = running_processes(decoders)
    assert os.getpgid(process.pid) != os.getpgid(0)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.2)
    assert np.array_equal(decode(decoders, png(1)), resized(png(1), SIZE_PX, "crop"))
    assert process.poll() is None


def test_an_answer_is_never_taken_for_that_to_another_question(decoders, monkeypatch):
    """Ctrl-C between question and answer; the next image must not get the pixels of that one."""
    decode(decoders, png(0))
    with monkeypatch.context() as patch:
        patch.setattr(Connection, "recv_bytes", interrupt)
        with pytest.raises(KeyboardInterrupt):
            decode(decoders, png(1))
    for number in (2, 3):
        assert np.array_equal(decode(decoders, png(number)), resized(png(number), SIZE_PX, "crop"))


def interrupt(*arguments):
    raise KeyboardInterrupt


def test_more_threads_than_processes_wait_for_their_turn(decoders):
    barrier = threading.Barrier(6)

    def ask(number: int) -> np.ndarray:
        barrier.wait()
        return decode(decoders, png(number))

    with ThreadPoolExecutor(6) as pool:
        for number, pixels in enumerate(pool.map(ask, range(6))):
            assert np.array_equal(pixels, resized(png(number), SIZE_PX, "crop"))


def test_without_files_in_memory_a_temporary_one_is_shared(monkeypatch, tmp_path):
    """As on macOS."""
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with DecoderPool(Preprocessing(SIZE_PX, "squash"), 1) as decoders:
        for number in range(2):
            assert np.array_equal(decode(decoders, png(number)), resized(png(number), SIZE_PX))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits RLIMIT_DATA")
@pytest.mark.parametrize("large_bytes", [0, 1 << 30])
def test_what_is_too_large_for_a_process_is_for_one_that_may_take_more(large_bytes):
    large, small = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (10_000, 6000), (200, 0, 0)).save(large, "PNG")  # 180 MB
    Image.new("RGB", (9, 9), (7, 0, 0)).save(small, "PNG")
    files = [small.getvalue(), large.getvalue(), b"torn", small.getvalue()]
    with DecoderPool(
        Preprocessing(SIZE_PX, "squash"), 1, memory_bytes=192 << 20, large_bytes=large_bytes
    ) as decoders:
        decoded = decoders.decode(files)
    torn = decoded.reasons.pop(2)
    assert torn.startswith("not an image")
    if large_bytes:
        assert decoded.reasons == ["", "", ""]
        assert decoded.pixels[:, 0, 0, 0].tolist() == [7, 200, 7]
    else:
        assert decoded.reasons == ["", "too little memory to decode it", ""]
        assert decoded.pixels[:, 0, 0, 0].tolist() == [7, 7]

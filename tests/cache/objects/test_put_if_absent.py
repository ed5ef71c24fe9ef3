"""One writer of a name wins, whatever happens on the way; stores that cannot say so are refused."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bottlebank.cache import CacheFolder
from bottlebank.cache.objects.address import address_of
from bottlebank.cache.objects.object_storage import open_objects
from bottlebank.errors import CacheError, CacheUnreachableError
from tests.cache.faults import PRINT, RECIPE, key, row

from .s3_server import BUCKET, StallingProxy, cutting, refused

MB = 1 << 20


def opened(url):
    return open_objects(address_of(url))


def read(storage, name):
    with storage.open(name) as file:
        return file.read()


def uploads(files):
    return files.call_s3("list_multipart_uploads", Bucket=BUCKET).get("Uploads", [])


@pytest.mark.parametrize(
    "n_bytes", [1, 5 * MB, pytest.param(60 * MB, marks=pytest.mark.slow)], ids=["1", "5M", "60M"]
)
def test_a_blob_of_any_size_is_put_once_and_comes_back(url, server, n_bytes):
    blob = os.urandom(n_bytes)
    storage = opened(url)
    storage.put("blob", [blob[:1], memoryview(blob)[1:]])
    with pytest.raises(FileExistsError, match="blob"):
        storage.put("blob", [b"x" * n_bytes])
    assert read(opened(url), "blob") == blob
    assert not any("uploads" in each["QUERY_STRING"] for each in server.asked("POST"))


@pytest.mark.slow
def test_a_blob_in_parts_is_put_once_and_comes_back(url, server, files):
    blob = os.urandom(200 * MB)
    storage = opened(url)
    storage.put("blob", [blob])
    completed = [each for each in server.asked("POST") if "uploadId" in each["QUERY_STRING"]]
    assert [each.get("HTTP_IF_NONE_MATCH") for each in completed] == ["*", "*"]  # a probe, and it
    with pytest.raises(FileExistsError, match="blob"):
        storage.put("blob", [blob[1:], b"x"])
    assert uploads(files) == []
    assert storage.list() == ["blob"]
    assert read(opened(url), "blob") == blob


def test_the_same_put_again_is_the_first(url):
    """As where the answer to a put is lost, and the client repeats it."""
    storage = opened(url)
    storage.put("blob", [b"one"])
    storage.put("blob", [b"o", b"ne"])
    assert read(storage, "blob") == b"one"


def test_an_answer_that_is_lost_is_no_failure(url, server):
    lost = []

    def lose(environment):
        if environment["REQUEST_METHOD"] == "PUT" and not lost:
            lost.append(b"".join(server._app(environment, lambda *ignored: None)))
            return "500 Internal Server Error", b""
        return None

    server.before = lose
    opened(url).put("blob", [b"one"])
    assert lost
    assert read(opened(url), "blob") == b"one"


def test_a_conflict_is_tried_again(url, server):
    answers = [refused("ConditionalRequestConflict", "409 Conflict")] * 2

    def conflict(environment):
        return answers.pop() if environment["REQUEST_METHOD"] == "PUT" and answers else None

    server.before = conflict
    opened(url).put("blob", [b"one"])
    assert answers == []
    assert read(opened(url), "blob") == b"one"


def test_no_blob_is_empty(url):
    with pytest.raises(ValueError, match="empty"):
        opened(url).put("blob", [b""])


@pytest.mark.slow
def test_of_two_writers_of_one_name_one_wins_50_times(url):
    storages = [opened(url), opened(url)]
    start = threading.Barrier(2)

    def put(number, name):
        blob = bytes([number]) * 100_000

        def parts():
            start.wait()
            yield blob

        try:
            storages[number].put(name, parts())
        except FileExistsError:
            return None
        return blob

    with ThreadPoolExecutor(2) as pool:
        for name in map(str, range(50)):
            done = [found for found in pool.map(put, range(2), [name] * 2) if found is not None]
            assert [read(storages[0], name)] == done
    assert sorted(storages[0].list(), key=int) == [*map(str, range(50))]


PUTTING = """
import sys
from bottlebank.cache.objects.address import address_of
from bottlebank.cache.objects.object_storage import open_objects
storage = open_objects(address_of(sys.argv[1]))
storage.list()
for line in sys.stdin:
    try:
        storage.put(line.strip(), [sys.argv[2].encode() * 50_000])
        print("won", flush=True)
    except FileExistsError:
        print("lost", flush=True)
"""


@pytest.mark.slow
def test_of_two_processes_that_write_one_name_one_wins_50_times(url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    writers = [
        subprocess.Popen([sys.executable, "-c", PUTTING, url, letter], **pipes) for letter in "ab"
    ]
    for name in map(str, range(50)):
        for writer in writers:
            writer.stdin.write(f"{name}\n")
        answers = [writer.stdout.readline().strip() for writer in writers]
        assert sorted(answers) == ["lost", "won"]
        assert read(opened(url), name) == b"ab"[answers.index("won") :][:1] * 50_000
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0


def without_condition(environment):
    environment.pop("HTTP_IF_NONE_MATCH", None)


def test_a_store_that_writes_over_is_refused_before_anything_is_written(url, server):
    server.before = without_condition
    with (
        CacheFolder(url) as folder,
        pytest.raises(CacheError, match=f"{re.escape(url)} cannot keep a cache: a second put"),
        folder.open(PRINT, "float32").writer(RECIPE),
    ):
        pass
    assert opened(url).list() == []


@pytest.mark.slow
def test_a_store_that_writes_over_with_parts_is_refused_too(url, server, files):
    def parts_alone(environment):
        if environment["REQUEST_METHOD"] == "POST":
            without_condition(environment)

    server.before = parts_alone
    storage = opened(url)
    with storage.writing():
        with pytest.raises(CacheError, match="a second upload in parts"):
            storage.put("blob", [b"x" * (110 * MB)])
        storage.put("small", [b"x"])
    assert storage.list() == ["small"]
    assert uploads(files) == []


def test_a_store_is_probed_once(url, server):
    with CacheFolder(url) as folder:
        for number in range(3):
            with folder.open(PRINT, "float32").writer(RECIPE) as writer:
                writer.add(key(number), b"x", row(number))
    assert sum(each["PATH_INFO"].endswith("PROBE") for each in server.asked("PUT")) == 2
    assert sorted(opened(url).below(PRINT).list()) == ["float32", "recipe.json"]


@pytest.mark.parametrize(
    "n_bytes",
    [8 * MB, pytest.param(110 * MB, marks=pytest.mark.slow)],
    ids=["at once", "in parts"],
)
def test_a_connection_that_is_cut_leaves_nothing(url, server, files, n_bytes, monkeypatch):
    storage = opened(url)
    storage.put("before", [b"x"])
    with cutting(server, 3 * MB) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
        with pytest.raises(CacheUnreachableError, match="does not answer"):
            opened(url).put("blob", [bytes(n_bytes)])
    assert storage.list() == ["before"]
    assert uploads(files) == []
    storage.put("blob", [b"another"])  # the next run goes on


@pytest.mark.parametrize(
    "n_bytes",
    [8 * MB, pytest.param(110 * MB, marks=pytest.mark.slow)],
    ids=["at once", "in parts"],
)
def test_a_connection_that_is_cut_once_is_nothing(url, server, n_bytes, monkeypatch):
    blob = os.urandom(n_bytes)
    with cutting(server, 3 * MB, n_times=1) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        opened(url).put("blob", [blob])
        assert proxy.n_left == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert read(opened(url), "blob") == blob


def test_a_server_that_stops_reading_is_given_up(url, server, monkeypatch):
    from bottlebank.cache.objects import object_store

    proxy = StallingProxy(server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    storage = opened(url)
    storage.put("before", [b"x"])
    monkeypatch.setattr(object_store, "_LEAST_S", 1.0)
    monkeypatch.setattr(object_store, "_SLOWEST_BYTES_PER_S", 1 << 30)
    proxy.stall_after(MB)
    try:
        with pytest.raises(CacheUnreachableError, match="does not answer \\(it takes too long\\)"):
            storage.put("blob", [bytes(32 * MB)])
    finally:
        proxy.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert opened(url).list() == ["before"]


WRITING = """
import sys
import numpy as np
from bottlebank.cache import CacheFolder, Key, content_of_bytes
with CacheFolder(sys.argv[1]) as folder:
    with folder.open("f" * 64, "float32").writer({"extractor": "fake"}) as writer:
        for number in range(2):
            keys = [Key(content_of_bytes(b"%d" % (9 * number + each))) for each in range(4)]
            rows = np.full((4, int(sys.argv[2])), number, np.float32)
            writer.extend(keys, [b"x"] * 4, rows)
            writer.commit()
            print("committed", flush=True)
            sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [500_000, 8_000_000], ids=["at once", "in parts"])
def test_a_process_that_is_killed_while_it_uploads_leaves_whole_shards(
    url, server, files, width, monkeypatch
):
    n_bytes = 4 * 4 * width
    proxy = StallingProxy(server.port)
    settings = {**os.environ, "AWS_ENDPOINT_URL": proxy.url}
    command = [sys.executable, "-c", WRITING, url, str(width)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    process = subprocess.Popen(command, env=settings, **pipes)
    try:
        assert process.stdout.readline() == "committed\n"
        proxy.stall_after(n_bytes // 2)
        process.stdin.write("go on\n")
        assert proxy.is_stalled.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
        process.communicate()
        proxy.close()
    with CacheFolder(url) as folder:
        cache = folder.open(PRINT, "float32")
        assert len(cache) == 4
        assert all(damage is None for damage in folder.verify())
        began_s = time.monotonic()
        with cache.writer(RECIPE) as writer:  # at once: this machine sees that it is dead
            writer.add(key(100), b"x", np.zeros(width, np.float32))
        assert time.monotonic() - began_s < 30
        assert len(cache) == 5
    assert uploads(files) == []

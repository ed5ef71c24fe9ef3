"""Whatever holds threads, processes, sockets or locks, in a process that was forked since."""

import contextlib
import copy
import importlib.abc
import importlib.util
import json
import multiprocessing
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder, Stamp
from bottlebank.cache.lock import WriterLock
from bottlebank.classifier import write_head_file
from bottlebank.errors import CacheLockedError, OtherProcessError
from bottlebank.features import Extractor
from bottlebank.features.engines.registry import ENGINES
from bottlebank.features.engines.select import preferred_precisions
from bottlebank.features.images.decoder_pool import DecoderPool
from bottlebank.features.images.fit import Preprocessing
from bottlebank.service import Settings

LIMIT_S = 30
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.usefixtures("real_children"),
]


def in_a_fork(job) -> str:
    """What `job` returns in a forked process, or ``kind: message`` of what it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = str(job())
        except BaseException as error:  # noqa: BLE001 (told to the parent)
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    killer = threading.Timer(LIMIT_S, os.kill, (child, signal.SIGKILL))
    killer.start()
    try:
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        return said if os.waitpid(child, 0)[1] == 0 else "it waited for ever"
    finally:
        killer.cancel()
        killer.join()


@pytest.fixture
def table(photos, cache):
    return bb.extract(
        bb.load_dataset(photos), "random", cache=cache, engine="openvino", precision="float32"
    )


@pytest.fixture
def head_file(table, tmp_path):
    path = tmp_path / "head.h5"
    write_head_file(bb.train_head(table).head, path)
    return path


def test_a_predictor_says_to_load_it_in_each_process_and_that_works(head_file, table, cache):
    predict = bb.load_predictor(head_file, cache=cache)
    image = table.paths[0]
    expected = predict(image)
    for job in (
        lambda: predict(image),
        lambda: predict([image] * 3),
        lambda: predict.predict([image]),
        lambda: list(predict.predict_files([image] * 3)),
        lambda: predict.transfer_values(np.zeros((1, 64, 64, 3), np.uint8)),
        lambda: predict.with_head(head_file),
    ):
        said = in_a_fork(job)
        assert said.startswith("OtherProcessError: the network random"), said
        assert "Load it in each process" in said
    assert in_a_fork(lambda: bb.load_predictor(head_file, cache=cache)(image)) == str(expected)
    # what computes in NumPy alone goes on
    values = table.features[:1]
    assert in_a_fork(lambda: predict.predict_features(values).probabilities.argmax()) == str(
        predict.predict_features(values).probabilities.argmax()
    )
    assert predict(image) == expected  # the parent's is as it was


@pytest.mark.parametrize("given", [str, lambda path: path.read_bytes()], ids=["files", "bytes"])
def test_predictions_that_have_begun_end_where_they_began(
    given, head_file, photos, tmp_path, cache, monkeypatch
):
    images = [given(path) for path in sorted(photos.rglob("*.png"))]
    predict = bb.load_predictor(head_file, cache=tmp_path / "another", many=True)
    compute, is_computing = Extractor.transfer_values, threading.Event()

    def compute_slowly(extractor, pixels):
        is_computing.set()
        time.sleep(0.3)  # the fork comes now
        return compute(extractor, pixels)

    answers = predict.predict_files(images * 40)
    labels = [next(answers).label]
    monkeypatch.setattr(Extractor, "transfer_values", compute_slowly)
    while not is_computing.is_set():
        labels.append(next(answers).label)
    assert in_a_fork(lambda: list(answers)).startswith("OtherProcessError")
    monkeypatch.undo()
    labels += [answer.label for answer in answers]
    assert len(labels) == 40 * len(images) and labels[: len(images)] == labels[-len(images) :]


def test_a_fork_while_other_threads_predict(head_file, table, cache):
    predict = bb.load_predictor(head_file, cache=cache)
    stop = threading.Event()

    def go_on():
        while not stop.is_set():
            list(predict.predict_files(table.paths[:4]))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for _ in range(5):
            said = in_a_fork(lambda: predict(table.paths[0]))
            assert said.startswith("OtherProcessError"), said
    finally:
        stop.set()
        thread.join()


def test_an_app_that_was_made_before_the_server_forked(head_file, cache, caplog):
    app = bb.create_app(Settings(head=str(head_file), cache=str(cache)))
    with app.test_client() as client:
        assert client.get("/readyz").status_code == 200

        def ask():
            answers = [client.get(route) for route in ("/", "/readyz", "/metrics")]
            answers.append(client.post("/predict", data=b"x", content_type="image/png"))
            return json.dumps([[each.status_code, each.get_json()] for each in answers])

        for status, answer in json.loads(in_a_fork(ask)):
            assert status == 500
            assert answer["error"]["code"] == "internal_error"
            assert "leave out --preload" in answer["error"]["message"]
        assert client.get("/readyz").status_code == 200
    app.extensions["bottlebank.service"].close()


def test_a_table_and_a_cache_go_on_in_a_fork(table, cache):
    # Files that were written just before they were read are not known yet.
    bb.extract([*table.paths], "random", cache=cache, engine="openvino", precision="float32")
    rows = table.features
    table.__dict__.pop("features")
    assert in_a_fork(lambda: table.features.sum()) == str(rows.sum())
    with CacheFolder(cache) as folder:
        store = folder.open(table.report.fingerprint, "float32")
        stats = [(path, os.stat(path)) for path in table.paths]

        def use():
            found = [
                folder.known_contents(stats),
                store.rows(table.keys).sum(),
                [*folder.index.files()],
            ]
            folder.remember_files([("/x", Stamp.of(os.stat(cache)), b"k" * 32)])
            folder.index.close()
            return found[0] == table.contents, bool(found[1] == rows.sum()), len(found[2])

        assert in_a_fork(use) == str((True, True, 60))
        # the parent's connection still works, and sees what the child wrote
        assert len([*folder.index.files()]) == 61
    with sqlite3.connect(cache / "index.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_child_does_not_keep_the_cache_locked(tmp_path):
    with WriterLock(tmp_path):
        child = os.fork()
        if child == 0:
            time.sleep(LIMIT_S)
            os._exit(0)
        try:
            with pytest.raises(CacheLockedError, match="is being written by"):
                WriterLock(tmp_path).__enter__()
        except BaseException:
            os.kill(child, signal.SIGKILL)
            raise
    try:
        with WriterLock(tmp_path):  # free, while the child lives on
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_decoders_in_a_fork(photos):
    image = (photos / "disc" / "00.png").read_bytes()
    with DecoderPool(Preprocessing((32, 32), "squash"), 2) as decoders:
        before = decoders.decode([image]).pixels
        said = in_a_fork(lambda: decoders.decode([image]))
        assert said.startswith("OtherProcessError: the decoder was started"), said
        assert in_a_fork(decoders.close) == "None"
        assert in_a_fork(decoders.start).startswith("OtherProcessError")
        child = os.fork()  # which lives longer than the decoders
        if child == 0:
            time.sleep(LIMIT_S)
            os._exit(0)
        try:
            assert (decoders.decode([image]).pixels == before).all()
            start = time.monotonic()
            decoders.close()
            assert time.monotonic() - start < 5  # at once: their end does not wait for the child's
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def n_sockets() -> int:
    count = 0
    for descriptor in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):  # the one that lists them
            count += stat.S_ISSOCK(os.fstat(int(descriptor)).st_mode)
    return count


def test_a_fork_while_a_decoder_starts_leaves_no_socket_behind(monkeypatch):
    starts, real = threading.Event(), subprocess.Popen

    def start_slowly(*arguments, **settings):
        starts.set()
        time.sleep(0.3)  # the fork comes now
        return real(*arguments, **settings)

    before = n_sockets()
    monkeypatch.setattr("bottlebank.untrusted.child.subprocess.Popen", start_slowly)
    with DecoderPool(Preprocessing((32, 32), "squash"), 1) as decoders:
        thread = threading.Thread(target=decoders.start)
        thread.start()
        starts.wait(LIMIT_S)
        assert in_a_fork(n_sockets) == str(before)
        thread.join()
        assert n_sockets() == before + 1


def test_a_fork_while_an_engine_is_imported_waits_for_it(monkeypatch):
    begins = threading.Event()

    class Slow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path, target=None):
            return importlib.util.spec_from_loader(name, self) if name == "slow_engine" else None

        def create_module(self, spec):
            return None

        def exec_module(self, module):
            begins.set()
            time.sleep(0.3)  # the fork comes now
            module.supported_precisions = lambda: ("bfloat16", "float32")

    monkeypatch.setattr(sys, "meta_path", [Slow(), *sys.meta_path])
    slow = ENGINES["openvino"]._replace(module="slow_engine")
    monkeypatch.setitem(ENGINES, "openvino", slow)
    thread = threading.Thread(target=preferred_precisions, args=["openvino"])
    thread.start()
    begins.wait(LIMIT_S)
    said = in_a_fork(lambda: preferred_precisions("openvino"))
    thread.join()
    del sys.modules["slow_engine"]
    assert said == "('bfloat16', 'float32')"


def test_tensorflow_is_not_started_again_in_a_fork():
    values = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    labels = np.arange(60) % 2
    fitted = bb.DenseHead(hidden=(4,), max_epochs=1).fit(values, labels)
    predicted = fitted.predict(values)
    assert in_a_fork(lambda: fitted.predict(values).sum()) == str(predicted.sum())
    said = in_a_fork(lambda: bb.DenseHead(hidden=(4,), max_epochs=1).fit(values, labels))
    assert said.startswith("OtherProcessError: TensorFlow was started in process"), said
    assert "get_context('spawn')" in said


def test_a_predictor_is_not_pickled_but_its_parts_are(head_file, table, cache):
    predict = bb.load_predictor(head_file, cache=cache)
    for send in (pickle.dumps, copy.deepcopy):
        with pytest.raises(OtherProcessError, match="cannot be sent to another process.*load_pred"):
            send(predict)
    again = pickle.loads(pickle.dumps(predict(table.paths[0])))
    assert (again, again.unknown) == (predict(table.paths[0]), False)
    copied = pickle.loads(pickle.dumps(table))
    assert (copied.features == table.features).all()
    head = pickle.loads(pickle.dumps(predict.head))
    assert head.version == predict.version


def _load_and_predict(arguments):
    head, cache, image = arguments
    return list(bb.load_predictor(head, cache=cache)(image))


def test_a_spawned_process_loads_its_own(head_file, table, cache):
    expected = list(bb.load_predictor(head_file, cache=cache)(table.paths[0]))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        arguments = (str(head_file), str(cache), table.paths[0])
        asked = pool.apply_async(_load_and_predict, (arguments,))
        assert asked.get(2 * LIMIT_S) == expected
        pool.close()
        pool.join()

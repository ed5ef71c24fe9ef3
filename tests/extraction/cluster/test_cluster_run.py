"""What the driver makes of workers that come and go; they run in this process."""

import contextlib
import os
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.errors import CacheError, EngineError
from bottlebank.extraction.cluster import chunk_worker, chunks, cluster_run
from bottlebank.extraction.cluster.messages import Asked, Finished, Lost
from bottlebank.extraction.cluster.settings import Cluster
from bottlebank.extraction.image_files import UnreadableFile
from bottlebank.extraction.in_parts import extract_in_parts
from bottlebank.features.backbones.weights import Weights

from ...conftest import picture
from .local_pool import LocalPool

SETTINGS = {"engine": "openvino", "precision": "float32"}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """No Ray, small chunks and small shards."""
    monkeypatch.setattr(
        cluster_run, "connected", lambda address: contextlib.nullcontext((None, True))
    )
    monkeypatch.setattr(cluster_run, "RayPool", LocalPool)
    monkeypatch.setattr(LocalPool, "lost_at", ())
    monkeypatch.setattr(chunks, "_FIRST", 12)
    monkeypatch.setattr(chunks, "_LEAST", 4)
    monkeypatch.setattr(chunks, "_MOST", 12)


def on_cluster(data, cache, **settings):
    settings = {"commit_every": 5, "cluster": Cluster(workers=2), **SETTINGS, **settings}
    return bb.extract(data, "random", cache=cache, **settings)


def in_parts_on_cluster(data, cache, **settings):
    """As the command does it."""
    settings = {"commit_every": 5, "cluster": Cluster(workers=2), **SETTINGS, **settings}
    return extract_in_parts(data, {}, extractor="random", cache=cache, **settings)


both_ways = pytest.mark.parametrize("extract", [on_cluster, in_parts_on_cluster])


def contents(cache):
    """Every row, of which there may be one each."""
    with CacheFolder(cache) as folder:
        [rows] = folder.all()
        keys = rows.keys()
        assert rows.n_stored == len(keys)
        assert all(found is None for found in folder.verify())
        return dict(zip(keys, map(bytes, rows.rows(keys)), strict=True)), rows.rejections()


@pytest.fixture
def some(photos, tmp_path):
    """Photographs, copies of some, some that are none, one that is gone."""
    first = sorted(photos.rglob("*.png"))
    for number, path in enumerate(first[:5]):
        shutil.copy(path, path.with_name(f"copy-{number}.png"))
    first[7].with_name("broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    picture("disc", 99).save(first[9].with_name("äöü 画像.webp"))
    return photos


@pytest.fixture
def single(some, cache, tmp_path):
    """The cache of one process."""
    shutil.copytree(cache, tmp_path / "single")
    table = bb.extract(some, "random", cache=tmp_path / "single", **SETTINGS)
    return table, contents(tmp_path / "single")


def counts(table):
    names = ("images", "cached", "extracted", "duplicates", "rejected", "rows", "rows_extracted")
    return {name: getattr(table.report, name) for name in names}


@both_ways
def test_the_cache_is_that_of_a_single_process(some, cache, single, extract):
    table, (rows, rejections) = single
    found = extract(some, cache)
    assert contents(cache) == (rows, rejections)
    assert counts(found) == counts(table)
    assert [*found.rejected] == table.rejected
    if extract is on_cluster:
        assert np.array_equal(found.features, table.features)
    assert found.report.cluster["lost"] == 0
    assert found.report.cluster["chunks"] > 2
    assert sum(each["images"] for each in found.report.cluster["workers"]) == len(rows)


@both_ways
def test_nothing_starts_where_nothing_is_missing(some, cache, monkeypatch, extract):
    extract(some, cache)
    monkeypatch.setattr(cluster_run, "RayPool", None)
    again = extract(some, cache)
    assert again.report.extracted == 0 and again.report.cluster is None


@both_ways
def test_images_that_have_moved_are_read_and_not_computed(some, cache, tmp_path, extract):
    extract(some, cache)
    some.rename(tmp_path / "elsewhere")
    again = extract(tmp_path / "elsewhere", cache)
    assert again.report.extracted == 0 and again.report.cached == 61


def test_further_views_are_computed_for_images_that_are_there(some, cache, tmp_path, single):
    bb.extract(some, "random", cache=tmp_path / "single", views=3, **SETTINGS)
    on_cluster(some, cache)
    table = on_cluster(some, cache, views=3)
    assert table.report.rows_extracted == 3 * 61
    assert contents(cache) == contents(tmp_path / "single")


@both_ways
@pytest.mark.parametrize("lost_at", [(0,), (3,), (8,), (9, 10, 11), (2, 5, 14, 20)])
def test_what_a_lost_worker_had_is_done_again(some, cache, single, monkeypatch, lost_at, extract):
    monkeypatch.setattr(LocalPool, "lost_at", lost_at)
    table = extract(some, cache)
    assert contents(cache) == single[1]
    assert counts(table) == counts(single[0])
    assert table.report.cluster["lost"] == sum(at < LocalPool.n_events for at in lost_at)


@both_ways
@pytest.mark.slow
def test_a_worker_may_be_lost_at_any_event(some, cache, single, monkeypatch, tmp_path, extract):
    for lost_at in range(200):
        monkeypatch.setattr(LocalPool, "lost_at", (lost_at, lost_at + 3))
        each = tmp_path / str(lost_at)
        shutil.copytree(cache, each)
        table = extract(some, each, views=1, workers=1)
        rows, rejections = contents(each)
        assert {key: row for key, row in rows.items() if key.view == 0} == single[1][0]
        assert len(rows) == 2 * 61
        assert rejections == single[1][1]
        assert table.report.extracted == 61
        shutil.rmtree(each)
        if LocalPool.n_events < lost_at:
            return
    raise AssertionError("there are more events than were tried")


@both_ways
def test_a_worker_that_says_nothing_any_more_is_given_up(some, cache, single, monkeypatch, extract):
    give_up, given_up = LocalPool.give_up, []

    def note(self, worker, reason):
        given_up.append(reason)
        monkeypatch.setattr(cluster_run, "_PATIENCE_S", 900.0)
        return give_up(self, worker, reason)

    answer = LocalPool.answer

    def patience_ends(self, worker, views):
        if not given_up:
            monkeypatch.setattr(cluster_run, "_PATIENCE_S", -1.0)
        answer(self, worker, views)

    monkeypatch.setattr(LocalPool, "give_up", note)
    monkeypatch.setattr(LocalPool, "answer", patience_ends)
    found = extract(some, cache)
    assert given_up and "said nothing" in given_up[0]
    assert contents(cache) == single[1]
    assert counts(found) == counts(single[0])
    assert found.report.cluster["lost"] == len(given_up)


def test_weights_that_are_not_on_a_machine_come_with_the_order(tmp_path):
    there = tmp_path / "driver"
    there.mkdir()
    paths = [there / "network.onnx", there / "network.onnx.data"]
    for path in paths:
        path.write_bytes(path.name.encode())
    weights = Weights("network.onnx", paths[0], more=(paths[1],))
    files = {str(path): path.read_bytes() for path in paths}
    order = SimpleNamespace(weights=weights, files=files)
    assert chunk_worker._here(order, tmp_path) == weights
    shutil.rmtree(there)
    here = chunk_worker._here(order, tmp_path)
    assert here == Weights("network.onnx", tmp_path / "network.onnx", more=here.more)
    assert [path.read_bytes() for path in (here.path, *here.more)] == list(files.values())


def test_rows_that_are_there_twice_are_removed_by_the_next_run(some, cache, single, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cluster_run, "remove_doubles", lambda cache: 0)
        patch.setattr(LocalPool, "lost_at", (4, 9, 13))
        on_cluster(some, cache)
    with CacheFolder(cache) as folder:
        [rows] = folder.all()
        assert rows.n_stored > len(rows)  # else this tests nothing
    picture("disc", 100).save(some / "disc" / "new.png")
    on_cluster(some, cache)
    rows, _ = contents(cache)
    assert len(rows) == 62


def test_a_disk_that_is_full_ends_the_run_and_loses_nothing(some, cache, single, monkeypatch):
    extend, calls = chunk_worker.Writer.extend, []

    def full(self, *arguments):
        calls.append(0)
        if len(calls) >= 4:
            raise CacheError("5 rows could not be written to x: No space left on device")
        extend(self, *arguments)

    monkeypatch.setattr(chunk_worker.Writer, "extend", full)
    with pytest.raises(CacheError, match="No space left on device"):
        on_cluster(some, cache)
    monkeypatch.setattr(chunk_worker.Writer, "extend", extend)
    on_cluster(some, cache)
    assert contents(cache) == single[1]


def test_a_worker_whose_folder_is_another_one_says_so(some, cache, tmp_path, monkeypatch):
    order = cluster_run.OnCluster._order
    shutil.copytree(cache, tmp_path / "other")
    bb.extract(some / "disc", "random", cache=tmp_path / "other", **SETTINGS)  # has the recipe, too

    def elsewhere(self, *arguments):
        made = order(self, *arguments)
        return made._replace(storage=LocalStorage(tmp_path / "other" / made.storage.where.name))

    monkeypatch.setattr(cluster_run.OnCluster, "_order", elsewhere)
    with pytest.raises(CacheError, match="is not the folder that the driver writes to"):
        on_cluster(some, cache)


def test_a_driver_that_has_lost_the_lock_ends_its_workers(some, cache, single, monkeypatch):
    asked = []

    def lost(self):
        asked.append(0)
        if len(asked) == 6:
            raise CacheError("it could not be held for 60 s")

    monkeypatch.setattr(LocalStorage, "require_held", lost)
    with pytest.raises(CacheError, match="could not be held"):
        on_cluster(some, cache)
    on_cluster(some, cache)
    assert contents(cache) == single[1]


def test_nothing_but_shards_is_left_in_the_folder(some, cache):
    on_cluster(some, cache)
    with CacheFolder(cache) as folder:
        [rows] = folder.all()
        assert {*rows.storage.list()} == {*rows.shard_names(), "LOCK"}


@both_ways
def test_a_worker_that_does_not_see_the_images_is_done_without(
    some, cache, single, monkeypatch, extract, caplog
):
    blind, real = [], chunk_worker.ChunkWorker.extract

    def see_nothing(self, files):
        if not blind:
            blind.append(self)
        if self is not blind[0]:
            yield from real(self, files)
            return
        reason = "cannot be read: No such file or directory"
        yield Asked([UnreadableFile(file.position, reason) for file in files])
        yield Finished({})

    monkeypatch.setattr(chunk_worker.ChunkWorker, "extract", see_nothing)
    found = extract(some, cache)
    assert contents(cache) == single[1]
    assert counts(found) == counts(single[0])
    assert "is there where the command runs, and not on" in caplog.text


def test_paths_are_those_of_the_folder_in_which_the_command_runs(some, cache, monkeypatch):
    real = chunk_worker.ChunkWorker.extract
    seen = []

    def note(self, files):
        seen.extend(file.path for file in files)
        yield from real(self, files)

    monkeypatch.setattr(chunk_worker.ChunkWorker, "extract", note)
    monkeypatch.chdir(some)
    table = on_cluster("disc", "../cache-of-this")
    assert len(table) == len(seen) and all(path.startswith(str(some)) for path in seen)


@both_ways
def test_a_copy_takes_the_place_of_an_image_that_is_lost_with_its_worker(
    photos, cache, monkeypatch, extract
):
    first = min(photos.rglob("*.png"))
    copy = first.with_name("zz.png")  # in the next chunk
    shutil.copy(first, copy)
    new_views, events = cluster_run.OnCluster._new_views, LocalPool.events
    commit, extract_there = chunk_worker.Writer.commit, chunk_worker.ChunkWorker._extract
    actors, dead, state = {}, set(), {}

    def noted(self, *arguments):
        actors[threading.current_thread()] = self
        extract_there(self, *arguments)

    def commit_unless_dead(self):
        if actors.get(threading.current_thread()) in dead:
            self._rows.clear()
        else:
            commit(self)

    def note(self, hand, asked, bar):
        found = new_views(self, hand, asked, bar)
        state["run"] = self
        if os.fsencode(copy) in [getattr(file, "path", b"") for file in asked.files]:
            state["copy is asked about"] = True
        return found

    def lose(self, timeout_s):
        for worker, event in events(self, timeout_s):
            hand = state["run"]._in_hand.get(worker) if "copy is asked about" in state else None
            claimed = [image.path for image, _ in hand.claimed.values()] if hand else []
            if not dead and str(first) in claimed:
                dead.add(worker.actor)
                first.unlink()
                self.drop(worker)
                if isinstance(event, Asked):
                    worker.actor.answer([()] * len(event.files))
                self._add()
                yield worker, Lost("killed")
            else:
                yield worker, event

    monkeypatch.setattr(chunk_worker.ChunkWorker, "_extract", noted)
    monkeypatch.setattr(chunk_worker.Writer, "commit", commit_unless_dead)
    monkeypatch.setattr(cluster_run.OnCluster, "_new_views", note)
    monkeypatch.setattr(LocalPool, "events", lose)
    found = extract(photos, cache, commit_every=1000)
    assert dead
    report = found.report
    assert (report.images, report.rejected, report.extracted) == (61, 1, 60)
    assert len(contents(cache)[0]) == 60


def test_without_an_engine_the_reasons_of_the_workers_are_told(some, cache, monkeypatch):
    def fail(*arguments, **settings):
        error = EngineError("no such engine")
        error.attempts = [("openvino in float32", "it is not installed")]
        raise error

    monkeypatch.setattr("bottlebank.extraction.network.open_extractor", fail)
    with pytest.raises(EngineError, match="no engine can run random.*it is not installed"):
        on_cluster(some, cache)


def test_files_that_end_every_worker_end_the_run_by_name(some, cache, monkeypatch):
    monkeypatch.setattr(LocalPool, "lost_at", range(10_000))
    monkeypatch.setattr(LocalPool, "only_at_work", True)
    with pytest.raises(EngineError, match="workers ended while extracting .*killed"):
        on_cluster(some, cache)

"""Reading from an object store: by ranges or whole, and what is kept of it on this machine."""

import io
import os
import re
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bottlebank.cache import CacheFolder
from bottlebank.cache.objects import copies as copies_module
from bottlebank.cache.objects.address import address_of
from bottlebank.cache.objects.blob import READ_AHEAD_BYTES, ObjectBlob
from bottlebank.cache.objects.copies import Copies
from bottlebank.cache.pruning import prune
from bottlebank.errors import CacheUnreachableError, DamagedShardError, UsageError
from tests.cache.faults import PRINT, RECIPE, key

from .s3_server import refused

WIDTH = 2048
N_ROWS = 512  # 4 MiB a shard, in 8 blocks


def values(number):
    return np.random.default_rng(number).normal(size=(N_ROWS, WIDTH)).astype(np.float32)


def keys_of(number):
    return [key(number * N_ROWS + row) for row in range(N_ROWS)]


@pytest.fixture
def filled(url):
    """Two shards at a URL, of which this machine has no copies."""
    with CacheFolder(url) as folder:
        cache = folder.open(PRINT, "float32")
        with cache.writer(RECIPE, commit_every_rows=N_ROWS) as writer:
            for number in range(2):
                writer.extend(keys_of(number), [b"x.png"] * N_ROWS, values(number))
        yield folder, folder.open(PRINT, "float32")


def copied(folder):
    return sorted(path.name for path in (folder.root / "copies").rglob("*.h5"))


def gets(server, name=".h5"):
    return [each for each in server.asked("GET") if each["PATH_INFO"].endswith(name)]


def n_bytes_of(requests):
    spans = [re.findall(r"\d+", each["HTTP_RANGE"]) for each in requests]
    return sum(int(last) - int(first) + 1 for first, last in spans)


class TestRanges:
    def test_a_few_rows_are_read_by_ranges(self, filled, server):
        folder, cache = filled
        server.requests.clear()
        found = cache.rows([keys_of(0)[3], keys_of(1)[500], keys_of(1)[499]])
        assert np.array_equal(found, [values(0)[3], values(1)[500], values(1)[499]])
        assert len(gets(server)) == 4  # of each shard the beginning, and a block
        assert n_bytes_of(gets(server)) <= 2 * (READ_AHEAD_BYTES + (1 << 19))
        assert copied(folder) == []

    def test_all_rows_are_read_once_and_kept(self, filled, server):
        folder, cache = filled
        every = [*keys_of(0), *keys_of(1)]
        assert np.array_equal(cache.rows(every), np.concatenate([values(0), values(1)]))
        assert copied(folder) == cache.shard_names()
        server.requests.clear()
        assert np.array_equal(cache.rows(every[::-1]), np.concatenate([values(0), values(1)])[::-1])
        with CacheFolder(folder.address) as later:
            found = later.open(PRINT, "float32").rows(every[5:7])
        assert np.array_equal(found, values(0)[5:7])
        assert gets(server) == []

    def test_a_shard_of_which_half_was_read_is_copied(self, filled, server):
        folder, cache = filled
        order = np.random.default_rng(0).permutation(N_ROWS)[:40]
        for row in order:
            assert np.array_equal(cache.rows([keys_of(0)[row]])[0], values(0)[row])
        assert copied(folder) == cache.shard_names()[:1]
        n_bytes = cache.storage.status(cache.shard_names()[0]).n_bytes
        heads = 40 * READ_AHEAD_BYTES
        assert n_bytes_of(gets(server)) <= heads + 2 * n_bytes

    def test_without_copies_all_is_read_by_ranges(self, filled, monkeypatch):
        folder, _ = filled
        monkeypatch.setenv("BOTTLEBANK_LOCAL_COPIES", "0")
        with CacheFolder(folder.address) as later:
            found = later.open(PRINT, "float32").rows([*keys_of(1), *keys_of(0)])
            assert all(damage is None for damage in later.verify())
        assert np.array_equal(found, np.concatenate([values(1), values(0)]))
        assert copied(folder) == []

    def test_on_another_machine_the_index_is_made_of_the_beginnings(self, filled, server):
        folder, _ = filled
        (folder.root / "index.sqlite").unlink()
        server.requests.clear()
        with CacheFolder(folder.address) as later:
            assert later.open(PRINT, "float32").keys() == [*keys_of(0), *keys_of(1)]
        assert len(gets(server)) == 2
        assert n_bytes_of(gets(server)) == 2 * READ_AHEAD_BYTES

    def test_sizes_come_with_the_list(self, filled, server):
        _, cache = filled
        n_bytes = 2 * N_ROWS * WIDTH * 4
        assert n_bytes < cache.n_bytes() < n_bytes + 500_000
        assert time.time() - 60 < cache.newest_s() <= time.time() + 1
        assert server.asked("HEAD") == []


class TestDamage:
    def damage(self, files, cache, name, at):
        path = f"{str(cache.folder)[5:]}/{name}"
        blob = bytearray(files.cat_file(path))
        blob[at] ^= 1
        files.pipe_file(path, bytes(blob))

    def test_a_copy_that_is_damaged_is_thrown_away_and_read_again(self, filled, server):
        folder, cache = filled
        cache.rows(keys_of(0))
        [path] = (folder.root / "copies").rglob("*.h5")
        whole = path.read_bytes()
        for harm in (lambda data: data[: len(data) // 2], lambda data: data[:-9] + b"x" * 9, bytes):
            path.write_bytes(harm(whole)[: None if harm is not bytes else 9])
            assert np.array_equal(cache.rows(keys_of(0)), values(0))
            assert path.read_bytes() == whole
        path.write_bytes(b"x" * len(whole))
        assert set(cache.paths().values()) == {b"x.png"}
        assert cache.damaged() == {}

    def test_what_is_damaged_in_the_store_is_damage(self, filled, files):
        folder, cache = filled
        cache.rows(keys_of(0))  # there is a sound copy of it
        for name in cache.shard_names():
            self.damage(files, cache, name, at=-5_000)
        with pytest.raises(DamagedShardError, match="s3://.* is damaged"):
            cache.rows(keys_of(1))
        assert [*cache.damaged()] == cache.shard_names()[1:]
        assert [damage is None for damage in folder.verify()] == [False, False]
        assert len(folder.open(PRINT, "float32")) == 0

    @pytest.mark.parametrize("limit", ["1G", "0"])
    def test_a_copy_that_is_damaged_is_no_reason_to_prune(self, filled, limit, monkeypatch):
        folder, cache = filled
        cache.rows([*keys_of(0), *keys_of(1)])
        for path in (folder.root / "copies").rglob("*.h5"):
            path.write_bytes(path.read_bytes()[:-1000] + bytes(1000))
            path.write_bytes(bytes(3000) + path.read_bytes()[3000:])
        monkeypatch.setenv("BOTTLEBANK_LOCAL_COPIES", limit)
        with CacheFolder(folder.address) as later:
            planned = prune.plan(later, later.open(PRINT, "float32"))
            assert planned.damaged == []
            assert all(damage is None for damage in later.verify())

    def test_a_store_that_does_not_answer_is_no_damage(self, filled, server):
        folder, cache = filled
        for answer in (refused("AccessDenied"), refused("InternalError", "400 Bad Request")):
            server.before = lambda request, answer=answer: (
                answer if request["PATH_INFO"].endswith(".h5") else None
            )
            with pytest.raises(CacheUnreachableError, match="cannot be used"):
                cache.rows(keys_of(0))
            with pytest.raises(CacheUnreachableError, match="cannot be used"):
                cache.paths()
            with pytest.raises(CacheUnreachableError, match="cannot be used"):
                [*folder.verify()]
        server.before = None
        assert cache.damaged() == {}
        assert np.array_equal(cache.rows(keys_of(0)), values(0))

    def test_a_shard_that_goes_is_missing_and_no_damage(self, filled):
        folder, cache = filled
        cache.storage.delete(cache.shard_names()[0])
        assert copied(folder) == []
        cache.refresh()
        assert len(cache) == N_ROWS
        assert cache.damaged() == {}


class TestCopies:
    @pytest.fixture
    def names(self):
        import xxhash

        blobs = [os.urandom(1000) for _ in range(4)]
        return {
            f"f/{n:06d}-{xxhash.xxh3_64_hexdigest(blob)}.h5": blob for n, blob in enumerate(blobs)
        }

    @pytest.fixture
    def copies(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BOTTLEBANK_LOCAL_COPIES", "3000")
        monkeypatch.setattr(copies_module, "_IN_USE_S", -1.0)
        monkeypatch.setattr(copies_module, "_COUNTED_EVERY_S", -1.0)
        return Copies(tmp_path / "copies")

    def test_those_used_last_are_kept(self, copies, names, tmp_path):
        first, second, third, fourth = names
        for name in (first, second, third):
            assert copies.keep(name, [names[name]])
            os.utime(tmp_path / "copies" / name, (time.time() - 100, time.time() - 100))
        assert copies.path(first) is not None  # used now
        os.utime(tmp_path / "copies" / second, (1, 1))
        assert copies.keep(fourth, [names[fourth][:10], names[fourth][10:]])
        assert [copies.path(name) is not None for name in names] == [True, False, True, True]
        with copies.open(fourth) as file:
            assert file.read() == names[fourth]

    def test_what_is_in_use_is_kept_and_nothing_more_is_copied(
        self, copies, names, monkeypatch, tmp_path
    ):
        monkeypatch.setattr(copies_module, "_IN_USE_S", 60.0)
        *some, last = names
        for name in some:
            assert copies.is_worth(name, 1000, 1000)
            assert copies.keep(name, [names[name]])
        assert not copies.is_worth(last, 1000, 1000)
        assert not copies.keep(last, [names[last][:10], names[last][10:]])
        assert [copies.path(name) is not None for name in names] == [True, True, True, False]
        files = [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) == 3000
        os.utime(tmp_path / "copies" / some[1], (1, 1))
        assert copies.is_worth(last, 1000, 1000)
        assert copies.keep(last, [names[last]])
        assert [copies.path(name) is not None for name in names] == [True, False, True, True]

    def test_copies_that_are_written_at_once_share_the_room(self, copies, names, monkeypatch):
        monkeypatch.setattr(copies_module, "_IN_USE_S", 60.0)

        def kept(order):
            """Each part waits until all copies have begun."""
            name = order.pop()
            assert copies.is_worth(name, 1000, 1000)
            inner = []

            def parts():
                yield names[name][:500]
                if order:
                    inner.extend(kept(order))
                yield names[name][500:]

            return [copies.keep(name, parts()), *inner]

        assert sorted(kept(list(names))) == [False, True, True, True]
        assert sum(copies.path(name) is not None for name in names) == 3
        assert copies._being_written == 0

    def test_they_are_counted_now_and_then(self, copies, names, monkeypatch, tmp_path):
        monkeypatch.setattr(copies_module, "_COUNTED_EVERY_S", 3600.0)
        counted, count = [], Copies._all
        monkeypatch.setattr(Copies, "_all", lambda each: counted.append(1) or count(each))
        first, second, third, fourth = names
        for name in (first, second):
            assert copies.is_worth(name, 1000, 1000)
            assert copies.keep(name, [names[name]])
        assert len(counted) == 1
        other = Copies(tmp_path / "copies")  # of another process
        assert other.keep(third, [names[third]])
        os.utime(tmp_path / "copies" / first)  # the others make room before
        os.utime(tmp_path / "copies" / second, (2, 2))
        os.utime(tmp_path / "copies" / third, (1, 1))
        monkeypatch.setattr(copies_module, "_COUNTED_EVERY_S", -1.0)
        assert copies.keep(fourth, [names[fourth]])
        assert [copies.path(name) is not None for name in names] == [True, True, False, True]

    def test_what_is_dropped_makes_room(self, copies, names, monkeypatch):
        monkeypatch.setattr(copies_module, "_IN_USE_S", 60.0)
        monkeypatch.setattr(copies_module, "_COUNTED_EVERY_S", 3600.0)
        *some, last = names
        for name in some:
            assert copies.keep(name, [names[name]])
        assert not copies.keep(last, [names[last]])
        assert copies.drop(some[0])
        assert copies.keep(last, [names[last]])

    def test_only_what_the_name_promises_is_kept(self, copies, names, tmp_path):
        name = next(iter(names))
        assert not copies.keep(name, [names[name][:-1], b"x"])
        assert [path for path in (tmp_path / "copies").rglob("*") if path.is_file()] == []
        assert copies.path(name) is None
        assert copies.open(name) is None

    def test_a_shard_larger_than_the_limit_is_not_worth_it(self, copies):
        assert copies.is_worth("a", 2000, 3000)
        assert not copies.is_worth("b", 1000, 3000)
        assert copies.is_worth("b", 1000, 3000)
        assert not copies.is_worth("c", 9000, 4000)

    @pytest.mark.parametrize("text", ["x", "-1", "5 apples"])
    def test_a_limit_that_is_none(self, url, monkeypatch, text):
        monkeypatch.setenv("BOTTLEBANK_LOCAL_COPIES", text)
        with pytest.raises(UsageError, match="BOTTLEBANK_LOCAL_COPIES is .*expected a number of"):
            CacheFolder(url)

    def test_where_nothing_can_be_written_rows_are_read_all_the_same(self, filled):
        folder, cache = filled
        (folder.root / "copies").rmdir() if (folder.root / "copies").exists() else None
        (folder.root / "copies").write_text("a file")
        assert np.array_equal(cache.rows(keys_of(0)), values(0))


@settings(suppress_health_check=[HealthCheck.too_slow])  # of a machine that is busy
@given(
    data=st.binary(min_size=1, max_size=300),
    head=st.integers(0, 300),
    calls=st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 320), st.integers(0, 120)),
            st.tuples(
                st.just("expect"),
                st.lists(st.tuples(st.integers(0, 299), st.integers(1, 80)), max_size=6),
                st.just(0),
            ),
        ),
        max_size=12,
    ),
)
def test_a_blob_is_read_as_a_file_is(data, head, calls):
    def fetch(ranges):
        assert all(start < len(data) for start, _ in ranges)
        return [data[start : start + n_bytes] for start, n_bytes in ranges]

    expected = io.BytesIO(data)
    with ObjectBlob(data[:head], len(data), fetch, lambda n_bytes: None) as blob:
        assert blob.seek(0, io.SEEK_END) == len(data)
        for kind, one, two in calls:
            if kind == "expect":
                ranges = sorted((start, min(n, len(data) - start)) for start, n in one)
                blob.expect([each for each in ranges if each[1] > 0])
                continue
            expected.seek(one)
            assert blob.seek(one) == one
            part, wanted = bytearray(two), expected.read(two)
            n_read = 0
            while n_read < two and (n := blob.readinto(memoryview(part)[n_read:])):
                n_read += n
            assert bytes(part[:n_read]) == wanted
            assert blob.tell() == one + n_read
        blob.seek(0)
        assert blob.read() == data


def test_where_a_cache_is():
    assert address_of("photos") is None
    assert address_of("/a/b") is None
    assert address_of(None) is None
    address = address_of("S3://bucket//some/prefix/")
    assert address.url == "s3://bucket/some/prefix"
    assert str(address.where / "x" / "y") == "s3://bucket/some/prefix/x/y"
    assert str((address.where / "x").parent) == address.url
    assert (address.where / "x").parent == address.where
    assert address.local_folder != address_of("s3://bucket/some-prefix").local_folder
    for url in ("gs://bucket/me@example.com", "hdfs://host:8020/a", "abfs://container@account/a"):
        assert address_of(url).url == url


def test_requests_are_as_few_as_the_documentation_says(url, server):
    def counts():
        n = {
            method: sum("/LOCK/" not in each["PATH_INFO"] for each in server.asked(method))
            for method in ("PUT", "DELETE", "POST", "HEAD", "GET")
        }
        server.requests.clear()
        return n

    with CacheFolder(url) as folder:
        cache = folder.open(PRINT, "float32")
        with cache.writer(RECIPE):
            pass
        assert counts()["PUT"] == 3  # twice the probe, and the recipe
        with CacheFolder(url) as later:
            cache = later.open(PRINT, "float32")
            server.requests.clear()
            with cache.writer(RECIPE) as writer:
                began = counts()
                writer.extend(keys_of(0), [b"x.png"] * N_ROWS, values(0))
                writer.commit()
                assert counts() == {"PUT": 1, "DELETE": 0, "POST": 0, "HEAD": 0, "GET": 0}
            ended = counts()
    assert (began["PUT"], began["DELETE"], ended["PUT"], ended["DELETE"]) == (2, 1, 0, 0)
    assert began["GET"] <= 6


def test_a_forked_process_reads_and_writes_by_itself(filled, url):
    folder, cache = filled
    cache.rows(keys_of(0)[:1])
    process = os.fork()
    if process == 0:
        code = 1
        try:
            found = cache.rows(keys_of(1)[:3])
            with cache.writer(RECIPE) as writer:
                writer.extend([key(-1)], [b"y.png"], values(3)[:1])
            code = 0 if np.array_equal(found, values(1)[:3]) else 2
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0
    cache.refresh()
    assert np.array_equal(cache.rows([key(-1), keys_of(1)[5]]), [values(3)[0], values(1)[5]])
    assert folder.storage.below(PRINT).below("float32").list() == cache.shard_names()

"""One writer at a time, whatever the clocks of machines show; none blocks for ever."""

import contextlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bottlebank.cache import CacheFolder
from bottlebank.cache.objects import lease
from bottlebank.cache.objects.address import address_of
from bottlebank.cache.objects.object_storage import open_objects
from bottlebank.errors import CacheError, CacheLockedError
from tests.cache.faults import PRINT, RECIPE, key, row

from .s3_server import refused


@pytest.fixture
def storage(url):
    return open_objects(address_of(url))


@pytest.fixture
def short(monkeypatch):
    """Seconds, of which the server's times are whole numbers."""
    monkeypatch.setattr(lease, "RENEWED_EVERY_S", 0.3)
    monkeypatch.setattr(lease, "LASTS_S", 2.0)


def other_mark(storage, name="other", **about):
    """The mark of a writer on another machine."""
    about = {"process": 7, "host": "elsewhere", "held": True, **about}
    storage.below("LOCK").put(name, [json.dumps(about).encode()], replace=True)


def test_the_holder_is_named_and_nothing_is_changed(storage, server):
    other_mark(storage)
    match = f"{re.escape(str(storage.where))} is being written by process 7 on elsewhere; wait"
    with pytest.raises(CacheLockedError, match=match), storage.writing():
        pass
    assert storage.below("LOCK").list() == ["other"]
    assert not any(each["PATH_INFO"].endswith("PROBE") for each in server.requests)


@pytest.mark.parametrize("text", [b"{", b"[]", b"{}", b'{"process": {}, "host": 1}'])
def test_a_mark_that_says_nothing_holds_all_the_same(storage, monkeypatch, text):
    monkeypatch.setattr(lease, "_LONGEST_WAIT_S", 0.1)
    storage.below("LOCK").put("other", [text])
    with pytest.raises(CacheLockedError, match="by another process"), storage.writing():
        pass


@pytest.mark.slow
def test_a_mark_that_is_not_renewed_ends(storage, short):
    other_mark(storage)
    with pytest.raises(CacheLockedError, match="elsewhere"), storage.writing():
        pass
    time.sleep(4)
    with storage.writing():
        assert len(storage.below("LOCK").list()) == 1
        time.sleep(4)  # its own is renewed
        with pytest.raises(CacheLockedError, match="is being written by"), storage.writing():
            pass
        storage.put("blob", [b"x"])
    assert storage.below("LOCK").list() == []


@pytest.mark.slow
def test_a_writer_that_could_not_renew_puts_nothing(url, server, short):
    with CacheFolder(url) as folder:
        cache = folder.open(PRINT, "float32")

        def write():
            with cache.writer(RECIPE) as writer:
                writer.add(key(1), b"1", row(1))
                writer.commit()
                server.before = lambda request: (
                    refused("AccessDenied") if "/LOCK/" in request["PATH_INFO"] else None
                )
                time.sleep(4)
                writer.add(key(2), b"2", row(2))

        with pytest.raises(CacheError, match="could not be held for 2 s") as refusal:
            write()
        assert "run the command again" in str(refusal.value)
        server.before = None
        time.sleep(3)
        with cache.writer(RECIPE) as writer:
            assert key(1) in cache
            assert key(2) not in cache
            writer.add(key(2), b"2", row(2))


@pytest.mark.slow
def test_of_two_that_start_at_once_one_holds_it_and_nobody_waits_long(url):
    storages = [open_objects(address_of(url)) for _ in range(2)]
    start = threading.Barrier(2)
    holding = []

    def hold(storage):
        start.wait()
        began_s = time.monotonic()
        with contextlib.suppress(CacheLockedError), storage.writing():
            holding.append(storage)
            assert len(holding) == 1
            time.sleep(0.2)
            holding.remove(storage)
            return True, time.monotonic() - began_s
        return False, time.monotonic() - began_s

    n_held = 0
    with ThreadPoolExecutor(2) as pool:
        for _ in range(15):
            (one, one_s), (two, two_s) = pool.map(hold, storages)
            assert max(one_s, two_s) < 20
            n_held += one or two
    assert n_held == 15
    assert storages[0].list() == []


def test_a_store_that_does_not_list_what_was_put_is_refused(storage, server):
    def hide(request):
        if "list-type" in request["QUERY_STRING"]:
            return "200 OK", b"<ListBucketResult></ListBucketResult>"
        return None

    server.before = hide
    with pytest.raises(CacheError, match="does not list what was written just now"):
        storage.writing().__enter__()


def test_a_sign_that_another_machine_left_in_a_shared_folder_says_nothing(url, monkeypatch):
    """Such as a home on NFS whose locks are of one machine."""
    from bottlebank.cache.lock import LocalSign

    monkeypatch.setattr(lease, "_LONGEST_WAIT_S", 0.1)
    here, there = (open_objects(address_of(url)) for _ in range(2))
    monkeypatch.setattr(lease, "this_machine", lambda: b"there", raising=False)
    with there.writing():
        monkeypatch.setattr(LocalSign, "is_of_the_dead", staticmethod(lambda path: path.exists()))
        monkeypatch.setattr(lease, "this_machine", lambda: b"here", raising=False)
        with pytest.raises(CacheLockedError, match="is being written by"), here.writing():
            pass
        monkeypatch.setattr(lease, "this_machine", lambda: b"there", raising=False)
        with open_objects(address_of(url)).writing():  # of one machine, the lock is seen
            pass

"""Processes that add rows to one cache at the same time, and what must be there afterwards.

As a script, ``racing_writers.py FOLDER PLANS`` forks a process for each list of rows in the JSON
`PLANS`. All commit at the same moment: none puts its shard before every other has looked what is
there. ``{"rows": [...], "killed_at": n}`` is killed at its n-th call to the file system.
"""

import json
import multiprocessing
import os
import sys

from bottlebank import atomic_file as atomic
from bottlebank.cache import CacheFolder
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.cache.shards.shard import Shard
from tests.cache.faults import PRINT, RECIPE, FaultyOs, key, killed, row


def add(cache, numbers, path=b"photos/%d.jpg"):
    """Commit rows in one shard, as one of many writers."""
    with cache.writer(RECIPE, shared=True) as writer:
        for number in numbers:
            writer.add(key(number), path % number, row(number))


def copies(cache):
    """How often each row is in a shard."""
    found = {}
    for name in cache.shard_names():
        with Shard(cache.storage, name) as shard:
            for each in shard.keys().to_list():
                found[each] = found.get(each, 0) + 1
    return found


def write(root, number, plan, barrier):
    with CacheFolder(root / str(number), create=True, storage=LocalStorage(root)) as folder:
        cache = folder.open(PRINT, "float32")
        put, shim = LocalStorage.put, FaultyOs(at=plan.get("killed_at"), fault=killed)

        def put_with_others(self, name, parts, **settings):
            if not name.endswith(".json") and atomic.os is not shim:  # the first shard
                barrier.wait(60)
                atomic.os = shim
            put(self, name, parts, **settings)

        LocalStorage.put = put_with_others
        add(cache, plan["rows"], b"%d" % number + b"/%d.jpg")
    os._exit(0)


def main(root, plans):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(plans))
    started = []
    for number, plan in enumerate(plans):
        process = os.fork()
        if process == 0:
            try:
                write(root, number, plan, barrier)
            finally:
                os._exit(1)
        started.append(process)
    statuses = [os.waitpid(process, 0)[1] for process in started]
    sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status) for status in statuses]) + "\n")


if __name__ == "__main__":
    from pathlib import Path

    for line in sys.stdin:
        where, jobs = json.loads(line)
        main(Path(where), jobs)
        sys.stdout.flush()

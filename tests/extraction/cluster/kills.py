"""A run on a cluster in which something is killed again and again; a program of its own.

    python kills.py FOLDER CACHE N_KILLS SEED

Prints one line of JSON: how often what was killed, and how much work was done twice.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from loopback_cluster import LoopbackCluster, loopback_cluster

COMMIT_EVERY = 64
DRIVER = """
import os, sys
from bottlebank.extraction.cluster.cluster_run import OnCluster
from bottlebank.extraction.cluster.settings import Cluster
from bottlebank.extraction.in_parts import extract_in_parts
folder, cache, address, commit_every, counts = sys.argv[1:]
note_computed = OnCluster._note_computed
def count(self, hand, computed, bar):
    with open(counts, "a") as file:
        print(computed.n_rows, file=file)
    note_computed(self, hand, computed, bar)
OnCluster._note_computed = count
if __name__ == "__main__":
    extract_in_parts(
        folder, {}, extractor="efficientnet_lite0", precision="float32", cache=cache,
        progress=False, commit_every=int(commit_every),
        cluster=Cluster(address, workers=2, cores=1),
    )
"""


def actors() -> list[int]:
    """Processes in which a worker is at work."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::ChunkWorker"):
            found.append(int(path.parent.name))
    return found


def start(folder: str, cache: str, address: str, counts: str) -> subprocess.Popen[bytes]:
    arguments = [folder, cache, address, str(COMMIT_EVERY), counts]
    return subprocess.Popen([sys.executable, "-c", DRIVER, *arguments])


def kill_one(
    cluster: LoopbackCluster, driver: subprocess.Popen[bytes], chance: random.Random
) -> str:
    """Kill a worker, a node or the driver; which it was, or nothing where there was none."""
    what = chance.choice(["worker", "node", "driver"])
    if what == "worker":
        running = actors()
        if not running:
            return ""
        os.kill(chance.choice(running), signal.SIGKILL)
    elif what == "node":  # not the head, without which there is no cluster
        pid = chance.choice(cluster.raylets[1:])
        cluster.raylets.remove(pid)
        cluster.remove_node(pid)
        cluster.raylets.append(cluster.add_node())
    else:
        driver.kill()
        driver.wait()
    return what


def n_rows(cache: str) -> int:
    """Rows in shards, also those that are there twice."""
    from bottlebank.cache import CacheFolder

    with CacheFolder(cache) as folder:
        return sum(each.n_stored for each in folder.all())


def main(folder: str, cache: str, n_kills: int, seed: int) -> None:
    chance = random.Random(seed)
    killed = {"worker": 0, "node": 0, "driver": 0}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as work, loopback_cluster(3) as cluster:
        counts = f"{work}/computed"
        driver = start(folder, cache, cluster.address, counts)
        while sum(killed.values()) < n_kills:
            time.sleep(chance.uniform(0.5, 4))
            if driver.poll() is not None:
                break
            what = kill_one(cluster, driver, chance)
            if what:
                killed[what] += 1
            if what == "driver":
                driver = start(folder, cache, cluster.address, counts)
        n_ended = driver.wait(900)
        if n_ended:
            raise SystemExit("the driver failed")
        n_computed = sum(map(int, Path(counts).read_text().split()))
    n_twice = n_computed - n_rows(cache)
    told = {"killed": killed, "computed_twice": n_twice, "seconds": time.monotonic() - begun}
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

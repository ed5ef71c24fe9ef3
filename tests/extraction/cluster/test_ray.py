"""Extraction on a Ray cluster of this machine."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.errors import EngineError, LibraryNotFoundError
from bottlebank.extraction.cluster import ray_connection
from bottlebank.extraction.cluster.settings import Cluster

from . import kills

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
SETTINGS = {"engine": "openvino", "precision": "float32", "progress": False}
HERE = Path(__file__).parent


def rows_of(cache):
    with CacheFolder(cache) as folder:
        [rows] = folder.all()
        keys = rows.keys()
        assert rows.n_stored == len(keys)
        return dict(zip(keys, map(bytes, rows.rows(keys)), strict=True))


def listening_beyond_loopback() -> set[tuple[str, str]]:
    """Addresses and inodes of all sockets of this machine that listen to others, too."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            address = local.partition(":")[0]
            mapped = "0000000000000000FFFF00000100007F"
            loopback = ("0100007F", mapped, "00000000000000000000000001000000")
            if state == "0A" and address not in loopback:
                found.add((local, rest[5]))
    return found


@needs_ray
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are found out on Linux")
def test_a_cluster_that_is_started_here_listens_to_nobody_else(photos, cache, tmp_path):
    single = bb.extract(photos, "random", cache=cache, **SETTINGS)
    before = listening_beyond_loopback()
    other = tmp_path / "other"
    command = [
        sys.executable, "-m", "bottlebank", "extract", str(photos), "--extractor", "random",
        "--engine", "openvino", "--precision", "float32", "--cache", str(other), "--json", "--ray",
        "--ray-workers", "2", "--cores-per-worker", "1", "--metrics", "29151",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    beyond, metrics = set(), ""
    while process.poll() is None:
        time.sleep(0.2)
        beyond |= listening_beyond_loopback() - before
        try:
            with urllib.request.urlopen("http://127.0.0.1:29151/metrics", timeout=1) as answer:
                metrics = answer.read().decode()
        except OSError:
            continue
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    report = json.loads(out)
    assert report["extracted"] == 60
    assert report["cluster"]["lost"] == 0
    assert 1 <= len(report["cluster"]["workers"]) <= 2  # one may be done before the other begins
    assert beyond == set()
    assert "bottlebank_extract_workers_ready" in metrics
    assert rows_of(other) == rows_of(cache)
    assert np.array_equal(
        bb.extract(photos, "random", cache=other, **SETTINGS).features, single.features
    )
    assert "ray" not in errors.lower(), errors


@needs_ray
def test_where_nothing_answers_it_says_so_at_once(photos, cache):
    start = time.monotonic()
    with pytest.raises(EngineError, match="no Ray cluster answers at 127.0.0.1:9: "):
        bb.extract(photos, "random", cache=cache, cluster=Cluster("127.0.0.1:9"), **SETTINGS)
    with pytest.raises(EngineError, match="no Ray cluster runs on this machine: start one with"):
        bb.extract(photos, "random", cache=cache, cluster=Cluster("auto"), **SETTINGS)
    assert time.monotonic() - start < 60


def test_without_ray_it_says_what_to_install(photos, cache, monkeypatch):
    monkeypatch.setattr(ray_connection, "find_spec", lambda name: None)
    with pytest.raises(LibraryNotFoundError, match="not installed: pip install ray$"):
        bb.extract(photos, "random", cache=cache, cluster=Cluster(), **SETTINGS)


def killed_again_and_again(clothing, cache: str, seed: int) -> dict:
    """What `kills` tells of a run with this cache."""
    command = [sys.executable, str(HERE / "kills.py"), str(clothing), cache, "20", str(seed)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert sum(told["killed"].values()) >= 15  # unless it ended before the twentieth
    # With a worker the shard that it had open is lost, with the driver that of each of two.
    n_open = sum(told["killed"].values()) + told["killed"]["driver"]
    assert told["computed_twice"] <= n_open * (kills.COMMIT_EVERY + 64)
    return told


@pytest.fixture(scope="module")
def single(tmp_path_factory, clothing):
    """The rows of one process."""
    cache = tmp_path_factory.mktemp("single") / "cache"
    bb.extract(clothing, "efficientnet_lite0", cache=cache, precision="float32", progress=False)
    return rows_of(cache)


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_cache_whatever_is_killed(clothing, single, tmp_path, seed):
    """A worker, a node or the driver, 20 times in one run."""
    killed_again_and_again(clothing, str(tmp_path / "cache"), seed)
    assert rows_of(tmp_path / "cache") == single


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(find_spec("s3fs") is None, reason="s3fs is not installed")
def test_the_same_cache_on_object_storage(clothing, single, tmp_path, monkeypatch):
    import s3fs

    from ...cache.objects.s3_server import BUCKET, S3Server

    server = S3Server()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "XDG_CACHE_HOME": str(tmp_path / "platform"),
    }.items():
        monkeypatch.setenv(name, value)
    try:
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir(BUCKET)
        killed_again_and_again(clothing, f"s3://{BUCKET}/cache", 3)
        assert rows_of(f"s3://{BUCKET}/cache") == single
    finally:
        server.close()

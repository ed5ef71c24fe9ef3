"""The commands on a cache in an object store, from images to answers."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.cache.objects.address import address_of
from bottlebank.cli import main

from .s3_server import refused


@pytest.fixture
def options(url, converted_random):
    """Options of a quick extraction: the `random` extractor, converted already."""
    folder = address_of(url).local_folder
    shutil.copytree(converted_random, folder / "networks")
    return ["--extractor", "random", "--precision", "float32", "--cache", url]


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out) if "--json" in arguments else captured.out

    return run


def test_from_images_to_answers(photos, url, options, run, server, tmp_path):
    head = tmp_path / "head.h5"
    done = run("extract", photos, *options, "--json")
    assert (done["images"], done["extracted"], done["cache"]) == (60, 60, url)
    again = run("extract", photos, *options, "--json")
    assert (again["cached"], again["extracted"]) == (60, 0)
    run("train", photos, "--output", head, *options)
    server.requests.clear()
    image = photos / "disc" / "03.png"
    assert f"{image}: disc" in run("predict", image, "--head", head, "--cache", url)
    assert run("similar", image, "--data", photos, "--cache", url).split()[:2] == ["same", "disc"]
    [recipe] = run("cache", "info", "--cache", url, "--json")["recipes"]
    assert recipe["rows"] == 60
    assert run("cache", "verify", "--cache", url) == "1 shard checked, 0 damaged\n"
    for path in (photos / "disc").iterdir():
        path.unlink()
    run("cache", "prune", "--cache", url, "--yes")
    assert run("cache", "info", "--cache", url, "--json")["recipes"][0]["rows"] == 40
    assert not (tmp_path / "s3:").exists()


def test_every_machine_finds_what_one_has_extracted(
    photos, url, options, run, monkeypatch, tmp_path
):
    run("extract", photos, *options)
    networks = address_of(url).local_folder / "networks"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    shutil.copytree(networks, address_of(url).local_folder / "networks")
    done = run("extract", photos, *options, "--json")
    assert (done["cached"], done["extracted"]) == (60, 0)


def test_rows_are_those_of_a_cache_in_a_folder(photos, url, options, cache, run, monkeypatch):
    dataset = bb.load_dataset(photos)
    settings = {"engine": "openvino", "precision": "float32"}
    local = bb.extract(dataset, "random", cache=cache, **settings)
    monkeypatch.setenv("BOTTLEBANK_CACHE", url)
    far = bb.extract(dataset, "random", **settings)
    assert far.report.cache == url
    assert far.features.tobytes() == local.features.tobytes()
    assert bb.train_head(far).head.version == bb.train_head(local).head.version


def test_a_cache_in_a_folder_goes_into_one_on_objects(table, url, run):
    imported = run("cache", "import", table.report.cache, "--cache", url, "--json")
    assert imported["shards"] == 1
    with CacheFolder(url) as folder, CacheFolder(table.report.cache) as local:
        fingerprint = table.report.fingerprint
        assert folder.recipe(fingerprint) == local.recipe(fingerprint)
        there = folder.open(fingerprint, "float32")
        assert there.rows(table.keys).tobytes() == table.features.tobytes()
    run("cache", "prune", "--whole", "--fingerprint", fingerprint[:12], "--cache", url, "--yes")
    with CacheFolder(url) as folder:
        assert folder.fingerprints() == []
        assert folder.storage.list() == []


def test_a_service_or_a_prediction_does_without_a_store(table, url, options, run, server, tmp_path):
    head = tmp_path / "head.h5"
    bb.save_head(bb.train_head(table), head)
    server.before = lambda request: refused("AccessDenied")
    image = table.paths[0]
    assert f"{image}: " in run("predict", image, "--head", head, "--cache", url)


def test_an_error_is_one_line_without_a_traceback(photos, url, server):
    settings = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    command = [sys.executable, "-m", "bottlebank", "extract", str(photos), "--cache", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert "http://127.0.0.1:1 does not answer" in done.stderr

"""Clients that send nasty things keep nobody else waiting."""

from __future__ import annotations

import io
import pathlib
import re
import subprocess
import sys
import urllib.parse

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb

ROOT = pathlib.Path(bb.__path__[0])
sys.path.insert(0, str(ROOT / "benchmarks"))
from service_stalls import KINDS, attackers, compare, measure  # noqa: E402 (as the benchmark has it)


@pytest.fixture(scope="module")
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def address(tmp_path, photos, cache):
    """A real server, with a network that needs no weights."""
    head = tmp_path / "head.h5"
    common = ["--cache", str(cache)]
    train = ["train", str(photos), "--extractor", "random", "--output", str(head), *common]
    subprocess.run([sys.executable, "-m", "bottlebank", *train], check=True, capture_output=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "bottlebank", "serve", "--head", str(head), "--port", "0", *common],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    found = urllib.parse.urlsplit(re.search(r"http://\S+", process.stdout.readline())[0])
    yield found.hostname, found.port
    process.kill()
    process.communicate()


def test_nobody_is_lost_while_all_kinds_come_at_once(address, photo):
    """A short one of the table below: whoever is good is answered, whatever else comes."""
    measure(*address, photo, 0.5)
    with attackers(*address, "one-byte chunks", 30), attackers(*address, "many headers", 30):
        assert measure(*address, photo, 2.0).n_lost == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_others_wait(address, photo, kind):
    measure(*address, photo, 2.0)
    usual, found = compare(*address, photo, kind, 12.0)
    ratio = found.predict_p99_s / usual.predict_p99_s
    print(f"{kind}: /readyz {found.readyz_worst_s:.3f} s, p99 {ratio:.2f} times")  # noqa: T201
    assert found.n_lost == 0
    assert found.readyz_worst_s < 0.5

"""The benchmarks load, and what they take from bottlebank is there."""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from bottlebank.hardware import available_cores

from .conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"
FILES = sorted(BENCHMARKS.glob("*.py"))


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=BENCHMARKS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def missing_names(tree: ast.Module) -> list[str]:
    """What a file takes from bottlebank, in its functions too, that is not there."""
    wanted: list[tuple[str, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bottlebank"):
            wanted += [(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "bb":
            wanted.append(("bottlebank", node.attr))
    return [
        f"{module}.{name}" for module, name in wanted if not hasattr(import_module(module), name)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_benchmark_takes_from_bottlebank_is_there(path):
    assert missing_names(ast.parse(path.read_text())) == []


def test_a_name_that_is_gone_is_found():
    tree = ast.parse("import bottlebank as bb\ndef f():\n    bb.gone()\n    bb.extract()")
    assert missing_names(tree) == ["bottlebank.gone"]


def test_every_benchmark_loads():
    run("-c", f"import {', '.join(path.stem for path in FILES)}")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it reads what Linux says of processes")
def test_extraction_in_a_container_of_one_gibibyte_stays_below_it(photos):
    printed = run("memory.py", str(photos), "--images", "30")
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    found = {name: list(map(float, figures)) for name, *figures in rows[1:]}
    peak, _, n_processes, extracted, rejected, _ = found["container"]
    assert peak < 1024
    assert n_processes <= 3  # one worker, and one for what is too large for it
    assert extracted >= 30 + 4
    assert extracted + rejected == 30 + 14
    assert found["machine"][3:5] == [30 + 14, 0]


@pytest.mark.slow
def test_unknown_runs(photos, converted_random):
    shutil.copytree(converted_random, Path(os.environ["BOTTLEBANK_CACHE"]) / "networks")
    printed = run("unknown.py", str(photos), "--extractor", "random", "--coverage", "0.5")
    assert printed.startswith("60 images, random")
    assert "relative Mahalanobis" in printed


@pytest.mark.slow
def test_unknown_compares_heads_on_strangers(photos, converted_random):
    shutil.copytree(converted_random, Path(os.environ["BOTTLEBANK_CACHE"]) / "networks")
    options = ("--extractor", "random", "--coverage", "0.5", "--strangers")
    printed = run("unknown.py", str(photos), *options)
    caught = [line.split()[3] for line in printed.splitlines() if line.startswith("digits head, ")]
    assert caught == ["1.000"] * 5


@pytest.mark.slow
@pytest.mark.weights
def test_occlusion_finds_a_shortcut_that_the_network_has_learned(imagenet, clothing):
    planted = ("--size", "96", "--place", "corner", "--colours", "magenta", "--seeds", "0")
    printed = run("shortcut.py", str(clothing), *planted, "--methods", "occlusion")
    assert int(re.findall(r"it changes (\d+) answers", printed)[0]) > 70
    found, control = (
        (float(median), int(at_least_half))
        for margin_px, median, at_least_half in re.findall(
            r"occlusion, margin (\d+) px: median ([\d.]+)%, .* at least half on (\d+) of 20;",
            printed,
        )
        if margin_px == "8"
    )
    assert found[0] > 80
    assert found[1] >= 19
    assert control[0] < 30


def test_scaling_measures_on_as_many_cores_as_it_says(photos):
    options = ("--only", "nothing", "--cores", "1", "--copies", "12", "--rounds", "1")
    printed = run("scaling.py", str(photos), *options)
    assert printed.startswith("12 photographs, efficientnet_lite0, 1 round; ")
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[1:]] == [["| independent processes", "1"], ["| nothing", "1"]]


def test_what_the_program_says_when_it_fails_is_seen(tmp_path):
    command = [sys.executable, "prediction.py", str(tmp_path / "gone"), "--extractor", "random"]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bottlebank: " in done.stderr
    assert "gone" in done.stderr.partition("Traceback")[0]


@pytest.mark.slow
def test_scaling_divides_the_cores(photos):
    printed = run("scaling.py", str(photos), "--streams", "--copies", "40", "--rounds", "1")
    n_cores = available_cores()
    assert (
        f"| OpenVINO, {n_cores} streams of {n_cores} threads in all, {n_cores} decoders, "
        in printed
    )
    assert "left out" not in printed


def test_scaling_compares_with_the_bound_and_with_two_cores():
    printed = run("-c", SCALING)
    assert printed.splitlines()[3:] == [
        "| independent processes | 2 | 900 [800, 1,000] |  |  |  |  |  |",
        "| independent processes | 4 | 1,600 [1,600, 1,600] |  | 0.80 [0.80, 0.80] |  |  |  |",
        "| OpenVINO, bfloat16 | 4 | 600 [600, 600] | 0.75 [0.75, 0.75] |  | 1,600 [1,600, 1,600] "
        "| 1.000 [1.000, 1.000] | 0.500 [0.500, 0.500] |",
    ]


SCALING = """
import argparse, pathlib, scaling
arguments = argparse.Namespace(copies=1, minutes=1, streams=False, only=["OpenVINO"])
series = scaling.Series(arguments, [2, 4], pathlib.Path())
series._found = {
    ("independent processes", 2): {0: {"images_per_s": 1000.0}, 1: {"images_per_s": 800.0}},
    ("independent processes", 4): {0: {"images_per_s": 1600.0}},
    ("OpenVINO", 4): {0: {"images_per_s": 600.0, "network_per_s": 1600.0, "process_ms": 1.0,
                          "thread_ms": 0.5, "precision": "bfloat16"}},
}
series.print_table()
"""

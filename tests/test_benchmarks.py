"""The benchmarks load, and what they take from bottlebank is there."""

import ast
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

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

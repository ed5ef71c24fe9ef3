"""The explorer's JavaScript, by the test runner of node."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_scripts():
    # In one process: a process for each file takes longer than the tests.
    files = sorted(FOLDER.glob("*.test.js"))
    assert len(files) > 3
    script = "for (const file of process.argv.slice(1)) require(file);"
    command = [str(NODE), "-e", script, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]

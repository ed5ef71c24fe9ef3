"""Every command block of the README runs, in order, as it stands there."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bottlebank.classifier import load_head

from .conftest import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(bash|python|json)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_has_the_blocks_that_are_run_here():
    kinds = [
        "make" if text.startswith("make") else "serve" if "serve" in text else kind
        for kind, text in BLOCKS
    ]
    assert kinds == ["make", "bash", "python", "serve", "bash", "json", "bash", "make"]


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        path, _, heading = target.partition("#")
        assert target.startswith("https://") or (ROOT / path).exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
            assert heading in [title.lower().replace(" ", "-") for title in headings], target


def test_both_commands_for_a_clone_are_named():
    assert [text for kind, text in BLOCKS if text.startswith("make")] == [
        "make demo\n",
        "make test\n",
    ]


def run_blocks(folder: Path) -> None:
    """Run all blocks in `folder`, which holds `photos/` and `holiday.jpg`."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        environment["BOTTLEBANK_SERVE_PORT"] = port = str(probe.getsockname()[1])
    server = None

    def shell(text: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        return done.stdout

    versions = []
    try:
        for kind, text in BLOCKS:
            if kind == "python":
                versions.append(load_head(folder / "head.h5").version)
                (folder / "head.h5").unlink()
            if kind == "python":
                command = [sys.executable, "-c", text]
                done = subprocess.run(
                    command,
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stderr
                assert re.fullmatch(
                    r"(\w+ [\d.]+ %, )+\w+ [\d.]+ %|unknown .*", done.stdout.strip()
                )
                versions.append(load_head(folder / "head.h5").version)
            elif text.startswith("bottlebank serve"):
                server = subprocess.Popen(
                    text.split(), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
                )
                assert f"http://127.0.0.1:{port}/" in server.stdout.readline()
            elif text.startswith("curl"):
                answer = json.loads(shell(text.replace(":8000", f":{port}")))
            elif kind == "json":
                shown = json.loads(text)
                assert set(answer) == set(shown)
                assert set(answer["predictions"][0]) == set(shown["predictions"][0])
                assert set(answer["head"]) == set(shown["head"])
                best = shown["predictions"][0]  # of the two classes of the README's photographs
                assert [named["label"] for named in best["top"]] == ["beach", "coast"]
                assert sum(named["probability"] for named in best["top"]) == pytest.approx(1)
                assert best["top"][0] == {name: best[name] for name in ("label", "probability")}
                n_classes = len(load_head(folder / "head.h5").classes)
                assert len(answer["predictions"][0]["top"]) == min(n_classes, 5)
            elif not text.startswith("make"):
                shell(text)
    finally:
        if server is not None:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=20)
    assert server.returncode == 0
    assert versions[0] == versions[1], "Python trains another head than the command line"
    left = {path.name for path in folder.iterdir()}
    assert {"head.h5", "report", "audit", "map.html", "features.h5"} <= left


@pytest.fixture
def started(tmp_path, photos):
    """A person's folder, in which nothing has been done."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed; the README shows it")
    shutil.copy(photos / "disc" / "00.png", tmp_path / "holiday.jpg")
    return tmp_path


def test_every_block_runs(started):
    run_blocks(started)

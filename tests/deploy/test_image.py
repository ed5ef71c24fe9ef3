"""The steps of the Dockerfile, run in a fresh environment, and what comes of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bottlebank.cli import main

from ..conftest import ROOT
from . import dockerfile
from .test_deployment import BUILD, FINAL, TOO_LARGE

pytestmark = pytest.mark.slow
PORT = 18_431
MAX_MB = 600


def python_for_everyone():
    """An interpreter that other users can run, too."""
    for candidate in (sys._base_executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        path = Path(candidate).resolve()
        is_new = subprocess.run(
            [path, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"],
            capture_output=True,
        )
        if is_new.returncode == 0 and all(
            folder.stat().st_mode & 0o001 for folder in (path, *path.parents)
        ):
            return path
    return Path(sys._base_executable)


@pytest.fixture(scope="module")
def image():
    """The folder of the image, built; others may read it."""
    folder = Path(tempfile.mkdtemp(prefix="bottlebank-image-"))
    try:
        folder.chmod(0o755)
        tools = folder / "tools"
        tools.mkdir()
        (tools / "python").symlink_to(python_for_everyone())
        pip = tools / "pip"
        run_pip = f'exec {sys.executable} -m pip --disable-pip-version-check "$@"'
        pip.write_text(f"#!/bin/sh\n{run_pip}\n")
        pip.chmod(0o755)
        build = dockerfile.Build(ROOT, folder, f"{tools}:/usr/bin:/bin")
        build.run(BUILD)
        shutil.rmtree(folder / "src")
        yield build
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def model(image, clothing):
    """Heads on two networks, and the converted form of the one that Keras would have to build."""
    folder = image.image / "model"
    (folder / "heads").mkdir(parents=True)
    data = folder / "photos"
    for name in ("hat", "shoes", "pants"):
        (data / name).mkdir(parents=True)
        for path in sorted((clothing / "train" / name).iterdir())[:24]:
            (data / name / path.name).symlink_to(path)
    return folder, data


def report(line):
    """For the figures in the documentation: `pytest -s` shows them."""
    sys.stderr.write(f"{line}\n")


def sizes(folder):
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).parts[0]
            found[name] = found.get(name, 0) + path.stat().st_size
    return found


def test_contents_of_the_image(image):
    [site] = (image.image / "opt/bottlebank/lib").glob("python3.*/site-packages")
    found = sizes(site)
    for name, n_bytes in sorted(found.items(), key=lambda entry: -entry[1])[:16]:
        report(f"{n_bytes / 1e6:8.1f} MB  {name}")
    whole = sum(sizes(image.image / "opt").values())
    report(f"{whole / 1e6:8.1f} MB  in all")
    assert whole < MAX_MB * 1e6
    distributions = {
        re.split(r"-\d", path.name)[0].replace("_", "-").lower()
        for path in site.glob("*.dist-info")
    }
    assert "bottlebank" in distributions
    assert not distributions & TOO_LARGE
    assert not {"tensorflow", "keras", "sklearn", "matplotlib", "umap", "tests"} & {*found}
    package = {path.name for path in (site / "bottlebank").iterdir()}
    assert not {"tests", "benchmarks", "docs", "deploy", "examples"} & package


class Container:
    """The server, started as the image starts it: user, environment, read-only files."""

    def __init__(self, image, model, head, writable):
        self.variables = dockerfile.environment(FINAL, "/usr/bin:/bin") | {
            "BOTTLEBANK_CACHE": f"{model}/cache",
            "BOTTLEBANK_SERVE_HEADS": f"{model}/{head}",
            "BOTTLEBANK_SERVE_PORT": str(PORT),
            "HOME": str(writable),
            "TMPDIR": str(writable),
        }
        self.variables["PATH"] = image.inside(self.variables["PATH"])
        self.prefix = []
        if os.getuid() == 0 and shutil.which("setpriv"):
            [user] = [step.text.split(":")[0] for step in FINAL if step.name == "USER"]
            self.prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            self.prefix += ["--no-new-privs"]
        command = self.command("CMD")
        if self.prefix and can_mount():
            script = 'mount -t tmpfs tmpfs "$TMPDIR" && chmod 1777 "$TMPDIR" && '
            script += 'mount -o remount,bind,ro / && exec "$@"'
            command = ["unshare", "--mount", "sh", "-ec", script, "sh", *command]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=self.variables,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, name):
        command = dockerfile.command(FINAL, name)
        program = shutil.which(command[0], path=self.variables["PATH"])
        return [*self.prefix, program, *command[1:]]

    def check(self):
        return subprocess.run(
            self.command("HEALTHCHECK"), env=self.variables, capture_output=True, text=True
        )

    def wait_until_ready(self):
        while time.monotonic() < self.started + 30:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=1):
                    return time.monotonic() - self.started
            except urllib.error.URLError:
                assert self.process.poll() is None, self.process.stdout.read()
                time.sleep(0.02)
        raise TimeoutError

    def predict(self, path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}/predict", path.read_bytes(), {"Content-Type": "image/jpeg"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        output = self.process.communicate(timeout=30)[0]
        return self.process.returncode, output


def can_mount():
    return not subprocess.run(
        ["unshare", "--mount", "mount", "-o", "remount,bind,ro", "/"], capture_output=True
    ).returncode


@pytest.mark.parametrize("extractor", ["efficientnet_lite0", "mobilenet_v2"])
def test_the_image_serves_as_nobody_from_files_that_cannot_be_changed(
    image, model, extractor, request
):
    folder, data = model
    head = f"heads-{extractor}"
    (folder / head).mkdir()
    arguments = ["--extractor", extractor, "--cache", str(folder / f"own-{extractor}")]
    if extractor == "mobilenet_v2":
        request.getfixturevalue("imagenet")
    assert main(["train", str(data), "--output", str(folder / head / "head.h5"), *arguments]) == 0
    # What a machine without TensorFlow needs of the cache.
    networks = folder / "cache" / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder / f"own-{extractor}" / "networks", networks, dirs_exist_ok=True)
    writable = image.image / f"tmp-{extractor}"
    writable.mkdir()
    writable.chmod(0o777)
    container = Container(image, folder, head, writable)
    try:
        seconds = container.wait_until_ready()
        report(f"{extractor}: ready after {seconds:.2f} s")
        health = container.check()
        assert health.returncode == 0, health.stderr
        photo = next((data / "hat").iterdir())
        expected = container.predict(photo)
        assert expected["head"]["extractor"] == extractor
        status = Path(f"/proc/{container.process.pid}/status").read_text()
        if os.getuid() == 0:
            assert re.search(r"(?m)^Uid:\t10001\t10001", status)
            assert re.search(r"(?m)^CapEff:\t0+$", status)
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(container.predict(photo)))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
    finally:
        code, output = container.end()
    for thread in threads:
        thread.join()
    assert code == 0, output
    assert [each["predictions"] for each in answers] == [expected["predictions"]] * 20
    assert "Traceback" not in output
    assert not [*writable.iterdir()]
    assert container.check().returncode != 0  # nobody answers any more

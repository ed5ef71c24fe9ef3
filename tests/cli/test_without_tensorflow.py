"""From photographs to answers, each step a process of its own that never imports TensorFlow."""

import re
import subprocess
import sys
import urllib.request

import pytest

from ..features.backbones.onnx_networks import save, vit

# A network in a file is not read in the process itself either.
WITHOUT = (
    "import sys; from bottlebank.cli import main; code = main(sys.argv[1:])\n"
    "found = {'tensorflow', 'keras', 'onnx'} & set(sys.modules)\n"
    "assert not found, found\nsys.exit(code)"
)


@pytest.fixture(params=["efficientnet_lite0", "vit.onnx"])
def chosen(request, tmp_path):
    if request.param.endswith(".onnx"):
        return ["--extractor", save(vit(), tmp_path / request.param), "--scaling", "torch"]
    return ["--extractor", request.param]


def run(*arguments):
    command = [sys.executable, "-c", WITHOUT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_extract_to_serve(photos, chosen, tmp_path):
    common, head = ["--cache", tmp_path / "cache"], tmp_path / "head.h5"
    extracted = run("extract", photos, *chosen, *common)
    assert "60 extracted" in extracted
    said = "network: layer last_hidden_state; pooling: CLS token; scaled: bilinear, squash; RGB"
    assert (said in extracted) == ("torch" in chosen)
    assert "wrote" in run("train", photos, *chosen, *common, "--output", head)
    image = photos / "disc" / "03.png"
    predicted = run("predict", image, "--head", head, *common)
    label = re.search(r": (\w+) ", predicted)[1]
    command = [sys.executable, "-c", WITHOUT, "serve", "--head", head, *common, "--port", "0"]
    with subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            url = re.search(r"at (http://127\.0\.0\.1:\d+/)", server.stdout.readline())[1]
            kind = {"Content-Type": "image/png"}
            request = urllib.request.Request(f"{url}predict", image.read_bytes(), kind)
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert label in answer.read().decode()
        finally:
            server.terminate()
        errors = server.stderr.read()
        assert server.wait(timeout=20) == 0, errors

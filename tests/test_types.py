"""What the package's types say to whoever checks a program that uses it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """
import io
from pathlib import Path

import numpy as np
from PIL import Image

import bottlebank as bb

predict = bb.load_predictor("head.h5")
pixels = np.zeros((8, 8, 3), np.uint8)
predict("a.jpg")
predict(Path("a.jpg"))
predict(b"bytes")
predict(io.BytesIO(b"bytes"))
predict(Image.fromarray(pixels))
predict(pixels)
predict(["a.jpg", Path("a.jpg"), b"bytes", pixels])
predict(path for path in Path("photos").glob("*.jpg"))
predict(np.stack([pixels, pixels]))
with open("a.jpg", "rb") as file:
    predict(file)
    predict.predict_proba([file])
predict(3)  # wrong
predict([3])  # wrong
predict.predict([None])  # wrong
predict.predict_files("a.jpg", top="3")  # wrong
bb.TransferValues("random").fit(["a.jpg"]).transform(np.array(["a.jpg"], object))
bb.TransferValues("random").fit([1.5])  # wrong
"""


def test_a_predictor_takes_what_is_documented_and_nothing_else(tmp_path):
    pytest.importorskip("basedpyright", reason="only `make check` has the type checker")
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "bottlebank").symlink_to(ROOT)
    (tmp_path / "program.py").write_text(PROGRAM)
    settings = {"include": ["program.py"], "extraPaths": ["installed"]}
    settings["typeCheckingMode"] = "standard"
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--project", str(tmp_path)], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    lines = PROGRAM.splitlines()
    wrong = [number for number, line in enumerate(lines) if line.endswith("# wrong")]
    assert sorted(each["range"]["start"]["line"] for each in found) == wrong, found

"""The examples run as they stand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from .conftest import ROOT

EXAMPLES = ROOT / "examples"


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_sorts_photographs(photos, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for kind in ("stripes", "disc"):
        shutil.copy(photos / kind / "03.png", inbox / f"{kind}.png")
    (inbox / "notes.txt").write_text("no image")
    script = str(EXAMPLES / "sort_photographs.py")
    run(tmp_path, script, "photos", "inbox", "sorted")
    copies = {path.name: path.parent.name for path in (tmp_path / "sorted").rglob("*.png")}
    assert copies == {"stripes.png": "stripes", "disc.png": "disc"}
    assert sorted(path.name for path in inbox.iterdir()) == ["disc.png", "notes.txt", "stripes.png"]


def test_the_script_copies_images_of_one_name_under_numbers(photos, tmp_path):
    for camera, image in (("cam1", "03.png"), ("cam2", "04.png")):
        (tmp_path / "inbox" / camera).mkdir(parents=True)
        shutil.copy(photos / "stripes" / image, tmp_path / "inbox" / camera / "IMG_1.png")
    script = str(EXAMPLES / "sort_photographs.py")
    for _ in range(2):  # the second run copies nothing again
        run(tmp_path, script, "photos", "inbox", "sorted")
    copies = {path.name: path.read_bytes() for path in (tmp_path / "sorted").rglob("*.png")}
    originals = [photos / "stripes" / image for image in ("03.png", "04.png")]
    names = ("IMG_1.png", "IMG_1-2.png")
    assert copies == {name: path.read_bytes() for name, path in zip(names, originals, strict=True)}


def test_every_cell_of_the_notebook_runs(tmp_path):
    notebook = json.loads((EXAMPLES / "first_steps.ipynb").read_text())
    assert notebook["nbformat"] == 4
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    printed = run(tmp_path, "-c", "\n".join(cells))
    assert "240 of 240 images were in the cache" in printed
    assert "two " in printed
    assert (tmp_path / "first-steps" / "map.png").is_file()
    assert (tmp_path / "first-steps" / "head.h5").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["first-steps"]


def test_the_notebook_is_committed_without_outputs():
    notebook = json.loads((EXAMPLES / "first_steps.ipynb").read_text())
    assert [cell for cell in notebook["cells"] if cell.get("outputs")] == []

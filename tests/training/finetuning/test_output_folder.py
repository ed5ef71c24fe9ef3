"""What a run leaves in its folder when it ends anywhere, and what the next one makes of it."""

import dataclasses
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bottlebank as bb
from bottlebank.classifier import write_head_file
from bottlebank.errors import BottlebankError, UsageError
from bottlebank.features.backbones.weights import file_sha256
from bottlebank.training.finetuning import flow, output_folder
from bottlebank.training.finetuning.output_folder import SUFFIXES, UNFINISHED, OutputFolder

from .conftest import KilledError, kill_before

KERAS, LITE = SUFFIXES


def make_pair(folder, data, suffix, case):
    """As a run does it, from its first write to its last."""
    sha256 = hashlib.sha256(data).hexdigest()
    folder.write_weights(suffix, data)
    head = bb.load_head(case.head)
    recipe = {**head.recipe, "weights_sha256": sha256}
    write_head_file(dataclasses.replace(head, recipe=recipe), folder.new_head)
    folder.publish()


def weights_of(path):
    """The extractor of the head in a folder: beside it, or where a cache knows that it was made."""
    wanted = bb.load_head(path / "head.h5").recipe["weights_sha256"]
    places = [
        place / f"extractor{suffix}" for place in (path, path / UNFINISHED) for suffix in SUFFIXES
    ]
    [found] = {
        place.read_bytes() for place in places if place.exists() and file_sha256(place) == wanted
    }
    return found


# The call that ends the run, and whose pair is there then and after the next run has begun.
MOMENTS = {
    "before the extractor": (output_folder, "write_bytes", 0, b"earlier", b"earlier"),
    "before the head": (sys.modules[__name__], "write_head_file", 0, b"earlier", b"earlier"),
    "before the pair is published": (OutputFolder, "publish", 0, b"earlier", b"new"),
    "before the head is published": (output_folder, "_move", 0, b"earlier", b"new"),
    "before others are removed": (Path, "unlink", 1, b"new", b"new"),
    "before the extractor is published": (output_folder, "_move", 1, b"new", b"new"),
    "before the folder is removed": (output_folder, "remove_whole", 1, b"new", b"new"),
}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_at_each_moment_there_is_one_pair_or_the_other(case, out, monkeypatch, moment, suffix):
    owner, name, n_before, then, after = moment
    with OutputFolder(out, []) as folder:
        make_pair(folder, b"earlier", KERAS, case)
    with monkeypatch.context() as patch, OutputFolder(out, []) as folder:
        kill_before(patch, owner, name, n_before)
        with pytest.raises(KilledError):
            make_pair(folder, b"new", suffix, case)
    assert weights_of(out) == then
    with OutputFolder(out, []):  # completes what is whole
        kept = KERAS if after == b"earlier" else suffix
        assert (out / f"extractor{kept}").read_bytes() == weights_of(out) == after
    with OutputFolder(out, []) as folder:
        make_pair(folder, b"newest", LITE, case)
    assert weights_of(out) == b"newest"
    assert sorted(path.name for path in out.iterdir()) == ["extractor.npz", "head.h5"]


def test_what_cannot_be_moved_is_said_and_moved_by_the_next_run(case, out, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, OutputFolder(out, []) as folder:
        patch.setattr(output_folder, "_move", refuse)
        with pytest.raises(BottlebankError, match=r"No space left on device; run the same command"):
            make_pair(folder, b"new", LITE, case)
    with OutputFolder(out, []):
        assert (out / "extractor.npz").read_bytes() == b"new"


def test_a_folder_has_one_run_at_a_time(out):
    held = (
        "import sys; from bottlebank.training.finetuning.output_folder import OutputFolder\n"
        "OutputFolder(sys.argv[1], [])"
    )
    command = [sys.executable, "-c", held, str(out)]
    with OutputFolder(out, []):
        with pytest.raises(UsageError, match=r"is being written by another run .* name another"):
            OutputFolder(out, [])
        other = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "is being written by another run of fine-tuning" in other.stderr
    with OutputFolder(out, []):
        pass
    (out / "head.h5").write_bytes(b"of somebody else")
    for _ in range(2):  # a refusal leaves no lock
        with pytest.raises(UsageError, match="is not a head file"):
            OutputFolder(out, [])
    assert [path.name for path in out.iterdir()] == ["head.h5"]


@pytest.mark.parametrize(
    ("owner", "name", "n_before"),
    [(flow, "complete", 0), (output_folder, "_move", 1)],
    ids=["before the head is calibrated", "before the extractor is published"],
)
def test_a_run_that_ends_after_training_is_not_lost(
    tuned, case, tmp_path, monkeypatch, owner, name, n_before
):
    """Nor is the result of an earlier one: the head in the folder always predicts."""
    here = case._replace(cache=shutil.copytree(case.cache, tmp_path / "cache"))
    out = shutil.copytree(tuned.head_file.parent, tmp_path / "out")
    with monkeypatch.context() as patch:
        kill_before(patch, owner, name, n_before)
        with pytest.raises(KilledError):
            here.finetune(out, epochs=1)
    for networks in here.cache.glob("networks*"):
        shutil.rmtree(networks)  # a converted network would hide that its weights are gone
    photo = next(case.photos.rglob("*.png"))
    before = bb.load_head(out / "head.h5").version
    assert (before == tuned.head.version) == (n_before == 0)
    assert bb.load_predictor(out / "head.h5", cache=here.cache)(photo).label
    done = []
    again = here.finetune(out, epochs=1, on_epoch=lambda *epoch: done.append(epoch))
    assert (done, again.epochs.n_resumed) == ([], 1)
    assert n_before == 0 or again.head.version == before
    assert sorted(path.name for path in out.iterdir()) == ["extractor.weights.h5", "head.h5"]
    assert again.table.recipe.weights_sha256 == file_sha256(again.extractor)
    assert bb.extract(case.photos, None, cache=here.cache).recipe == again.table.recipe

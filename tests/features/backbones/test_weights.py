import time
from pathlib import Path

import pytest

from bottlebank import progress
from bottlebank.errors import UsageError, WeightsNotFoundError
from bottlebank.features import find_backbone
from bottlebank.features.backbones.keras import applications
from bottlebank.features.backbones.keras.applications import imagenet_file
from bottlebank.features.backbones.weights import find_weights

MOBILENET = find_backbone("mobilenet_v2")

OFFLINE = "raise OSError('Name or service not known')"
SLOW = "import time; time.sleep(60)"
ONLINE = """
import os, pathlib, sys
models = pathlib.Path(os.environ["KERAS_HOME"]) / "models"
models.mkdir()
name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
(models / name).write_text(sys.argv[1])
"""


def test_imagenet_weights_are_found_under_keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = tmp_path / "models" / MOBILENET.weights_file
    path.parent.mkdir()
    path.write_bytes(b"w")
    found = find_weights(MOBILENET)
    assert (found.name, found.path) == ("imagenet", path)


def test_without_weights_and_network_the_error_says_everything(monkeypatch):
    monkeypatch.setattr(applications, "_DOWNLOAD", OFFLINE)
    path = imagenet_file(MOBILENET)
    with pytest.raises(WeightsNotFoundError, match="not on this machine") as caught:
        find_weights(MOBILENET)
    message = str(caught.value)
    for part in (
        path.name,
        str(path.parent),
        "--weights FILE",
        "KERAS_HOME",
        "and could not be downloaded (Name or service not known): put the file",
    ):
        assert part in message
    offered = str(caught.value.offering("take another"))
    assert "downloaded (Name or service not known): take another; or put the file" in offered
    assert not path.parents[1].exists(), "KERAS_HOME was created, or something was left in it"
    assert not list(path.parents[2].glob(".download-*"))


def test_a_download_lands_under_its_name_and_leaves_nothing_else(monkeypatch):
    monkeypatch.setattr(applications, "_DOWNLOAD", ONLINE)
    found = find_weights(MOBILENET)
    assert found.path == imagenet_file(MOBILENET)
    assert found.path.read_text() == "MobileNetV2"
    assert [path.name for path in found.path.parent.iterdir()] == [found.path.name]


def test_a_download_into_a_pipe_says_that_it_goes_on(monkeypatch, capfd):
    monkeypatch.setattr(applications, "_DOWNLOAD", f"import time; time.sleep(0.3)\n{ONLINE}")
    monkeypatch.setattr(progress, "_FIRST_LINE_S", 0.05)
    find_weights(MOBILENET).path.unlink()
    assert "Downloading the ImageNet weights of mobilenet_v2: 0 s\n" in capfd.readouterr().err
    find_weights(MOBILENET, progress=False)
    assert capfd.readouterr().err == ""


def test_a_download_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(applications, "_DOWNLOAD", SLOW)
    start = time.monotonic()
    with pytest.raises(WeightsNotFoundError, match=r"no answer within 0\.5 s"):
        find_weights(MOBILENET, download_timeout_s=0.5)
    assert time.monotonic() - start < 30


def test_a_weights_file_that_is_not_there():
    with pytest.raises(UsageError, match=r"no weights file at nowhere\.h5"):
        find_weights(MOBILENET, "nowhere.h5")
    with pytest.raises(UsageError, match="draws its weights"):
        find_weights(find_backbone("random"), "some.h5")


def test_a_folder_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsNotFoundError, match="cannot be written"):
        find_weights(MOBILENET)


def test_keras_home_defaults_to_the_users(monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    assert applications.keras_models_folder() == Path.home() / ".keras" / "models"

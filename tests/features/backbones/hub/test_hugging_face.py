"""Networks of the Hugging Face Hub, with a Hub that is made here and its library's own cache."""

import json
import logging
from types import SimpleNamespace

import pytest

from bottlebank.errors import (
    EngineError,
    LibraryNotFoundError,
    UnknownExtractorError,
    UsageError,
    WeightsNotFoundError,
)
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.backbones.hub.hugging_face import Repository, download

from .published import FAMILIES
from .test_folder import network

hub = pytest.importorskip("huggingface_hub")

OLD, NEW = "0" * 39 + "a", "0" * 39 + "b"
NAME = "hf:owner/dinov2-small"
FILES = {
    "README.md": b"---\nlicense: apache-2.0\n---\n",
    "preprocessor_config.json": json.dumps(
        FAMILIES["dinov2"].files["preprocessor_config.json"]
    ).encode(),
    "config.json": b'{"model_type": "dinov2"}',
    "model.safetensors": b"large",
    "onnx/model.onnx": network(224),
    "onnx/model_q4.onnx": b"other",
    "tokenizer.json": b"{}",
}


class Hub:
    """A Hub with one repository, which writes the cache as huggingface_hub does."""

    def __init__(self, cache) -> None:
        self.files, self.commit, self.error = dict(FILES), NEW, None
        self.folder = cache / "models--owner--dinov2-small"
        self.asked: list[str] = []
        self._kept = hub.snapshot_download

    def model_info(self, id, *, revision, timeout, files_metadata):
        self.asked.append(f"{id}@{revision}")
        if self.error is not None:
            raise self.error
        siblings = [
            SimpleNamespace(rfilename=name, size=len(data)) for name, data in self.files.items()
        ]
        return SimpleNamespace(sha=self.commit, siblings=siblings)

    def snapshot_download(self, id, *, revision, allow_patterns, local_files_only=False, **_):
        if local_files_only:
            return self._kept(
                id, revision=revision, allow_patterns=allow_patterns, local_files_only=True
            )
        assert id == "owner/dinov2-small"
        commit = revision if revision == self.commit else self.commit
        for name in allow_patterns:
            self.asked.append(name)
            blob = self.folder / "blobs" / str(abs(hash(self.files[name])))
            link = self.folder / "snapshots" / commit / name
            for each in (blob, link):
                each.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(self.files[name])
            link.unlink(missing_ok=True)
            link.symlink_to(blob)
        if revision != commit:
            (self.folder / "refs").mkdir(exist_ok=True)
            (self.folder / "refs" / (revision or "main")).write_text(commit)
        return str(self.folder / "snapshots" / commit)


@pytest.fixture
def made_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # whatever else is asked
    made = Hub(tmp_path)
    monkeypatch.setattr(hub, "snapshot_download", made.snapshot_download)
    monkeypatch.setattr(hub.HfApi, "model_info", staticmethod(made.model_info))
    return made


def error_of(kind: type[Exception]) -> Exception:
    """An error of huggingface_hub, which wants an answer of the server."""
    error = kind.__new__(kind)
    Exception.__init__(error, "as the server says it")
    return error


def test_what_is_needed_is_downloaded_and_its_licence_told(made_hub, caplog):
    with caplog.at_level(logging.WARNING):
        recipe, found = recipe_for(ExtractorSpec(NAME))
    assert made_hub.asked == [
        "owner/dinov2-small@None",
        "preprocessor_config.json",
        "config.json",
        "README.md",
        "onnx/model.onnx",
    ]
    assert caplog.messages == [f"{NAME}@{NEW}: licence apache-2.0"]
    assert recipe.extractor == f"{NAME}@{NEW}"
    assert recipe.licence == "apache-2.0"
    assert found.path is not None
    assert found.path.read_bytes() == FILES["onnx/model.onnx"]
    caplog.clear()
    made_hub.asked.clear()
    assert recipe_for(ExtractorSpec(NAME))[0] == recipe
    assert "onnx/model.onnx" not in made_hub.asked
    assert caplog.messages == []


def test_numbers_beside_the_network_are_downloaded_with_it(made_hub, caplog):
    made_hub.files["onnx/model.onnx_data"] = b"12"
    made_hub.files["onnx/model_q4.onnx_data"] = b"no"
    made_hub.files["README.md"] = b"# Model\n"
    folder = download(NAME)
    assert (folder / "onnx" / "model.onnx_data").read_bytes() == b"12"
    assert not (folder / "onnx" / "model_q4.onnx_data").exists()
    assert caplog.messages == [f"{NAME}@{NEW}: it names no licence: ask who published it"]


def test_a_commit_that_is_here_asks_nobody(made_hub):
    folder = download(f"{NAME}@{NEW}")
    made_hub.asked.clear()
    assert download(f"{NAME}@{NEW}") == folder
    assert made_hub.asked == []


def test_a_network_is_not_downloaded_for_pixels_that_are_not_understood(made_hub):
    made_hub.files["preprocessor_config.json"] = b'{"image_processor_type": "SamImageProcessor"}'
    with pytest.raises(EngineError, match="image_processor_type: expected one of"):
        download(NAME)
    assert "onnx/model.onnx" not in made_hub.asked


@pytest.mark.parametrize("name", [NAME, f"{NAME}@main", f"{NAME}@{NEW}"])
def test_without_a_connection_the_last_download_is_taken(made_hub, caplog, name):
    folder = download(name)
    caplog.clear()
    made_hub.error = OSError("Name or service not known")
    assert download(name) == folder
    is_pinned = name.endswith(NEW)
    assert caplog.messages == ([] if is_pinned else [
        "the Hugging Face Hub cannot be reached (Name or service not known): "
        f"{NAME}@{NEW} is used as downloaded before"
    ])  # fmt: skip
    caplog.clear()
    made_hub.error = hub.errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    assert download(name) == folder
    assert caplog.messages == []  # as requested


def test_what_has_moved_on_is_downloaded_again(made_hub):
    made_hub.commit = OLD
    old = download(NAME)
    made_hub.commit = NEW
    assert (old.name, download(NAME).name) == (OLD, NEW)


@pytest.mark.parametrize("missing", ["onnx/model.onnx", "preprocessor_config.json"])
def test_half_a_download_is_not_taken(made_hub, missing):
    folder = download(NAME)
    (folder / missing).unlink()
    made_hub.error = hub.errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    if missing == "onnx/model.onnx":
        with pytest.raises(WeightsNotFoundError, match=rf"{NAME} is not on this machine"):
            download(NAME)
    else:
        with pytest.raises(EngineError, match="does not say how pixels are made"):
            recipe_for(ExtractorSpec(NAME))
    made_hub.error = None
    assert (download(f"{NAME}@{NEW}") / "onnx" / "model.onnx").exists()


@pytest.mark.parametrize(
    ("kind", "expected", "message"),
    [
        (
            "GatedRepoError",
            WeightsNotFoundError,
            "accept its licence: do so at https://huggingface.co/owner/dinov2-small, then run",
        ),
        ("RepositoryNotFoundError", UnknownExtractorError, "has no model owner/dinov2-small"),
        ("RevisionNotFoundError", UnknownExtractorError, "owner/dinov2-small has no revision v2"),
        (
            "OfflineModeIsEnabled",
            WeightsNotFoundError,
            "v2 is not on this machine, and the Hugging",
        ),
        ("HfHubHTTPError", WeightsNotFoundError, "run this once where it can be, or copy the rep"),
    ],
)
def test_errors_say_what_to_do(made_hub, kind, expected, message):
    made_hub.error = error_of(getattr(hub.errors, kind))
    with pytest.raises(expected, match=message):
        download(f"{NAME}@v2")


def test_a_repository_without_onnx_is_refused(made_hub):
    del made_hub.files["onnx/model.onnx"], made_hub.files["onnx/model_q4.onnx"]
    with pytest.raises(UnknownExtractorError, match=rf"{NAME}: there is no model.onnx, onnx/model"):
        download(NAME)
    assert made_hub.asked == ["owner/dinov2-small@None"]


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(LibraryNotFoundError, match="pip install huggingface_hub"):
        download(NAME)


@pytest.mark.parametrize(
    "name",
    [
        "hf:",
        "hf:owner",
        "hf:/x",
        "hf:a/b/c",
        "hf:a/b@",
        "hf:../b",
        "hf:a/..",
        "hf:a/b@../../x",
        "hf:a/b c",
        "hf:ü/ñ",
        "hf:a--b/c",
        "hf:a/b.git",
        "hf:-a/b",
        "hf:a/b-",
        "hf:a./b",
        f"hf:{'a' * 50}/{'b' * 50}",
    ],
)
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UsageError, match="expected hf:owner/name or hf:owner/name@revision"):
        download(name)


def test_a_name_is_read():
    assert Repository.parse("hf:a-b/c.d@refs/pr/1") == ("a-b/c.d", "refs/pr/1")
    assert str(Repository.parse("hf:a-b/c.d@refs/pr/1")) == "hf:a-b/c.d@refs/pr/1"

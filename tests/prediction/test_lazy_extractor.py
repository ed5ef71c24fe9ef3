"""The network starts with the first image that needs it, and not before."""

import dataclasses
import logging
import re

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.classifier import load_head, write_head_file
from bottlebank.cli import main
from bottlebank.errors import EngineError, HeadMismatchError, WeightsNotFoundError
from bottlebank.extraction.workers import Workers
from bottlebank.prediction import loading


@pytest.fixture
def head_file(trained, tmp_path):
    write_head_file(trained.head, tmp_path / "head.h5")
    return tmp_path / "head.h5"


@pytest.fixture
def started(monkeypatch):
    """What has been started, in order: networks and decoders."""
    order = []
    real_open, real_start = loading.open_extractor, Workers.start

    def open_extractor(*arguments, **settings):
        order.append("network")
        return real_open(*arguments, **settings)

    def start(decoders):
        order.append("decoders")
        real_start(decoders)

    monkeypatch.setattr(loading, "open_extractor", open_extractor)
    monkeypatch.setattr(Workers, "start", start)
    return order


@pytest.fixture
def new_image(tmp_path):
    path = tmp_path / "new.png"
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (50, 40, 3), np.uint8)).save(path)
    return path


def test_banked_images_start_nothing(head_file, table, cache, started, new_image):
    predict = bb.load_predictor(head_file, cache=cache, many=True)
    expected = [
        predict.ranked(row) for row in load_head(head_file).answer(table.features).probabilities
    ]
    assert list(predict.predict_files(table.paths)) == expected
    assert predict(table.paths) == expected
    assert predict.predict_proba(table.features).shape == (60, 3)
    assert predict.predict(table.paths[:5]).shape == (5,)
    assert "not started yet" in repr(predict)
    assert started == []
    assert len(predict([*table.paths, new_image])) == 61
    assert started == ["decoders", "network"]  # decoders get ready while the network starts
    assert "openvino, float32" in repr(predict)
    assert len(predict([new_image, *table.paths])) == 61
    assert started == ["decoders", "network"]


def test_one_image_and_the_network_itself_start_it(head_file, table, cache, started):
    predict = bb.load_predictor(head_file, cache=cache, many=True)
    assert len(predict(table.paths[0])) == 3
    assert started == ["network"]
    again = bb.load_predictor(head_file, cache=cache, many=True)
    assert again.precision == "float32"
    assert started == ["network"] * 2


def test_without_many_or_kept_probe_it_starts_at_once(head_file, table, cache, started):
    bb.load_predictor(head_file, cache=cache)
    assert started == ["network"]
    (cache / table.report.fingerprint / "parity-float32.npz").unlink()
    bb.load_predictor(head_file, cache=cache, many=True)
    assert started == ["network"] * 2


@pytest.mark.parametrize("extension", [None, "csv", "jsonl"])
def test_the_command_starts_it_for_what_is_new(
    head_file, table, photos, cache, started, new_image, tmp_path, extension, monkeypatch
):
    output = [] if extension is None else ["--output", tmp_path / f"out.{extension}"]

    def predict(*images):
        return main(list(map(str, ["predict", *images, "--head", head_file, *output])))

    monkeypatch.setenv("BOTTLEBANK_CACHE", str(cache))
    assert predict(photos) == predict(*table.paths) == 0
    assert started == []
    assert predict(photos, new_image) == 0
    assert started == ["decoders", "network"]


def test_a_head_of_another_extractor_is_refused_before_it_starts(head_file, cache, started, caplog):
    head = load_head(head_file)
    features = head.golden.features[:, ::-1].copy()
    other = dataclasses.replace(head, golden=head.golden._replace(features=features))
    write_head_file(other, head_file)
    with pytest.raises(HeadMismatchError, match="its golden images give other transfer values"):
        bb.load_predictor(head_file, cache=cache, many=True)
    assert started == []
    with caplog.at_level(logging.WARNING):
        predict = bb.load_predictor(head_file, cache=cache, many=True, parity="warn")
        assert predict.engine == "openvino"
    assert caplog.text.count("its golden images give other transfer values") == 1


def test_a_network_that_cannot_start_is_told_with_the_first_image(
    head_file, table, cache, new_image, monkeypatch
):
    def refuse(*arguments, **settings):
        raise EngineError("no engine can run random")

    predict = bb.load_predictor(head_file, cache=cache, many=True)
    monkeypatch.setattr(loading, "open_extractor", refuse)
    assert len(predict(table.paths)) == 60
    with pytest.raises(EngineError, match="no engine can run random"):
        predict([new_image, table.paths[0]])


@pytest.mark.parametrize("missing", ["weights", "TensorFlow"])
def test_a_server_without_the_converted_network_is_told_to_copy_it(
    head_file, tmp_path, monkeypatch, missing
):
    """Its weights are not on a server, and nor is what converts them."""

    def fails(*arguments, **settings):
        if missing == "weights":
            raise WeightsNotFoundError("no weights", "put them there")
        raise EngineError("no engine can run random")

    monkeypatch.setattr(loading, "open_extractor", fails)
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    networks = re.escape(str(tmp_path / "elsewhere" / "networks"))
    with pytest.raises((EngineError, WeightsNotFoundError), match=f"copy .* into {networks}"):
        bb.load_predictor(head_file, cache=tmp_path / "elsewhere")

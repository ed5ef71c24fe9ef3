"""A head recognises the extractor that it was trained on by measurement."""

import dataclasses
import logging

import cv2
import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.classifier import load_head, write_head_file
from bottlebank.errors import HeadMismatchError, UsageError
from bottlebank.features import Extractor
from bottlebank.features.backbones import random_network
from bottlebank.features.backbones.weights import Weights
from bottlebank.features.golden_files import transfer_values_of
from bottlebank.features.images import fit as preprocess
from bottlebank.prediction import loading
from bottlebank.training import extract_for_head

REASON = r"its golden images give other transfer values here .* cosine .* at least 0\.9999"


@pytest.fixture
def head_file(table, tmp_path):
    write_head_file(bb.train_head(table).head, tmp_path / "head.h5")
    return tmp_path / "head.h5"


def test_the_probe_is_what_the_extractor_makes_of_it(table, head_file, cache):
    head = load_head(head_file)
    assert list(head.golden.files) == list(table.golden.files)
    predictor = bb.load_predictor(head_file, cache=cache)
    again = transfer_values_of(predictor.extractor, head.golden.files)
    np.testing.assert_allclose(again, head.golden.features, rtol=1e-5, atol=1e-5)


def test_it_is_computed_once_and_kept_beside_the_rows(table, photos, cache, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the network was run")

    monkeypatch.setattr(Extractor, "transfer_values", refuse)
    again = bb.extract(bb.load_dataset(photos), "random", cache=cache, precision="float32")
    assert np.array_equal(again.golden.features, table.golden.features)


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x")])
def test_a_lost_or_damaged_golden_file_is_computed_again(table, photos, cache, harm):
    path = cache / table.report.fingerprint / "parity-float32.npz"
    harm(path)
    with CacheFolder(cache) as folder:
        assert folder.parity(table.report.fingerprint, "float32") is None
    again = bb.extract(bb.load_dataset(photos), "random", cache=cache, precision="float32")
    np.testing.assert_allclose(again.golden.features, table.golden.features, rtol=1e-5, atol=1e-5)
    assert path.exists()


def swap_channels(monkeypatch):
    real = Extractor.decode_and_resize

    def decode_and_resize(self, *arguments):
        return np.ascontiguousarray(real(self, *arguments)[:, :, ::-1])

    monkeypatch.setattr(Extractor, "decode_and_resize", decode_and_resize)


def resize_otherwise(monkeypatch):
    def resize(pixels, height, width):
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)

    monkeypatch.setattr(preprocess, "_resize", resize)


def run_with_other_weights(monkeypatch):
    """The recipe says the same; what is run is another network, converted from other weights."""
    monkeypatch.setattr(random_network, "SEED", 1)
    real = loading.open_extractor

    def open_other(recipe, weights, **settings):
        return real(recipe, weights, **{**settings, "networks": None})

    monkeypatch.setattr(loading, "open_extractor", open_other)

    def finder(trained_on, *arguments):  # that of the package compares hashes, and would notice
        return lambda: Weights(trained_on.weights, None, trained_on.weights_sha256)

    monkeypatch.setattr(loading, "weights_finder", finder)


@pytest.mark.parametrize("change", [swap_channels, resize_otherwise, run_with_other_weights])
def test_another_extractor_is_refused(head_file, cache, monkeypatch, change):
    bb.load_predictor(head_file, cache=cache)
    change(monkeypatch)
    with pytest.raises(HeadMismatchError, match=REASON):
        bb.load_predictor(head_file, cache=cache)


def test_with_warn_it_is_used_all_the_same(head_file, table, cache, monkeypatch, caplog):
    swap_channels(monkeypatch)
    with caplog.at_level(logging.WARNING):
        predict = bb.load_predictor(head_file, cache=cache, parity="warn")
    assert "its golden images give other transfer values" in caplog.text
    assert len(predict(table.paths[0])) == 3


def test_evaluating_asks_it_too(head_file, table, photos, cache):
    head = load_head(head_file)
    features = head.golden.features[:, ::-1].copy()
    other = dataclasses.replace(head, golden=head.golden._replace(features=features))
    write_head_file(other, head_file)
    with pytest.raises(HeadMismatchError, match=REASON):
        extract_for_head(bb.load_dataset(photos), head_file, cache=cache)
    extract_for_head(bb.load_dataset(photos), head_file, cache=cache, parity="warn")


def test_images_of_another_version_are_run_through_the_extractor(head_file, table, photos, cache):
    """Their encoder may write other bytes; what counts is what the head's own images give here."""
    head = load_head(head_file)
    changed = head.golden._replace(
        files=head.golden.files[::-1], features=np.ascontiguousarray(head.golden.features[::-1])
    )
    write_head_file(dataclasses.replace(head, golden=changed), head_file)
    extract_for_head(bb.load_dataset(photos), head_file, cache=cache)


def test_golden_images_of_others_are_decoded_in_a_process_of_their_own(
    head_file, table, cache, monkeypatch
):
    """Whoever made the head may have put anything there."""
    head = load_head(head_file)
    files = [b"\x89PNG\r\n\x1a\nno picture", *head.golden.files[1:]]
    write_head_file(dataclasses.replace(head, golden=head.golden._replace(files=files)), head_file)

    def refuse(*arguments):
        raise AssertionError("decoded in this process")

    monkeypatch.setattr(preprocess, "decode_picture", refuse)
    with pytest.raises(
        HeadMismatchError, match=r"a golden image cannot be decoded: truncated or damaged"
    ):
        bb.load_predictor(head_file, cache=cache)


def test_a_head_without_a_probe_is_not_believed(head_file, cache):
    write_head_file(dataclasses.replace(load_head(head_file), golden=None), head_file)
    with pytest.raises(HeadMismatchError, match="it holds no golden images"):
        bb.load_predictor(head_file, cache=cache)
    bb.load_predictor(head_file, cache=cache, parity="warn")
    with pytest.raises(UsageError, match="unknown parity 'ask': expected refuse or warn"):
        bb.load_predictor(head_file, cache=cache, parity="ask")


def test_in_bfloat16_the_limit_is_wider(table, head_file, tmp_path, cache, monkeypatch):
    """Its rounding differs between processors."""
    head = load_head(head_file)
    noise = np.random.default_rng(0).normal(size=head.golden.features.shape)
    shaken = head.golden.features * (1 + 0.06 * noise).astype(np.float32)
    changed = head.golden._replace(features=shaken)
    write_head_file(dataclasses.replace(head, golden=changed), head_file)
    with pytest.raises(HeadMismatchError, match=REASON):
        bb.load_predictor(head_file, cache=cache)
    write_head_file(dataclasses.replace(head, golden=changed, precision="bfloat16"), head_file)
    bb.load_predictor(head_file, cache=cache, precision="float32")
    changed = head.golden._replace(features=-head.golden.features)
    write_head_file(dataclasses.replace(head, golden=changed, precision="bfloat16"), head_file)
    with pytest.raises(HeadMismatchError, match="Train it with --precision float32"):
        bb.load_predictor(head_file, cache=cache, precision="float32")

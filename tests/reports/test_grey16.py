"""A head decodes 16 bits per channel as its training images were decoded, wherever it answers."""

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.cli import main
from bottlebank.errors import ImageRejectedError
from bottlebank.features.golden_images import least_cosine
from bottlebank.service import Settings, create_app
from bottlebank.training import extract_for_head

from ..conftest import picture


@pytest.fixture
def dark(tmp_path):
    """Colour pictures in two classes, 12 bits of 16 in PNG files."""
    for kind in ("disc", "stripes"):
        folder = tmp_path / "dark" / kind
        folder.mkdir(parents=True)
        for seed in range(6):
            pixels = np.asarray(picture(kind, seed)).astype(np.uint16) * 16
            cv2.imwrite(str(folder / f"{seed}.png"), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return tmp_path / "dark"


def test_predictor_service_and_evaluate_stretch_as_training_did(dark, cache, tmp_path, request):
    settings = {"cache": cache, "precision": "float32"}
    scaled = bb.extract(dark, "random", **settings)
    assert scaled.report.dark_16bit == 12
    table = bb.extract(dark, "random", grey16="stretch", **settings)
    assert least_cosine(table.features, scaled.features) < 0.99
    estimator = bb.LogisticHead().fit(table.features, table.labels)
    by_estimator = tmp_path / "estimator.h5"
    bb.save_head(estimator, by_estimator, extractor="random", grey16="stretch", cache=cache)
    path = tmp_path / "trained.h5"
    bb.save_head(bb.train_head(table), path)
    file = table.paths[0]
    with open(file, "rb") as opened:
        data = opened.read()
    for head in (path, by_estimator):
        predict = bb.load_predictor(head, cache=cache)
        alone = predict.transfer_values(predict.decode_and_resize(data)[np.newaxis])
        assert least_cosine(alone, table.features[:1]) > 0.9999
        expected = dict(predict(file))
        assert dict(predict([file, file])[1]) == pytest.approx(expected, abs=1e-3)
        app = create_app(Settings(head=str(head), cache=str(cache), precision="float32"))
        request.addfinalizer(app.extensions["bottlebank.service"].close)
        answer = app.test_client().post("/embed", data=data, content_type="image/png").get_json()
        served = np.array([answer["embeddings"][0]["features"]], np.float32)
        assert least_cosine(served, table.features[:1]) > 0.9999
        judged, _ = extract_for_head(bb.load_dataset(dark), head, cache=cache)
        assert judged.report.cached == 12


def test_an_image_is_drawn_as_it_is_extracted(dark, cache, tmp_path, monkeypatch):
    drawn = []

    def draw(values, path, title, image, *theme):
        drawn.append(image)

    monkeypatch.setattr("bottlebank.reports.image_heatmap.draw_transfer_values", draw)
    image = str(dark / "disc" / "0.png")
    for grey16 in ("scale", "stretch"):
        command = ["plot", image, "--extractor", "random", "--grey16", grey16]
        main([*command, "--cache", str(cache), "--output", str(tmp_path / "drawn.png")])
    dark_one, bright_one = drawn
    assert np.abs(bright_one - dark_one.astype(int) * 16).max() < 32
    assert bright_one.max() > 10 * dark_one.max()


def test_a_predictor_has_a_limit_of_its_own(dark, cache, tmp_path):
    table = bb.extract(dark, "random", cache=cache, precision="float32")
    path = tmp_path / "head.h5"
    bb.save_head(bb.train_head(table), path)
    image = dark / "disc" / "0.png"
    small = bb.load_predictor(path, cache=tmp_path / "empty", max_pixels=1000)
    with pytest.raises(ImageRejectedError, match="--max-pixels raises the limit"):
        small(image)
    assert "more than the 1,000" in small([image, image])[0].error
    assert small.with_head(path)([image, image])[1].error is not None
    assert next(small.predict_files([image], max_pixels=10_000)).error is None


NEARLY_BLACK = "nearly black: of 16 bits per channel it uses at most the lowest 1/16 of the range; "


@pytest.mark.slow
def test_predictions_of_nearly_black_pictures_say_so(dark, cache, tmp_path, request, capfd):
    new = np.asarray(picture("disc", 50)).astype(np.uint16) * 16
    colour = cv2.imencode(".png", new)[1].tobytes()
    grey = cv2.imencode(".png", new[:, :, 0])[1].tobytes()
    bright = cv2.imencode(".png", new * 16)[1].tobytes()
    eight = cv2.imencode(".png", (new // 16).astype(np.uint8))[1].tobytes()
    black = cv2.imencode(".png", new[:, :, 0] * 0)[1].tobytes()
    for grey16, notes in (
        ("scale", [True, True, True, False, False, False]),
        ("stretch", [False] * 6),
    ):
        table = bb.extract(dark, "random", cache=cache, precision="float32", grey16=grey16)
        head = tmp_path / f"{grey16}.h5"
        bb.save_head(bb.train_head(table), head)
        predict = bb.load_predictor(head, cache=cache)
        opened = Image.open(io.BytesIO(grey))
        images = [colour, grey, opened, bright, eight, black]
        for answers in (predict(images), [predict(image) for image in images]):
            assert [answer.note is not None for answer in answers] == notes
            assert all((NEARLY_BLACK in repr(answer)) == noted for answer, noted in
                       zip(answers, notes, strict=True))  # fmt: skip
            assert ("nearly black" in answers[0]._repr_html_()) == notes[0]
        app = create_app(Settings(head=str(head), cache=str(cache), precision="float32"))
        request.addfinalizer(app.extensions["bottlebank.service"].close)
        files = {"image": [(io.BytesIO(data), "a.png") for data in (bright, b"words", colour)]}
        entries = app.test_client().post("/predict", data=files).get_json()["predictions"]
        assert [entry.get("note", "").startswith(NEARLY_BLACK) for entry in entries] == [
            False,
            False,
            notes[0],
        ]
        (tmp_path / "colour.png").write_bytes(colour)
        (tmp_path / "bright.png").write_bytes(bright)
        names = [str(tmp_path / "colour.png"), str(tmp_path / "bright.png")]
        capfd.readouterr()
        assert main(["predict", *names, "--head", str(head), "--cache", str(cache), "--json"]) == 0
        printed = capfd.readouterr()
        found = [json.loads(line)["note"] is not None for line in printed.out.splitlines()]
        assert found == [notes[0], False]
        warning = "warning: 1 image with 16 bits per channel came out nearly black; heads that are"
        assert printed.err.count(warning) == notes[0]

"""Extraction, predictor and service give one answer to each format, or one refusal."""

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.features.golden_images import least_cosine
from bottlebank.service import Settings, create_app

from ..features.images.written import (
    encoded,
    old_style_jpeg_tiff,
    picture,
    written,
)


def test_one_answer_everywhere(photos, cache, tmp_path, request):
    files = {name: data for name, (data, _) in written().items()}
    files["old-style JPEG in TIFF"] = old_style_jpeg_tiff()
    refused = {"ICO": encoded(picture(), "ICO"), "float TIFF": float_tiff()}
    refused["JPEG 2000"] = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99)
    paths = {}
    for name, data in {**files, **refused}.items():
        paths[name] = photos / "disc" / f"{name}.tif"  # the content counts, not the name
        paths[name].write_bytes(data)
    table = bb.extract(photos, "random", cache=cache, precision="float32")
    rows = dict(zip(table.paths, table.features, strict=True))
    reasons = dict(table.rejected)
    assert {str(paths[name]) for name in refused} == set(reasons)

    bb.save_head(bb.train_head(table), tmp_path / "head.h5")
    predict = bb.load_predictor(tmp_path / "head.h5", cache=tmp_path / "empty")
    predicted = dict(zip(paths, predict(list(map(str, paths.values()))), strict=True))
    app = create_app(
        Settings(head=str(tmp_path / "head.h5"), cache=str(cache), precision="float32")
    )
    request.addfinalizer(app.extensions["bottlebank.service"].close)
    client = app.test_client()
    for name, data in files.items():
        row = rows[str(paths[name])][np.newaxis]
        answer = client.post("/embed", data=data, content_type="image/*").get_json()
        served = np.array([answer["embeddings"][0]["features"]], np.float32)
        assert least_cosine(served, row) > 0.9999, name
        expected = dict(zip(predict.classes, predict.predict_proba(row)[0], strict=True))
        assert dict(predicted[name]) == pytest.approx(expected, abs=1e-3), name
    for name, data in refused.items():
        reason = reasons[str(paths[name])]
        assert predicted[name].error == reason
        answer = client.post("/predict", data=data, content_type="image/*")
        assert answer.status_code in (400, 422)
        assert reason in answer.get_json()["error"]["message"]


def float_tiff():
    return encoded(picture().convert("F"), "TIFF")

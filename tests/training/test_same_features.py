"""One image has one row: alone, among others, from the cache, and through the service."""

import io

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.features.engines.select import preferred_precisions
from bottlebank.features.golden_images import COSINE_LIMITS, least_cosine
from bottlebank.features.images.decoder import read
from bottlebank.service import Settings, create_app

from ..conftest import picture


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """JPEG, PNG, WebP, CMYK, and every orientation."""
    image = picture("disc", 3).resize((150, 110), Image.Resampling.BICUBIC)
    found = {
        "jpeg.jpg": encoded(image, "JPEG"),
        "png.png": encoded(image, "PNG"),
        "webp.webp": encoded(image, "WEBP"),
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"exif {orientation}.jpg"] = encoded(image, "JPEG", exif=exif)
    return found


def in_both_precisions():
    for precision in ("float32", "bfloat16"):
        lacks = precision not in preferred_precisions("openvino")
        reason = f"this CPU does not compute in {precision}"
        yield pytest.param(precision, marks=pytest.mark.skipif(lacks, reason=reason))


@pytest.mark.parametrize("how", ["squash", "crop"])
@pytest.mark.parametrize("precision", list(in_both_precisions()))
def test_alone_in_a_batch_and_through_the_service(photos, cache, tmp_path, precision, how, request):
    settings = {"cache": cache, "precision": precision, "fit": how}
    for name, data in files().items():
        (photos / "disc" / name).write_bytes(data)
    table = bb.extract(bb.load_dataset(photos), "random", **settings)
    assert (table.report.rejected, table.report.duplicates) == (0, 0)
    cached = dict(zip(table.paths, table.features, strict=True))

    head = bb.LogisticHead().fit(table.features, table.labels)
    bb.save_head(
        head, tmp_path / "h.h5", extractor="random", precision=precision, cache=cache, fit=how
    )
    predictor = bb.load_predictor(tmp_path / "h.h5", cache=cache)
    assert predictor.precision == precision
    limit = COSINE_LIMITS[precision]
    pixels = {path: predictor.decode_and_resize(read(path)[0]) for path in table.paths}
    batch = predictor.transfer_values(np.stack(list(pixels.values())[:64]))
    assert len(batch) == 64
    assert least_cosine(batch, table.features[:64]) >= limit

    limits = Settings(head=str(tmp_path / "h.h5"), cache=str(cache), precision=precision)
    app = create_app(limits)
    request.addfinalizer(app.extensions["bottlebank.service"].close)
    client = app.test_client()
    for name, data in files().items():
        row = cached[str(photos / "disc" / name)]
        alone = predictor.transfer_values(pixels[str(photos / "disc" / name)][np.newaxis])
        assert least_cosine(alone, row[np.newaxis]) >= limit
        answer = client.post("/embed", data=data, content_type="image/*").get_json()
        embedded = np.array(answer["embeddings"][0]["features"], np.float32)
        assert least_cosine(embedded[np.newaxis], row[np.newaxis]) >= limit
        answer = client.post("/predict", data=data, content_type="image/*").get_json()
        top = answer["predictions"][0]["top"]
        served = {entry["label"]: entry["probability"] for entry in top}
        expected = dict(zip(head.classes_, head.predict_proba(row[np.newaxis])[0], strict=True))
        tolerance = {"float32": 1e-3, "bfloat16": 0.1}[precision]
        assert served == pytest.approx(expected, abs=tolerance), name


@pytest.mark.weights
@pytest.mark.slow
def test_bfloat16_costs_the_head_no_accuracy(imagenet, clothing, tmp_path):
    if "bfloat16" not in preferred_precisions("openvino"):
        pytest.skip("this CPU does not compute in bfloat16")
    accuracy = {}
    for precision in ("float32", "bfloat16"):
        table = bb.extract(
            bb.load_dataset(clothing), "mobilenet_v2", cache=tmp_path, precision=precision
        )
        trained = bb.train_head(table)
        accuracy[precision] = trained.evaluations["validation"].accuracy
    print(accuracy)  # noqa: T201 (for `pytest -s`)
    assert min(accuracy.values()) >= 0.82
    assert abs(accuracy["float32"] - accuracy["bfloat16"]) <= 0.01

"""What a predictor takes for an image, what it answers, and where it finds transfer values."""

import io
import os
import sqlite3
import time

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.classifier import write_head_file
from bottlebank.errors import ImageRejectedError, UsageError
from bottlebank.features.extractor import Extractor
from bottlebank.prediction import file_rows


@pytest.fixture
def head_file(trained, tmp_path):
    path = tmp_path / "head.h5"
    write_head_file(trained.head, path)
    return path


@pytest.fixture
def predict(head_file, cache):
    return bb.load_predictor(head_file, cache=cache)


@pytest.fixture
def no_network(monkeypatch, predict):
    """From here on, nothing is read or computed."""

    def fail(*arguments):
        raise AssertionError("this image is in the cache")

    monkeypatch.setattr(Extractor, "transfer_values", fail)
    monkeypatch.setattr("bottlebank.prediction.memory_rows.decode_here", fail)
    monkeypatch.setattr("bottlebank.extraction.workers.Workers.start", fail)
    monkeypatch.setattr("bottlebank.features.images.decoder_pool.DecoderPool.decode", fail)


def assert_same(found, expected):
    """Products of matrices of other heights are added up in another order."""
    assert [[label for label, _ in each] for each in found] == [
        [label for label, _ in each] for each in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert [share for _, share in one] == pytest.approx([share for _, share in other])
        assert one.unknown == other.unknown


def test_every_form_of_one_picture_has_the_same_answer(predict, photos):
    path = photos / "disc" / "03.png"
    data = path.read_bytes()
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    pixels = np.asarray(picture)
    expected = predict(str(path))
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    with path.open("rb") as file:
        forms = [path, data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        forms += [picture, picture.convert("RGBA"), pixels, opaque, pixels[:, :, ::-1][:, :, ::-1]]
        for form in forms:
            assert predict(form) == expected, type(form)
    assert_same(predict([path, data, picture]), [expected] * 3)
    assert_same(predict(str(each) for each in [path, path]), [expected] * 2)
    assert_same(predict(np.stack([pixels, pixels])), [expected] * 2)
    assert_same(predict(np.array([str(path)])), [expected])
    assert predict([]) == []
    grey = pixels[:, :, 0]
    assert predict(grey) == predict(grey[:, :, None]) == predict(np.dstack([grey] * 3))
    for mode in ("1", "L", "P", "LA", "CMYK", "YCbCr", "HSV", "I;16"):
        made = picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)
        assert sum(share for _, share in predict(made)) == pytest.approx(1), mode


def test_the_orientation_of_a_pil_image_is_applied_as_that_of_its_file(predict, tmp_path):
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 256, (40, 64, 3), dtype=np.uint8))
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        for name in ("turned.png", "turned.tif", "turned.webp"):
            picture.save(tmp_path / name, exif=exif)
            with Image.open(tmp_path / name) as opened:
                assert predict(opened) == predict(tmp_path / name), (name, orientation)


def test_what_is_no_image_is_refused_with_what_would_be(predict):
    for given, phrase in (
        (np.zeros((8, 8, 3), np.float32), r"received float32 \(8, 8, 3\): for values from 0 to 1"),
        (np.zeros((8, 8), np.uint16), r"received uint16 .*// 257"),
        (np.zeros((8, 8), bool), "received bool"),
        (np.zeros((3, 8, 9), np.uint8), r"channels first, array.transpose\(1, 2, 0\)"),
        (np.zeros((8, 8, 2), np.uint8), r"received uint8 \(8, 8, 2\)"),
        (7, "expected a path, .* received an int"),
        (None, "received None, which cv2.imread returns"),
        ({"a": 1}, "received a dict"),
        ({"a"}, "received a set"),
        (io.StringIO("x"), "received a text one"),
    ):
        with pytest.raises(UsageError, match=phrase):
            predict(given)


def test_refusals_name_the_image(predict, tmp_path):
    with pytest.raises(ImageRejectedError, match=r"^nope\.jpg: cannot be read: No such file"):
        predict("nope.jpg")
    with pytest.raises(ImageRejectedError, match="that is a pattern, it matched no file"):
        predict("nothing/*.jpg")
    with pytest.raises(ImageRejectedError, match="addresses are not fetched"):
        predict("https://example.org/a.jpg")
    with pytest.raises(UsageError, match=r"is a folder: give a list of its files"):
        predict(tmp_path)
    with pytest.raises(ImageRejectedError, match="0 bytes"):
        predict(b"")
    read = io.BytesIO(b"some bytes")
    read.seek(0, io.SEEK_END)
    with pytest.raises(ImageRejectedError, match=r"is at byte 10: call seek\(0\) first"):
        predict(read)
    with pytest.raises(ImageRejectedError, match="no pixels"):
        predict(np.zeros((0, 4, 3), np.uint8))


def test_one_bad_image_of_several_has_its_error(predict, photos):
    good = photos / "disc" / "03.png"
    answers = predict([good, "nope.jpg", good, b"words"])
    assert [each.error is None for each in answers] == [True, False, True, False]
    assert (answers[1].label, answers[1].probability, answers[1].path) == (None, None, "nope.jpg")
    assert repr(answers[1]) == "error: cannot be read: No such file or directory"
    assert_same([answers[0], answers[2]], [predict(good)] * 2)
    with pytest.raises(ImageRejectedError, match=r"image 1: nope\.jpg: cannot be read"):
        predict.predict([good, "nope.jpg"])


def test_scikit_learns_names(predict, table):
    proba = predict.predict_proba(table.paths[:5])
    assert proba.shape == (5, 3)
    assert predict.classes_.tolist() == ["checks", "disc", "stripes"]
    assert proba == pytest.approx(predict.predict_proba(table.features[:5]), abs=1e-6)
    assert predict.predict(table.paths[:5]).tolist() == [
        each.label for each in predict(table.paths[:5])
    ]
    assert predict.predict_proba([]).shape == (0, 3)
    with pytest.raises(UsageError, match=r"transfer values \(n, 512\), received \(2, 7\)"):
        predict.predict(np.zeros((2, 7)))
    with pytest.raises(UsageError, match="received a str: put it into a list"):
        predict.predict(table.paths[0])


def test_a_prediction_is_a_list_that_prints_well(predict, photos):
    found = predict(photos / "disc" / "03.png")
    assert isinstance(found, list)
    (label, probability), *rest = found
    assert (found.label, found.probability) == (label, probability)
    assert found == found.ranked == [(label, probability), *rest]
    assert repr(found).startswith(f"{label} {100 * probability:.1f} %, ")
    many = bb.Prediction([(f"<b>{n}", 0.01) for n in range(100)])
    assert len(repr(many)) < 150
    assert repr(many).endswith("… 95 more")
    assert "&lt;b&gt;0" in many._repr_html_()
    unknown = bb.Prediction([("shirt", 0.939)], unknown=True)
    assert repr(unknown) == "unknown: resembles none of the classes, or several (best guess shirt)"
    assert "%" not in unknown._repr_html_()
    assert len(repr(predict)) < 200


def test_banked_images_are_neither_decoded_nor_run(predict, table, no_network):
    answers = list(predict.predict_files(table.paths))
    expected = predict.predict_proba(table.features)
    for answer, row in zip(answers, expected, strict=True):
        assert answer.probability == pytest.approx(row.max(), abs=1e-6)


def test_known_files_are_not_read_and_moved_ones_are_found_by_content(
    predict, table, no_network, photos, cache, monkeypatch
):
    # Files that were written just before they were read are not known yet.
    bb.extract(photos, "random", cache=cache, engine="openvino", precision="float32")
    expected = list(predict.predict_files(table.paths))
    photos.rename(photos.with_name("moved"))
    moved = [path.replace("/photos/", "/moved/") for path in table.paths]
    assert list(predict.predict_files(moved)) == expected
    photos.with_name("moved").rename(photos)

    def fail(file):
        raise AssertionError(f"{file} is known")

    monkeypatch.setattr("bottlebank.extraction.workers.read_and_hash", fail)
    assert list(predict.predict_files(table.paths)) == expected


def test_new_and_banked_images_keep_their_order(predict, table, photos, tmp_path):
    expected = {path: predict(path).label for path in table.paths}
    new = tmp_path / "new.png"
    Image.open(photos / "disc" / "00.png").rotate(90).save(new)
    mixed = [path for each in table.paths for path in (each, str(new), "gone.png")]
    answers = list(predict.predict_files(iter(mixed)))
    assert [answer.path for answer in answers] == mixed
    assert [answer.label for answer in answers[::3]] == [*expected.values()]
    assert {answer.label for answer in answers[1::3]} == {predict(new).label}
    assert all("No such file" in answer.error for answer in answers[2::3])


def test_of_equal_files_on_their_way_one_is_computed(head_file, tmp_path, monkeypatch):
    counted = []
    real = Extractor.transfer_values

    def transfer_values(self, images):
        counted.append(len(images))
        return real(self, images)

    paths = [tmp_path / f"{number}.png" for number in range(90)]
    for number, path in enumerate(paths):
        Image.new("RGB", (9, 9), (10 * (number % 3), 0, 0)).save(path)
    paths[40].write_bytes(b"torn")
    paths[41].write_bytes(b"torn")
    predict = bb.load_predictor(head_file, cache=tmp_path / "cache")
    expected = [predict(path) for path in paths[:3]]
    monkeypatch.setattr(Extractor, "transfer_values", transfer_values)
    answers = list(predict.predict_files(paths))
    assert sum(counted) == 3
    for number, answer in enumerate(answers):
        if number not in (40, 41):
            assert answer.label == expected[number % 3].label
            assert answer.probability == pytest.approx(expected[number % 3].probability, abs=1e-3)
    assert answers[40].error == answers[41].error and "not an image" in answers[40].error


def test_files_and_images_in_memory_mixed_keep_their_order(predict, photos, tmp_path):
    path = tmp_path / "new.png"
    Image.open(photos / "disc" / "00.png").rotate(90).save(path)
    folder = str(tmp_path)
    images = [path, path.read_bytes(), folder, None, path, Image.open(path), "gone.png", path]
    answers = predict(iter(images * 20))
    assert [bool(answer.error) for answer in answers] == [
        False, False, True, True, False, False, True, False,
    ] * 20  # fmt: skip
    assert {answer.label for answer in answers if not answer.error} == {predict(path).label}
    assert "is a folder" in answers[2].error and "No such file" in answers[6].error


def test_an_image_that_is_given_many_times_is_read_once(predict, photos):
    """Pillow reads its file when it is first used, and two threads would spoil it."""
    path = photos / "disc" / "00.png"
    expected = predict(path)
    for _ in range(5):
        with Image.open(path) as image:
            answers = predict([image] * 60)
        assert {(answer.label, answer.error) for answer in answers} == {(expected.label, None)}


@pytest.mark.parametrize("name", ["\ud800x.jpg", "\ud83d\udca9.jpg", "x\0.jpg", "x" * 300, ""])
def test_a_name_that_no_file_can_have_costs_no_other_image(predict, table, tmp_path, name):
    new = tmp_path / "💩.jpg"
    Image.new("RGB", (9, 9), (7, 200, 90)).save(new)
    bad = str(tmp_path / name) if name else name
    answers = list(predict.predict_files([str(new), bad, *table.paths[:40], bad]))
    assert [bool(answer.error) for answer in answers] == [False, True, *[False] * 40, True]


def test_a_folder_that_is_gone_costs_no_other_image(predict, table, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    Image.new("RGB", (9, 9), (7, 200, 90)).save(tmp_path / "new.png")
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    answers = list(predict.predict_files([str(tmp_path / "new.png"), *["x.jpg"] * 3]))
    assert [bool(answer.error) for answer in answers] == [False, True, True, True]


def test_a_line_of_known_files_does_not_grow_without_end(predict, table, tmp_path, monkeypatch):
    monkeypatch.setattr(file_rows, "_MOST_IN_LINE", 8)
    monkeypatch.setattr(file_rows, "_LOOKED_UP_TOGETHER", 4)
    new = tmp_path / "new.png"
    Image.new("RGB", (9, 9), (7, 200, 90)).save(new)
    drawn = []

    def paths():
        for path in [str(new), *table.paths]:
            drawn.append(path)
            yield path

    answers = predict.predict_files(paths())
    assert next(answers).path == str(new)
    assert len(drawn) <= 13
    assert [answer.path for answer in answers] == list(table.paths)


@pytest.mark.parametrize("trouble", ["missing", "damaged index", "damaged shard", "another recipe"])
def test_a_cache_in_trouble_does_not_matter(predict, table, cache, trouble):
    expected = [predict(path).label for path in table.paths]
    rows = cache / table.report.fingerprint
    if trouble == "missing":
        cache.rename(cache.with_name("away"))
    elif trouble == "damaged index":
        (cache / "index.sqlite").write_bytes(b"nonsense" * 1000)
    elif trouble == "damaged shard":
        for shard in (rows / "float32").glob("*.h5"):
            shard.write_bytes(shard.read_bytes()[:-5000] + bytes(5000))
    else:
        rows.rename(cache / ("0" * 64))
    assert [answer.label for answer in predict.predict_files(table.paths)] == expected


def test_moved_files_are_computed_where_their_rows_are_damaged(predict, photos, table, cache):
    expected = [predict(path).label for path in table.paths]
    for shard in (cache / table.report.fingerprint / "float32").glob("*.h5"):
        times = shard.stat()
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
        os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    photos.rename(photos.with_name("moved"))
    moved = [path.replace("/photos/", "/moved/") for path in table.paths]
    assert [answer.label for answer in predict.predict_files(moved)] == expected


def test_an_index_that_stays_locked_does_not_matter(head_file, table, cache, request):
    database = sqlite3.connect(cache / "index.sqlite", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    start = time.monotonic()
    predict = request.getfixturevalue("predict")
    request.getfixturevalue("no_network")
    answers = list(predict.predict_files(table.paths))
    assert time.monotonic() - start < 25  # others wait for 30 s at each opening
    assert [answer.label for answer in answers] == predict.predict(table.features).tolist()
    database.close()


def test_a_writer_of_the_cache_does_not_matter(predict, table, cache):

    with CacheFolder(cache) as folder:
        variant = folder.open(table.report.fingerprint, "float32")
        with variant.writer(table.recipe.as_dict()):
            assert len(list(predict.predict_files(table.paths))) == 60

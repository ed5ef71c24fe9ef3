"""What callers give for one of many images: whatever is wrong with one costs that one alone."""

import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.classifier import write_head_file
from bottlebank.errors import ImageRejectedError, UsageError


@pytest.fixture
def predict(trained, cache, tmp_path):
    write_head_file(trained.head, tmp_path / "head.h5")
    return bb.load_predictor(tmp_path / "head.h5", cache=cache)


class Reading:
    """A file object of others."""

    name = "theirs.png"

    def __init__(self, *answers):
        self._answers = list(answers)

    def read(self, n_bytes=-1):
        answer = self._answers.pop(0) if self._answers else b""
        if isinstance(answer, Exception):
            raise answer
        return answer


class Asynchronous:
    async def read(self, n_bytes=-1):
        return b""


class WithoutSize:
    def read(self):
        return b""


def closed_file():
    file = io.BytesIO(b"some bytes")
    file.close()
    return file


def exhausted_file():
    file = io.BytesIO(b"some bytes")
    file.read()
    return file


def closed_picture(path):
    with Image.open(path) as picture:
        pass
    return picture


def released_view():
    view = memoryview(b"some bytes")
    view.release()
    return view


def masked():
    return np.ma.masked_array(np.zeros((8, 8, 3), np.uint8), mask=np.eye(8)[..., None] * [1, 1, 1])


BAD = {
    "missing path": (lambda path: "nope.jpg", "No such file"),
    "no path": (lambda path: "", "No such file"),
    "NUL in a path": (lambda path: "a\0b", "null"),
    "half a character": (lambda path: "\ud800.jpg", "cannot be read"),
    "folder": (lambda path: path.parent, "is a folder"),
    "empty bytes": (lambda path: b"", "0 bytes"),
    "words": (lambda path: bytearray(b"words"), "no image|not an image|begins"),
    "released view": (lambda path: released_view(), "released memoryview"),
    "closed file": (lambda path: closed_file(), "cannot be read: I/O operation on closed file"),
    "exhausted file": (lambda path: exhausted_file(), r"is at byte 10: call seek\(0\)"),
    "text file": (lambda path: io.StringIO("words"), "received a text one"),
    "file without a name": (lambda path: io.BytesIO(), "0 bytes"),
    "nothing to read yet": (lambda path: Reading(None), "nothing to read yet"),
    "read of numbers": (lambda path: Reading(7), r"read\(\) returned int"),
    "read of words": (lambda path: Reading("words"), r"read\(\) returned str"),
    "read that fails": (lambda path: Reading(OSError(5, "Input/output error")), "Input/output"),
    "read that fails oddly": (lambda path: Reading(KeyError("x")), "cannot be read: 'x'"),
    "read without a size": (lambda path: WithoutSize(), "cannot be read: .*argument"),
    "asynchronous read": (lambda path: Asynchronous(), r"`await file.read\(\)`"),
    "class of files": (lambda path: io.BytesIO, "cannot be read"),
    "closed picture": (closed_picture, "the PIL image is closed"),
    "picture without pixels": (lambda path: Image.new("RGB", (0, 4)), "no pixels"),
    "None": (lambda path: None, "received None, which cv2.imread returns"),
    "array without pixels": (lambda path: np.zeros((0, 4, 3), np.uint8), "no pixels"),
    "array of floats": (lambda path: np.zeros((8, 8, 3)), "received float64"),
    "array of 16 bits": (lambda path: np.zeros((8, 8), np.uint16), "// 257"),
    "array of objects": (lambda path: np.full((8, 8), None), "received object"),
    "array of records": (lambda path: np.zeros((8, 8), "u1,u1"), "received "),
    "array of dates": (lambda path: np.zeros((8, 8), "M8[s]"), "received datetime64"),
    "array of numbers": (lambda path: np.zeros(8, np.uint8), r"received uint8 \(8,\)"),
    "array of a number": (lambda path: np.array(7, np.uint8), r"received uint8 \(\)"),
    "array of pictures": (lambda path: np.zeros((1, 8, 8, 3), np.uint8), r"uint8 \(1, 8, 8, 3\)"),
    "channels first": (lambda path: np.zeros((3, 8, 8), np.uint8), "channels first"),
    "masked array": (lambda path: masked(), r"24 values are masked.*filled\(0\)"),
}


@pytest.fixture
def good(photos):
    return photos / "disc" / "03.png"


def test_each_bad_image_of_a_list_has_its_error_and_the_others_their_predictions(predict, good):
    expected = predict(good)
    given = []
    for make, _ in BAD.values():
        given += [make(good), good.read_bytes()]
    answers = predict(given)
    for answer in answers[1::2]:  # of several rows at once, some BLAS differs in the last bits
        assert (answer.unknown, answer.error) == (expected.unknown, None)
        assert [label for label, _ in answer] == [label for label, _ in expected]
        np.testing.assert_allclose([p for _, p in answer], [p for _, p in expected], rtol=1e-6)
    for (name, (_, phrase)), bad in zip(BAD.items(), answers[::2], strict=True):
        assert re.search(phrase, bad.error), f"{name}: {bad.error}"
        assert "\n" not in bad.error
    assert answers[2 * list(BAD).index("read that fails")].path == "theirs.png"
    for name, (make, phrase) in BAD.items():
        if name == "array of pictures":
            continue  # alone it is several
        with pytest.raises((ImageRejectedError, UsageError), match=phrase):
            predict(make(good))


def test_a_type_that_no_image_has_is_a_mistake_in_the_program(predict, good):
    for given, received in (
        (7, "int"),
        (float("nan"), "float"),
        (["a.png"], "list"),
        ({"a": 1}, "dict"),
        (iter(["a.png"]), "list_iterator"),
        (object(), "object"),
    ):
        with pytest.raises(
            UsageError, match=f"^image 2: expected a path, .*; received an? {received}"
        ):
            predict([good, good, given, good])


def test_a_file_object_that_gives_a_few_bytes_at_a_time_is_read_whole(predict, good):
    data = good.read_bytes()
    file = Reading(*(data[start : start + 100] for start in range(0, len(data), 100)))
    several = predict([file, good])
    assert several[0] == several[1] and several[0].label == predict(good).label


def test_a_masked_array_without_masked_values_is_an_array(predict, good):
    pixels = np.asarray(Image.open(good).convert("RGB"))
    assert predict(np.ma.masked_array(pixels)) == predict(pixels)


def test_predictions_are_read_from_several_threads_in_turn(predict, photos):
    paths = sorted(photos.rglob("*.png")) * 20
    expected = predict(paths)
    answers = predict.predict_files(paths)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        here = [first.submit(next, answers).result()]
        here += [second.submit(next, answers).result() for _ in range(250)]
        here += first.submit(list, answers).result()
    assert here == expected
    begun = predict.predict_files(paths)
    next(begun)
    ending = threading.Thread(target=begun.close)
    ending.start()
    ending.join()
    assert list(begun) == []

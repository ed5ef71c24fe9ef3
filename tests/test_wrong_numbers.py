"""Numbers that are none are refused by name, before any image is read or rejected."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.errors import UsageError
from bottlebank.service import Settings
from bottlebank.training import extract_for_head
from bottlebank.training.compare import compare

from .conftest import picture

NAN = float("nan")
NO_WHOLE_NUMBERS = (
    "1",
    None,
    True,
    np.True_,
    0,
    -1,
    2.5,
    NAN,
    np.float32(4),
    np.array([4, 5]),
    [4],
)
NO_SEEDS = ("1", None, True, -1, 0.5)
NO_TIMES = ("1", True, 0, -1, NAN, float("inf"), [4])


@pytest.fixture(scope="module")
def made(tmp_path_factory, converted_random):
    """A folder of photographs, a table, a head file and a predictor."""
    root = tmp_path_factory.mktemp("made")
    shutil.copytree(converted_random, root / "cache" / "networks")
    for kind in ("stripes", "disc"):
        (root / "photos" / kind).mkdir(parents=True)
        for number in range(12):
            picture(kind, number).save(root / "photos" / kind / f"{number:02d}.png")
    table = bb.extract(root / "photos", "random", cache=root / "cache")
    bb.save_head(bb.train_head(table), root / "head.h5")
    predict = bb.load_predictor(root / "head.h5", cache=root / "cache")
    return root / "photos", table, root / "head.h5", predict


def calls(made, cache):
    """What takes a number, by its name and what else is none: (name, call, wrong values)."""
    photos, table, head, predict = made
    image = table.paths[0]
    may_be_none = NO_WHOLE_NUMBERS[:1] + NO_WHOLE_NUMBERS[2:]
    but_zero = [each for each in may_be_none if type(each) is not int or each != 0]

    def extract(**settings):
        return bb.extract(photos, "random", cache=cache, **settings)

    def transform(**settings):
        return bb.TransferValues("random", cache=cache, **settings).transform([image])

    def load(**settings):
        return bb.load_predictor(head, cache=cache, **settings)

    def evaluate(**settings):
        return extract_for_head(photos, head, cache=cache, **settings)

    return [
        ("max_pixels", extract, NO_WHOLE_NUMBERS),
        ("commit_every", extract, NO_WHOLE_NUMBERS),
        ("download_timeout_s", extract, NO_TIMES),
        ("max_pixels", transform, NO_WHOLE_NUMBERS),
        ("max_pixels", load, NO_WHOLE_NUMBERS),
        ("download_timeout_s", load, NO_TIMES),
        ("max_pixels", evaluate, NO_WHOLE_NUMBERS),
        ("max_pixels", lambda **k: list(predict.predict_files([image], **k)), may_be_none),
        ("top", lambda **k: list(predict.predict_files([image], **k)), may_be_none),
        ("top", lambda **k: predict(image, **k), may_be_none),
        ("top", lambda **k: predict([image, image], **k), may_be_none),
        ("class_level", lambda **k: bb.load_dataset(photos, **k), but_zero),
        ("random_state", lambda **k: bb.plot(table, cache / "x.png", **k), NO_SEEDS),
        ("seed", lambda **k: bb.train_head(table, **k), NO_SEEDS),
        ("coverage", lambda **k: bb.train_head(table, **k), ("1", None, True, 0, 1, NAN)),
        ("n_folds", lambda **k: compare([table], ["logistic"], **k), (1, *NO_WHOLE_NUMBERS)),
        ("max_pixels", lambda **k: Settings(head="h", **k), NO_WHOLE_NUMBERS),
    ]  # fmt: skip


def test_what_is_no_number_is_refused_by_name_and_rejects_no_image(made, tmp_path):
    for name, call, wrong in calls(made, tmp_path):
        for value in wrong:
            with pytest.raises(UsageError, match=rf"{name}.* expected ") as why:
                call(**{name: value})
            assert len(str(why.value).splitlines()) == 1
    with CacheFolder(tmp_path) as folder:
        assert [rows.rejections() for rows in folder.all() if len(rows.rejections())] == []
    assert not (tmp_path / "x.png").exists()


def test_numbers_of_numpy_are_taken(made, cache):
    photos, table, head, predict = made
    most = np.int64(10_000_000)
    found = bb.extract(
        photos, "random", cache=cache, max_pixels=most, commit_every=np.int32(5),
        download_timeout_s=np.float32(9),
    )  # fmt: skip
    assert (len(found), found.rejected) == (24, [])
    with CacheFolder(cache) as folder:
        assert len(next(folder.all()).shard_names()) == 5
    bytes_of_one = Path(table.paths[0]).read_bytes()
    rows = bb.TransferValues("random", cache=cache, max_pixels=most).transform([bytes_of_one])
    assert rows.shape == (1, 512)
    assert bb.load_predictor(head, cache=cache, max_pixels=most)(table.paths[0], top=np.int64(1))
    assert next(iter(predict.predict_files(table.paths[:1], max_pixels=most))).error is None
    assert Settings(head="h", max_pixels=most).max_pixels == 10_000_000

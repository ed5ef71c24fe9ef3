"""Transfer values as a scikit-learn transformer, on every form of an image."""

import copy
import io
import pickle
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.cache.lock import WriterLock
from bottlebank.errors import (
    CacheLockedError,
    ImageRejectedError,
    OtherProcessError,
    UnknownExtractorError,
    UsageError,
)
from bottlebank.features.extractor import Extractor
from bottlebank.prediction import transfer_values

from ..conftest import picture
from ..test_fork_safety import in_a_fork

SETTINGS = {"engine": "openvino", "precision": "float32"}


@pytest.fixture(scope="module")
def banked(tmp_path_factory, converted_random):
    """The folder of a few pictures, and a cache that has their rows."""
    root = tmp_path_factory.mktemp("banked")
    shutil.copytree(converted_random, root / "cache" / "networks")
    for kind in ("stripes", "checks", "disc"):
        (root / "photos" / kind).mkdir(parents=True)
        for number in range(8):
            picture(kind, number).save(root / "photos" / kind / f"{number:02d}.png")
    time.sleep(0.03)  # a file that changed within a tick of the clock is not known by its times
    table = bb.extract(root / "photos", "random", cache=root / "cache", **SETTINGS)
    return root, table


@pytest.fixture
def photos(banked):
    return banked[0] / "photos"


@pytest.fixture
def cache(banked):
    return banked[0] / "cache"


@pytest.fixture
def table(banked):
    return banked[1]


@pytest.fixture
def transformer(cache):
    return bb.TransferValues("random", cache=cache, **SETTINGS)


@pytest.fixture
def no_network(monkeypatch):
    """From here on, nothing is computed."""

    def fail(*arguments):
        raise AssertionError("this image is in the cache")

    return lambda: monkeypatch.setattr(Extractor, "transfer_values", fail)


def test_it_gives_the_rows_of_an_extraction_in_the_order_of_the_images(table, transformer):
    order = np.random.default_rng(0).permutation(len(table))
    paths = np.array(table.paths)[order]
    expected = table.features[order]
    found = transformer.fit_transform(paths)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    for given in (paths.tolist(), tuple(paths), paths.astype(object), pd.Series(paths)):
        np.testing.assert_array_equal(transformer.transform(given), expected)
    for column in (paths[:, None], pd.DataFrame({"image": paths})):
        np.testing.assert_array_equal(transformer.transform(column), expected)
    twice = transformer.transform([paths[0], paths[1], paths[0]])
    np.testing.assert_array_equal(twice, expected[[0, 1, 0]])
    assert transformer.transform([]).shape == (0, 512)


def test_files_are_computed_once_and_kept(transformer, no_network, cache, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for number, path in enumerate(paths):
        picture("disc", 100 + number).save(path)
    first = transformer.transform(paths)
    no_network()
    np.testing.assert_array_equal(clone(transformer).transform(paths), first)
    np.testing.assert_array_equal(clone(transformer).transform([paths[7]]), first[[7]])
    np.testing.assert_array_equal(
        bb.extract(paths, "random", cache=cache, **SETTINGS).features, first
    )


def test_bytes_are_answered_from_the_cache_by_content_and_never_written(
    table, transformer, no_network, cache
):
    def rows():
        with CacheFolder(cache) as folder:
            return {cache.variant: len(cache) for cache in folder.all()}

    banked = [Path(path).read_bytes() for path in table.paths[:3]]
    new = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(new, "PNG")
    before = rows()
    found = transformer.transform([*banked, new.getvalue()])
    np.testing.assert_array_equal(found[:3], table.features[:3])
    assert rows() == before
    no_network()
    np.testing.assert_array_equal(transformer.transform(banked[:1]), table.features[:1])


def test_every_form_of_a_picture_has_the_same_transfer_values(table, transformer):
    path = table.paths[5]
    data = Path(path).read_bytes()
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    pixels = np.asarray(picture)
    mixed = transformer.transform([picture, path, io.BytesIO(data), pixels, data])
    np.testing.assert_allclose(mixed, table.features[[5] * 5], atol=1e-5)
    np.testing.assert_allclose(
        transformer.transform(np.stack([pixels, pixels])), table.features[[5, 5]], atol=1e-5
    )


def test_an_image_that_is_rejected_is_named_with_its_position(table, transformer, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no photograph")
    for given, message in (
        ([*table.paths[:2], broken], r"^image 2: .*broken\.jpg: "),
        ([tmp_path / "gone.png", broken], r"^image 0: .*gone\.png: .*; 1 more cannot be used$"),
        ([table.paths[0], b"no image"], "^image 1: "),
        ([None, table.paths[0]], "^image 0: .*None, which cv2.imread returns"),
        ([np.zeros((4, 4, 3), np.float32)], r"^image 0: .*received float32 \(4, 4, 3\)"),
        ([tmp_path], "^image 0: "),
    ):
        with pytest.raises(ImageRejectedError, match=message):
            transformer.transform(given)


def test_what_is_no_list_of_images_is_refused(transformer, photos):
    path = str(photos / "disc" / "00.png")
    for given, message in (
        (path, "received a str: put it into a list"),
        (np.zeros((8, 8, 3), np.uint8), "received an ndarray: put it into a list"),
        (np.zeros((8, 64)), r"one column of images, received an array \(8, 64\)"),
        (np.array([b"a", b"b"]), "loses zeros at their ends"),
        ({path: 1}, "received a dict"),
        ([path, 3.5], "image 1: expected a path.*received a float"),
    ):
        with pytest.raises(UsageError, match=message):
            transformer.transform(given)
    with pytest.raises(UsageError, match="put it into a list"):
        transformer.fit(path)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"extractor": "mobilnet_v2"}, "did you mean mobilenet_v2"),
        ({"image_fit": "stretch"}, "unknown fit 'stretch': expected squash, crop, pad"),
        ({"grey16": "squash"}, "unknown grey16 'squash': expected scale or stretch"),
        ({"engine": "cuda"}, "unknown engine 'cuda'"),
        ({"precision": "float64"}, "unknown precision 'float64'"),
        ({"store": "bfloat16"}, "unknown storage 'bfloat16': expected auto, float32, float16"),
    ],
)
def test_an_unknown_parameter_is_refused_by_fit_and_by_transform(parameter, message, photos):
    transformer = bb.TransferValues().set_params(**parameter)
    for method in (transformer.fit, transformer.transform):
        with pytest.raises((UsageError, UnknownExtractorError), match=message):
            method([photos / "disc" / "00.png"])


def test_a_pipeline_is_cross_validated_and_searched(table, cache):
    labels, paths = table.labels, list(table.paths)
    pipeline = make_pipeline(bb.TransferValues("random", cache=cache), bb.NearestHead(3))
    scores = cross_val_score(pipeline, paths, labels, cv=2)
    alone = cross_val_score(bb.NearestHead(3), table.features, labels, cv=2)
    np.testing.assert_array_equal(scores, alone)
    assert scores.mean() > 0.6  # chance is 0.33
    grid = {"transfervalues__grey16": ["scale", "stretch"], "nearesthead__n_neighbours": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(paths, labels)
    assert search.predict(paths).tolist() == search.best_estimator_.predict(paths).tolist()
    assert search.best_score_ >= scores.mean()


@pytest.mark.slow  # each process imports everything
def test_a_search_runs_in_two_processes(photos, tmp_path, converted_random, monkeypatch):
    """Where joblib finds psutil, it ends processes that grow, as one does that loads a network."""
    from joblib.externals.loky import get_reusable_executor

    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "psutil.py").write_text("raise ImportError('hidden')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"))
    shutil.copytree(converted_random, tmp_path / "cache" / "networks")
    data = bb.load_dataset(photos)
    pipeline = make_pipeline(
        bb.TransferValues("random", cache=tmp_path / "cache"), bb.NearestHead(3)
    )
    grid = {"transfervalues__image_fit": ["squash", "crop"], "nearesthead__n_neighbours": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise")
    try:
        search.fit(list(data.paths), data.labels)
    finally:
        get_reusable_executor().shutdown(wait=True)
    alone = GridSearchCV(pipeline, grid, cv=2).fit(list(data.paths), data.labels)
    for name in ("mean_test_score", "params"):
        assert list(search.cv_results_[name]) == list(alone.cv_results_[name])


def test_columns_have_the_names_of_to_pandas(table, transformer):
    frame = pd.DataFrame({"image": table.paths, "price": np.arange(24.0)}, index=range(100, 124))
    found = transformer.set_output(transform="pandas").transform(frame["image"])
    expected = table.to_pandas().drop(columns=["path", "label", "split", "key"])
    assert found.columns.tolist() == expected.columns.tolist()
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
    both = make_column_transformer((transformer, "image"), ("passthrough", ["price"]))
    both.set_output(transform="pandas")
    joined = both.fit_transform(frame)
    assert joined.columns.tolist()[::512] == ["transfervalues__f0", "passthrough__price"]
    assert joined.index.tolist() == frame.index.tolist()


def test_a_copy_has_the_parameters_and_starts_its_own_network(transformer, table):
    pixels = [np.zeros((40, 40, 3), np.uint8)]
    expected = transformer.transform(pixels)
    for other in (
        pickle.loads(pickle.dumps(transformer)),
        copy.deepcopy(transformer),
        clone(transformer),
    ):
        assert other.get_params() == transformer.get_params()
        assert other._started is None
        np.testing.assert_array_equal(other.transform(pixels), expected)
    assert len(pickle.dumps(transformer)) < 1000


def test_the_network_of_other_parameters_is_another(transformer):
    pixels = [np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)]
    first = transformer.transform(pixels)
    started = transformer._started
    np.testing.assert_array_equal(transformer.transform(pixels), first)
    assert transformer._started is started
    assert not np.array_equal(transformer.set_params(image_fit="crop").transform(pixels), first)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_after_a_fork_what_is_cached_is_answered_and_the_rest_refused(table, transformer):
    pixels = [np.zeros((40, 40, 3), np.uint8)]
    transformer.transform(pixels)  # starts the network
    said = in_a_fork(lambda: np.array_equal(transformer.transform(table.paths), table.features))
    assert said == "True"
    files = [Path(path).read_bytes() for path in table.paths]
    said = in_a_fork(lambda: np.array_equal(transformer.transform(files), table.features))
    assert said == "True"
    said = in_a_fork(lambda: transformer.transform([*files, *pixels]))
    assert said.startswith(OtherProcessError.__name__), said
    said = in_a_fork(lambda: transformer.transform(pixels))
    assert said.startswith(OtherProcessError.__name__), said
    assert "sklearn.base.clone" in said
    said = in_a_fork(lambda: clone(transformer).transform(pixels).shape)
    assert said == "(1, 512)"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_after_a_fork_a_network_that_had_not_started_starts(table, transformer):
    files = [Path(path).read_bytes() for path in table.paths]
    np.testing.assert_array_equal(transformer.transform(files), table.features)
    assert not transformer._started[1].is_started
    said = in_a_fork(lambda: np.array_equal(transformer.transform(files), table.features))
    assert said == "True"
    said = in_a_fork(lambda: transformer.transform([np.zeros((40, 40, 3), np.uint8)]).shape)
    assert said == "(1, 512)"


def test_threads_share_one_network(transformer, monkeypatch):
    together, opened = threading.Barrier(4), []

    def recipe_for(*given, **named):
        found = real_recipe_for(*given, **named)
        together.wait(timeout=60)  # no thread has a network yet
        return found

    def open_extractor(*given, **named):
        opened.append(given)
        return real_open_extractor(*given, **named)

    real_recipe_for = transfer_values.recipe_for
    real_open_extractor = transfer_values.open_extractor
    monkeypatch.setattr(transfer_values, "recipe_for", recipe_for)
    monkeypatch.setattr(transfer_values, "open_extractor", open_extractor)
    pixels = [np.zeros((40, 40, 3), np.uint8)]
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(transformer.transform, [pixels] * 4))
    assert len(opened) == 1
    for row in rows:
        np.testing.assert_array_equal(row, rows[0])


def test_it_waits_for_a_process_that_writes(table, transformer, tmp_path, monkeypatch):
    picture("disc", 50).save(tmp_path / "new.png")
    variant = next((transformer.cache / table.recipe.fingerprint).glob("float32"))
    with WriterLock(variant):
        monkeypatch.setattr(transfer_values, "_LOCK_WAIT_S", 0.1)
        with pytest.raises(CacheLockedError, match="is being written by process"):
            transformer.transform([tmp_path / "new.png"])
        monkeypatch.setattr(transfer_values, "_LOCK_WAIT_S", 60)
    lock = WriterLock(variant)
    lock.__enter__()
    release = threading.Timer(0.3, lock.__exit__)
    release.start()
    assert transformer.transform([tmp_path / "new.png"]).shape == (1, 512)
    release.join()


def test_importing_the_package_loads_no_scikit_learn():
    script = "import bottlebank as bb, sys; dir(bb); print('sklearn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


class OfNumbers(bb.TransferValues):
    """Claims to take a matrix: of what takes none, scikit-learn checks next to nothing."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        return tags


A_MATRIX = "it fits a matrix of numbers, and these are images"
HERE = "it fits a matrix of numbers; with images: test_"
LEFT_OUT = {
    "check_array_api_input": A_MATRIX,
    "check_estimator_sparse_array": A_MATRIX,
    "check_estimator_sparse_matrix": A_MATRIX,
    "check_estimator_sparse_tag": A_MATRIX,
    "check_estimators_dtypes": A_MATRIX,
    "check_f_contiguous_array_estimator": A_MATRIX,
    "check_fit2d_1feature": A_MATRIX,
    "check_positive_only_tag_during_fit": A_MATRIX,
    "check_readonly_memmap_input": A_MATRIX,
    "check_transformer_preserve_dtypes": A_MATRIX,
    "check_dict_unchanged": f"{HERE}fitting_changes_nothing",
    "check_dont_overwrite_parameters": f"{HERE}fitting_changes_nothing",
    "check_estimators_fit_returns_self": f"{HERE}fitting_changes_nothing",
    "check_estimators_overwrite_params": f"{HERE}fitting_changes_nothing",
    "check_estimators_pickle": f"{HERE}a_copy_has_the_parameters_and_starts_its_own_network",
    "check_fit_check_is_fitted": f"{HERE}fitting_changes_nothing",
    "check_fit_idempotent": f"{HERE}fitting_changes_nothing",
    "check_fit_score_takes_y": f"{HERE}fitting_changes_nothing",
    "check_fit2d_1sample": f"{HERE}files_are_computed_once_and_kept",
    "check_methods_sample_order_invariance": f"{HERE}it_gives_the_rows_of_an_extraction",
    "check_methods_subset_invariance": f"{HERE}files_are_computed_once_and_kept",
    "check_pipeline_consistency": f"{HERE}a_pipeline_is_cross_validated",
    "check_transformer_general": f"{HERE}it_gives_the_rows_of_an_extraction",
    "check_transformers_unfitted_stateless": f"{HERE}every_form_of_a_picture",
}


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=check.func.__name__)
        for estimator, check in estimator_checks_generator(OfNumbers("random"))
    ],
)
def test_scikit_learns_contract(estimator, check):
    if check.func.__name__ in LEFT_OUT:
        pytest.skip(LEFT_OUT[check.func.__name__])
    check(estimator)


def test_the_reasons_name_tests_that_there_are():
    tests = [name for name in globals() if name.startswith("test_")]
    for reason in LEFT_OUT.values():
        named = reason.partition(HERE)[2]
        assert any(name.startswith(f"test_{named}") for name in tests), reason


def test_fitting_changes_nothing(table, transformer):
    before = dict(vars(transformer))
    check_is_fitted(transformer)
    assert transformer.fit(table.paths[:2], ["a", "b"]) is transformer
    assert transformer.fit(table.paths[2:4]) is transformer
    transformer.transform(table.paths[:2])
    assert vars(transformer) == before
    fitted = transformer.fit_transform(table.paths[:4], ["a", "b", "a", "b"])
    np.testing.assert_array_equal(fitted, table.features[:4])

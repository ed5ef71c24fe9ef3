"""A search in one table, many times: the answers of `bb.similar`, or nearly all of them."""

import logging
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import LibraryNotFoundError, WrongTypeError
from bottlebank.prediction import row_index, similar_search
from bottlebank.prediction.nearest_rows import nearest_rows, row_lengths
from bottlebank.prediction.row_index import N_QUERIES, RowIndex, tenth_best

from ..toys.toy_table import toy_rows, toy_table


@pytest.fixture
def toy(tmp_path):
    """A table of 300 rows, of which three have the same picture."""
    paths = [str(tmp_path / f"{row}.png") for row in range(300)]
    for row, path in enumerate(paths):
        Path(path).write_bytes(b"%d" % (0 if row in (0, 7, 210) else row))
    features, codes = toy_rows(300, 9)
    return toy_table(features, [f"猫 {code}" for code in codes], tmp_path, paths=paths)


def test_answers_are_those_of_similar(toy):
    search = bb.SimilarSearch(toy)
    assert repr(search) == "<SimilarSearch in 300 images, all compared>"
    for row in (0, 7, 210):
        found, expected = search.similar(toy.paths[row], 5), bb.similar(toy.paths[row], toy, 5)
        assert found == expected
        assert [each.row for each in found.same] == [0, 7, 210]
        assert (found.recall, search.recall) == (1.0, 1.0)
        assert found.as_dict()["recall"] == 1.0
    with pytest.raises(WrongTypeError, match=r"bb.SimilarSearch\(bb.extract\('photos/'"):
        bb.SimilarSearch("photos/")


def test_an_index_is_built_on_request_where_its_library_is(toy, monkeypatch, caplog):
    built = []

    class Index:
        recall = 0.97

        def __init__(self, features, *, progress=None):
            built.append(len(features))

    monkeypatch.setattr(similar_search, "RowIndex", Index)
    monkeypatch.setattr(similar_search, "is_installed", lambda: True)
    assert bb.SimilarSearch(toy).recall == 1
    search = bb.SimilarSearch(toy, approximate=True)
    assert repr(search) == "<SimilarSearch in 300 images, by an index, recall 0.970>"
    assert built == [300]
    assert caplog.text == ""
    monkeypatch.setattr(similar_search, "is_installed", lambda: False)
    with caplog.at_level(logging.WARNING):
        search = bb.SimilarSearch(toy, approximate=True)
    assert "with all 300, since the index needs usearch: pip install usearch" in caplog.text
    assert search.recall == 1
    assert [each.row for each in search.similar(toy.paths[0]).same] == [0, 7, 210]
    assert built == [300]


def test_an_index_needs_its_library(monkeypatch):
    monkeypatch.setattr(row_index, "find_spec", lambda name: None)
    with pytest.raises(LibraryNotFoundError, match="needs usearch.*: pip install usearch"):
        RowIndex(np.ones((4, 2), np.float32))


def test_the_tenth_best_is_that_of_all_cosines(monkeypatch):
    monkeypatch.setattr(row_index, "_ROWS_IN_A_BLOCK", 64)
    random = np.random.default_rng(0)
    features = random.normal(size=(501, 17)).astype(np.float32)
    features[3] = 0
    asked = np.array([0, 3, 63, 64, 65, 500])
    lengths = row_lengths(features)
    cosines = features[asked] @ features.T / np.maximum(np.outer(lengths[asked], lengths), 1e-12)
    cosines[:, asked] = -np.inf
    expected = np.sort(cosines, axis=1)[:, -10]
    np.testing.assert_allclose(tenth_best(features, lengths, asked), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_an_index_finds_nearly_all_and_says_how_many(scale, toy):
    pytest.importorskip("usearch")
    features = scale * toy_rows(20_000, 50, width=40)[0]
    features[77] = 0
    index = RowIndex(features, progress=False)
    shares = []
    random = np.random.default_rng(1)
    for row in random.choice(20_000, 100, replace=False):
        vector = features[row] + scale * 0.1 * random.normal(size=40).astype(np.float32)
        found, exact = index.nearest(vector, 10), nearest_rows(features, vector, 10)
        both, first, second = np.intersect1d(found.rows, exact.rows, return_indices=True)
        shares.append(len(both) / 10)
        np.testing.assert_allclose(found.cosines[first], exact.cosines[second], atol=1e-12)
        assert (np.diff(found.cosines) <= 0).all()
    assert index.recall > 0.95
    assert np.mean(shares) == pytest.approx(index.recall, abs=0.04)
    for vector, n in ((np.zeros(40, np.float32), 5), (features[0], 20_000)):  # these need all rows
        found, exact = index.nearest(vector, n), nearest_rows(features, vector, n)
        np.testing.assert_array_equal(found.rows, exact.rows)


@pytest.mark.slow
def test_an_index_that_misses_says_so():
    """The recall is measured, not assumed: of rows at random, which have no neighbourhoods."""
    pytest.importorskip("usearch")
    features = np.random.default_rng(0).normal(size=(20_000, 200)).astype(np.float32)
    index = RowIndex(features, progress=False)
    lengths = row_lengths(features)
    asked = np.random.default_rng(3).choice(20_000, N_QUERIES, replace=False)
    shares = []
    for row in asked:
        exact = nearest_rows(features, features[row], 11, lengths=lengths).rows[1:]
        shares.append(np.isin(exact, index.nearest(features[row], 11).rows).mean())
    assert 0.3 < index.recall < 0.99
    # A row that the index holds is found more easily than one that it does not.
    assert index.recall - 0.05 < np.mean(shares)


@pytest.mark.slow
def test_a_search_by_an_index_answers_like_an_exact_one(toy):
    pytest.importorskip("usearch")
    few = bb.SimilarSearch(toy, approximate=True, progress=False)  # so few that all are compared
    assert few.similar(toy.paths[7], 5).nearest == bb.similar(toy.paths[7], toy, 5).nearest
    assert 0.9 < few.recall <= 1

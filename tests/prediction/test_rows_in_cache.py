"""A search in more rows than are to be in memory: the answers of one in memory."""

import contextlib
import gc

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import CacheError, DamagedShardError, UsageError
from bottlebank.prediction import similar_search, stored_rows
from bottlebank.prediction.nearest_rows import NearestSoFar, nearest_rows
from bottlebank.prediction.stored_rows import StoredRows

from ..toys.banked_table import banked_table
from ..toys.toy_table import toy_rows


@pytest.fixture(params=[("float32", 1, 7), ("float16", 13, 50), ("float32", 1000, 2048)])
def table(request, tmp_path, monkeypatch):
    """80 rows, of which 3 have one content and 20 are equal, in blocks of some rows."""
    store, n_rows, shard_rows = request.param
    monkeypatch.setattr(stored_rows, "BLOCK_BYTES", n_rows * 4 * 12)
    paths = [tmp_path / f"{row}.png" for row in range(80)]
    for row, path in enumerate(paths):
        path.write_bytes(b"%d" % (0 if row in (7, 61) else row))
    features = toy_rows(80, 4)[0].astype(store).astype(np.float32)
    features[[7, 61]] = features[0]
    features[30:50] = features[30]
    features[79] = 0
    labels = [f"{row % 4}" for row in range(80)]
    cache = tmp_path / "cache"
    return banked_table(
        features, labels, cache, store=store, shard_rows=shard_rows, paths=[*map(str, paths)]
    )


def test_every_row_comes_once_with_its_values(table):
    with contextlib.closing(StoredRows(table)) as stored:
        blocks = list(stored.blocks())
    rows = np.concatenate([rows for rows, _ in blocks])
    assert sorted(rows.tolist()) == list(range(80))
    assert all((np.diff(rows) > 0).all() for rows, _ in blocks)
    np.testing.assert_array_equal(
        np.concatenate([values for _, values in blocks]), table.features[rows]
    )


@pytest.mark.parametrize("top", [1, 5, 25, 100])
def test_answers_are_those_of_a_search_in_memory(table, top):
    search = bb.SimilarSearch(table, memory=1)
    read = repr(search)
    found = [search.similar(table.paths[row], top) for row in (0, 7, 33, 79)]
    assert "features" not in vars(table)
    kept = bb.SimilarSearch(table)
    assert found == [kept.similar(table.paths[row], top) for row in (0, 7, 33, 79)]
    assert [each.row for each in found[0].same] == [0, 7, 61]
    assert read == "<SimilarSearch in 80 images, all read and compared for each answer>"
    assert repr(kept) == "<SimilarSearch in 80 images, all compared>"
    assert "all compared" in repr(bb.SimilarSearch(table, memory=1)), "they are in memory now"


def test_one_answer_keeps_few_rows_in_memory(table, monkeypatch):
    monkeypatch.setattr(similar_search, "MOST_FOR_ONE", 80 * 12 * 4 - 1)
    found = bb.similar(table.paths[3], table, 4)
    assert "features" not in vars(table)
    assert bb.similar(table.paths[3], table, 4, memory=80 * 12 * 4) == found
    assert "features" in vars(table)


def test_half_of_the_memory_is_for_rows(table, monkeypatch):
    for available, is_kept in ((2 * 80 * 48 - 1, False), (2 * 80 * 48, True)):
        monkeypatch.setattr(similar_search, "available_memory_bytes", lambda n=available: n)
        assert ("read" not in repr(bb.SimilarSearch(table))) == is_kept


def test_an_index_of_more_rows_than_fit_is_refused(table, monkeypatch):
    monkeypatch.setattr(similar_search, "is_installed", lambda: True)
    expected = r"an index of 80 images needs .* fewer images: table\.some\(rows\)"
    with pytest.raises(UsageError, match=expected):
        bb.SimilarSearch(table, approximate=True, memory="1k")
    monkeypatch.setattr(similar_search, "available_memory_bytes", lambda: 3 * 80 * 48)
    with pytest.raises(UsageError, match=expected):
        bb.SimilarSearch(table, approximate=True)
    with pytest.raises(UsageError, match="memory is 'much'"):
        bb.SimilarSearch(table, memory="much")


def test_the_cache_is_closed_with_the_search(table):
    search = bb.SimilarSearch(table, memory=1)
    folder = search._rows._stored._folder
    assert folder.index.n_files() == 0
    del search
    gc.collect()
    with pytest.raises(CacheError, match="closed"):
        folder.index.n_files()


def test_damage_is_not_searched(table):
    search = bb.SimilarSearch(table, memory=1)
    [shard, *_] = sorted(search._rows._stored._cache.folder.glob("*.h5"))
    data = bytearray(shard.read_bytes())
    at = search._rows._stored._cache._key_map.layouts[0].features_at
    data[at] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DamagedShardError, match="is damaged"):
        search.similar(table.paths[0])


@pytest.mark.parametrize("n_rows", [1, 4, 9, 64])
def test_blocks_give_the_nearest_of_all(n_rows):
    random = np.random.default_rng(0)
    features = random.normal(size=(64, 6)).astype(np.float32)
    features[10:40:3] = features[10]  # more equal ones than are wanted
    features[5] = 0
    for vector in (features[10], -features[10], random.normal(size=6), np.zeros(6)):
        for top in (1, 3, 70):
            so_far = NearestSoFar(vector, top)
            order = random.permutation(64)
            for start in range(0, 64, n_rows):
                rows = np.sort(order[start : start + n_rows])
                so_far.add(rows, features[rows])
            found, expected = so_far.found(), nearest_rows(features, vector, top)
            np.testing.assert_array_equal(found.rows, expected.rows)
            np.testing.assert_array_equal(found.cosines, expected.cosines)

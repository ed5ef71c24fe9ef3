"""What every store of transfer values must do, whatever it keeps them in."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from bottlebank.errors import CacheError, CacheLockedError, MissingRowsError

from .faults import (
    PRINT,
    RECIPE,
    key,
    row,
    rows,
)


def add(store, numbers, every=4):
    with store.writer(RECIPE, commit_every_rows=every) as writer:
        for number in numbers:
            writer.add(key(number), b"photos/%d.jpg" % number, row(number))


def keys(numbers):
    return [key(number) for number in numbers]


class StoreContract:
    """Subclass it, with two fixtures whose every call opens what is stored as a later process.

    `open_store` takes the variant's name, by default "float32", and returns an object with the
    methods of `FeatureCache`; `open_folder` returns one with those of `CacheFolder`.
    """

    def test_an_empty_store(self, open_store):
        store = open_store()
        assert len(store) == 0
        assert key(1) not in store
        assert store.keys() == []
        assert store.rejections() == []
        with pytest.raises(MissingRowsError, match="1 of 1 row is not"):
            store.rows([key(1)])

    def test_rows_come_in_the_order_asked_for_with_repetitions(self, open_store):
        store = open_store()
        add(store, range(30))
        asked = [*np.random.default_rng(0).permutation(30), 7, 7, 0, 29, 7]
        found = store.rows(keys(asked))
        assert found.dtype == np.float32
        assert np.array_equal(found, rows(asked))

    def test_rows_are_float32_whatever_was_added(self, open_store):
        store = open_store()
        with store.writer(RECIPE) as writer:
            writer.add(key(1), b"1", np.array([0.1, 1e30, -0.0]))
        found = store.rows([key(1)])
        assert found.dtype == np.float32
        assert found.tobytes() == np.array([[0.1, 1e30, -0.0]], np.float32).tobytes()

    def test_numbers_come_back_bit_for_bit(self, open_store):
        odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38], np.float32)
        with open_store().writer(RECIPE) as writer:
            writer.add(key(1), b"1", odd)
        assert open_store().rows([key(1)]).tobytes() == odd.tobytes()

    def test_keys_come_in_the_order_of_the_commits(self, open_store):
        store = open_store()
        add(store, [5, 3, 9, 1, 8])
        add(store, [4, 2])
        assert open_store().keys() == keys([5, 3, 9, 1, 8, 4, 2])

    def test_missing_rows_are_an_error_and_counted(self, open_store):
        store = open_store()
        add(store, range(3))
        with pytest.raises(MissingRowsError, match="2 of 4 rows"):
            store.rows(keys([0, 7, 2, 8]))

    def test_what_was_committed_is_there_for_a_later_process(self, open_store):
        add(open_store(), range(6))
        add(open_store(), range(6, 10))
        store = open_store()
        assert len(store) == 10
        assert np.array_equal(store.rows(keys(range(10))), rows(range(10)))

    def test_a_row_is_there_when_its_commit_has_returned(self, open_store):
        store = open_store()
        with store.writer(RECIPE) as writer:
            writer.add(key(1), b"1", row(1))
            writer.commit()
            assert np.array_equal(open_store().rows([key(1)]), rows([1]))
            writer.commit()  # of nothing
        assert len(open_store()) == 1

    def test_a_reader_sees_later_commits_when_it_refreshes(self, open_store):
        reader = open_store()
        add(open_store(), range(5))
        reader.refresh()
        assert len(reader) == 5
        assert np.array_equal(reader.rows(keys([4, 0])), rows([4, 0]))

    def test_a_key_that_is_added_twice_keeps_its_first_row(self, open_store):
        store = open_store()
        add(store, [1])
        with store.writer(RECIPE) as writer:
            writer.add(key(1), b"again", row(2))
        store = open_store()
        assert len(store) == 1
        assert store.keys() == [key(1)]
        assert np.array_equal(store.rows([key(1)]), rows([1]))

    def test_paths_are_bytes_and_kept(self, open_store):
        with open_store().writer(RECIPE) as writer:
            writer.add(key(1), b"\xff\n/caf\xc3\xa9.jpg", row(1))
        assert open_store().paths() == {key(1): b"\xff\n/caf\xc3\xa9.jpg"}

    def test_views_of_an_image_are_rows_of_their_own(self, open_store):
        views = [key(1)._replace(view=view) for view in (2, 0, 7)]
        with open_store().writer(RECIPE) as writer:
            writer.extend(views, [b"1.jpg"] * 3, rows([1, 2, 3]))
        store = open_store()
        assert store.keys() == views
        assert np.array_equal(store.rows([views[2], views[0], views[1]]), rows([3, 1, 2]))
        assert store.paths() == dict.fromkeys(views, b"1.jpg")
        assert key(1)._replace(view=1) not in store
        with pytest.raises(MissingRowsError, match="1 of 1 row is not"):
            store.rows([key(1)._replace(view=1)])

    def test_rejections_are_remembered_and_are_no_rows(self, open_store):
        store = open_store()
        with store.writer(RECIPE) as writer:
            writer.add(key(1), b"1", row(1))
            writer.reject(key(2).content, b"b\xff.jpg", "the file is empty 🎩")
            writer.reject(key(3).content, b"a.jpg", "torn")
        store = open_store()
        assert store.rejection(key(2).content) == "the file is empty 🎩"
        assert store.rejection(key(1).content) is None
        assert store.rejections() == [(b"a.jpg", "torn"), (b"b\xff.jpg", "the file is empty 🎩")]
        assert len(store) == 1
        with pytest.raises(MissingRowsError, match="1 of 1 row is not"):
            store.rows([key(2)])

    def test_variants_never_mix(self, open_store):
        add(open_store("float32"), range(3))
        with open_store("bfloat16").writer(RECIPE) as writer:
            writer.add(key(1), b"1", row(100))
            writer.reject(key(2).content, b"2", "torn")
        float32, bfloat16 = open_store("float32"), open_store("bfloat16")
        assert np.array_equal(float32.rows([key(1)]), rows([1]))
        assert np.array_equal(bfloat16.rows([key(1)]), rows([100]))
        assert float32.rejection(key(2).content) is None
        assert (len(float32), len(bfloat16)) == (3, 1)

    def test_a_second_writer_is_refused_at_once_and_the_first_goes_on(self, open_store):
        store = open_store()
        with store.writer(RECIPE) as writer:
            writer.add(key(1), b"1", row(1))
            refused = pytest.raises(CacheLockedError, match="is being written by")
            with refused, open_store().writer(RECIPE):
                pass
            add(open_store("bfloat16"), [1])  # another variant is another store
            writer.add(key(2), b"2", row(2))
        assert np.array_equal(open_store().rows(keys([2, 1])), rows([2, 1]))
        add(open_store(), [3])

    def test_a_writer_that_is_left_by_an_error_keeps_what_was_added(self, open_store):
        def fail():
            with open_store().writer(RECIPE) as writer:
                writer.add(key(1), b"1", row(1))
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            fail()
        assert np.array_equal(open_store().rows([key(1)]), rows([1]))
        add(open_store(), [2])

    def test_an_empty_folder(self, open_folder):
        folder = open_folder()
        assert folder.fingerprints() == []
        assert folder.variants(PRINT) == []
        assert list(folder.verify()) == []
        with pytest.raises(CacheError, match=r"recipe\.json cannot be read"):
            folder.recipe(PRINT)

    def test_a_folder_knows_its_recipes_and_variants(self, open_store, open_folder):
        add(open_store("float32"), range(2))
        add(open_store("bfloat16"), range(5))
        other = "0" * 64
        with open_folder().open(other, "float32").writer({"extractor": "other"}) as writer:
            writer.add(key(1), b"1", row(1))
        folder = open_folder()
        assert folder.fingerprints() == [other, PRINT]
        assert folder.variants(PRINT) == ["bfloat16", "float32"]  # most rows first
        assert folder.variants(other) == ["float32"]
        assert folder.recipe(PRINT) == RECIPE
        assert folder.recipe(other) == {"extractor": "other"}
        assert [len(cache) for cache in folder.all()] == [1, 5, 2]
        assert all(damage is None for damage in folder.verify())

"""Maps of images, read batch by batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottlebank.cache import Key
from bottlebank.training.finetuning import frozen_rows
from bottlebank.training.finetuning.frozen_rows import FrozenRows

WIDTH = 3


def rows_of(n, read=None):
    keys = [Key(number.to_bytes(32, "big")) for number in range(n)]

    def numbered(some):
        return np.repeat([[int.from_bytes(key.content, "big")] for key in some], WIDTH, 1).astype(
            np.float32
        )

    codes = np.arange(n) % 5
    return FrozenRows(read or numbered, WIDTH, keys, codes, codes.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 70), size=st.integers(1, 80), together=st.integers(1, 90))
def test_each_row_is_in_one_batch_with_its_class(n, size, together):
    rows = rows_of(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen_rows, "_NUMBERS_TOGETHER", together * WIDTH)
        order = rows.shuffled(7, 1)
        batches = list(rows.batches(order, size))
    found = np.concatenate([batch.maps[:, 0] for batch in batches]).astype(int)
    assert found.tolist() == order.tolist()
    assert sorted(found.tolist()) == list(range(n))
    assert np.concatenate([batch.codes for batch in batches]).tolist() == (found % 5).tolist()
    assert np.concatenate([batch.weights for batch in batches]).tolist() == (found % 5).tolist()
    sizes = [len(batch.codes) for batch in batches]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_an_order_depends_on_seed_and_epoch_alone():
    rows = rows_of(50)
    assert rows.shuffled(1, 2).tolist() == rows.shuffled(1, 2).tolist()
    orders = {tuple(rows.shuffled(*which)) for which in ((1, 2), (1, 3), (2, 2))}
    assert len(orders) == 3


def test_of_many_rows_no_more_are_held_than_are_read_at_once(monkeypatch):
    asked = []

    def read(keys):
        asked.append(len(keys))
        return np.zeros((len(keys), WIDTH), np.float32)

    monkeypatch.setattr(frozen_rows, "_NUMBERS_TOGETHER", 64 * WIDTH)
    rows = rows_of(1000, read)
    order = rows.shuffled(0, 0)
    assert sum(len(batch.codes) for batch in rows.batches(order, 16)) == 1000
    assert max(asked) <= 64
    # Neighbours, which are of one class, are spread over what is trained on together.
    assert np.abs(np.diff(order[:64])).mean() > 100

"""What needs more memory than there is, is refused before it is begun."""

import pytest

import bottlebank as bb
from bottlebank import memory_room
from bottlebank.errors import UsageError
from bottlebank.memory_room import require_room

from .toys.toy_table import toy_rows, toy_table


@pytest.fixture
def table(tmp_path):
    features, codes = toy_rows(100, 4)
    return toy_table(features, [f"{code}" for code in codes], tmp_path)


@pytest.mark.parametrize("n_copies", [1, 3])
def test_as_many_images_as_there_is_room_for(monkeypatch, n_copies):
    monkeypatch.setattr(memory_room, "available_memory_bytes", lambda: 100 * 48 * n_copies)
    require_room(100, 12, n_copies, "a test")
    monkeypatch.setattr(memory_room, "available_memory_bytes", lambda: 100 * 48 * n_copies - 1)
    with pytest.raises(UsageError, match="a test of 100 images .* at most 99 images, such as th"):
        require_room(100, 12, n_copies, "a test")
    require_room(99, 12, n_copies, "a test")


def test_maps_and_audits_are_refused(table, monkeypatch, tmp_path):
    monkeypatch.setattr(memory_room, "available_memory_bytes", lambda: 10_000)
    del vars(table)["features"]  # which are not read before
    with pytest.raises(UsageError, match=r"an audit of 100 .* --images 34 takes at random"):
        bb.audit(table)
    for name in ("map.png", "map.html"):
        with pytest.raises(UsageError, match=r"a map of 100 .* \(load_dataset\(…, images=52\)\)"):
            bb.plot(table, tmp_path / name)
    assert not [*tmp_path.glob("map*")]

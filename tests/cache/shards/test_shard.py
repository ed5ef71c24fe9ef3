import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottlebank.cache import Key
from bottlebank.cache.local_storage import LocalStorage
from bottlebank.cache.shards.shard import Rejection, Shard
from bottlebank.cache.shards.shard_name import ShardName, next_number
from bottlebank.cache.shards.shard_writer import Rows, write_shard
from bottlebank.errors import DamagedShardError


def make_rows(n: int, width: int, seed: int = 0, rejections=(), paths=None, n_views=1) -> Rows:
    random = np.random.default_rng(seed)
    rows = Rows()
    for number, values in enumerate(random.normal(size=(n, width)).astype(np.float32)):
        path = b"photos/%d.jpg" % number if paths is None else paths[number]
        rows.extend([Key(random.bytes(32), number % n_views)], [path], values[np.newaxis])
    rows.rejections += rejections
    return rows


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(0, 70),
    width=st.sampled_from([1, 3, 512, 5000]),
    paths=st.lists(st.binary(max_size=20), min_size=70, max_size=70),
    reasons=st.lists(st.text(max_size=20), max_size=3),
    n_views=st.integers(1, 3),
)
def test_what_is_written_is_read(tmp_path_factory, n, width, paths, reasons, n_views):
    folder = tmp_path_factory.mktemp("shards")
    rejections = [
        Rejection(bytes([number]) * 32, b"\xff\n", reason) for number, reason in enumerate(reasons)
    ]
    rows = make_rows(n, width, rejections=rejections, paths=paths, n_views=n_views)
    contents = write_shard(LocalStorage(folder), 7, rows)
    name = contents.name
    assert name.startswith("000007-")
    with Shard(LocalStorage(folder), name) as shard:
        assert shard.contents() == contents
        assert shard.layout[:2] == ((n, width) if n else (0, 0))
        assert shard.keys().to_list() == contents.key_array().to_list() == rows.keys
        assert shard.paths() == rows.paths
        assert shard.rejections() == rows.rejections
        out = np.empty((n, width), np.float32)
        shard.read(np.arange(n), out)
        assert np.array_equal(out, np.concatenate([out[:0], *rows.pieces]))
        shard.verify()


def test_only_the_rows_asked_for_are_returned_also_across_blocks(tmp_path):
    rows = make_rows(200, 512)  # 64 rows a block
    name = write_shard(LocalStorage(tmp_path), 0, rows).name
    chosen = np.array([0, 1, 63, 64, 150, 199])
    out = np.empty((len(chosen), 512), np.float32)
    with Shard(LocalStorage(tmp_path), name) as shard:
        shard.read(chosen, out)
    assert np.array_equal(out, np.concatenate(rows.pieces)[chosen])


def test_a_flipped_bit_anywhere_is_reported_and_never_returned(tmp_path):
    rows = make_rows(40, 64, rejections=[Rejection(b"r" * 32, b"bad.jpg", "empty")])
    name = write_shard(LocalStorage(tmp_path), 0, rows).name
    sound = (tmp_path / name).read_bytes()
    expected = np.concatenate(rows.pieces)
    random = np.random.default_rng(0)
    n_noticed = 0
    for _ in range(300):
        data = bytearray(sound)
        data[random.integers(len(data))] ^= 1 << random.integers(8)
        (tmp_path / name).write_bytes(data)
        try:
            with Shard(LocalStorage(tmp_path), name) as shard:
                out = np.empty((40, 64), np.float32)
                keys = shard.keys().to_list()
                rejections = shard.rejections()
                shard.read(np.arange(40), out)
        except DamagedShardError:
            n_noticed += 1
        else:  # the bit was in no data: gaps between the objects of the file
            assert np.array_equal(out, expected)
            assert keys == rows.keys
            assert rejections == rows.rejections
        with (
            pytest.raises(DamagedShardError, match=name),
            Shard(LocalStorage(tmp_path), name) as shard,
        ):
            shard.verify()
    assert n_noticed > 250


@pytest.mark.parametrize("keep", [0, 1, 100, 2000, -1])
def test_a_torn_shard_is_reported(tmp_path, keep):
    name = write_shard(LocalStorage(tmp_path), 0, make_rows(40, 64)).name
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:keep])
    with pytest.raises(DamagedShardError, match="cache verify"):
        Shard(LocalStorage(tmp_path), name)


def test_a_shard_of_a_later_version_is_refused(tmp_path):
    name = write_shard(LocalStorage(tmp_path), 0, make_rows(2, 4)).name
    with h5py.File(tmp_path / name, "r+") as file:
        file.attrs["format"] = np.uint32(9)
    with pytest.raises(DamagedShardError, match="format 9, this version reads 1"):
        Shard(LocalStorage(tmp_path), name)


def test_names():
    assert ShardName.parse("000123-0123456789abcdef.h5") == ShardName(123, "0123456789abcdef")
    assert str(ShardName(5, "0" * 16)) == "000005-0000000000000000.h5"
    for name in ("000123.h5", ".bottlebank-x.h5", "000123-0123456789ABCDEF.h5", "LOCK"):
        assert ShardName.parse(name) is None


@pytest.mark.parametrize(
    ("numbers", "following"),
    [
        ([], 0),
        ([0], 1),
        ([41, 7], 42),
        ([999_999], 1_000_000),
        ([3, 10**17 - 1, 10**18 - 1, 10**18], 4),
        ([10**18], 0),
        ([10**11 - 1], 10**11),
    ],
)
def test_the_next_number_always_leaves_room_for_more(tmp_path, numbers, following):
    assert next_number([str(ShardName(number, "0" * 16)) for number in numbers]) == following
    assert next_number(["LOCK", "recipe.json"]) == 0
    name = write_shard(LocalStorage(tmp_path), following, make_rows(2, 4)).name
    assert ShardName.parse(name).number == following


def test_a_shard_that_would_not_be_found_again_is_not_written(tmp_path):
    for number in (-1, 10**12, 10**18, 10**30):
        with pytest.raises(ValueError, match="numbered from 0 to 999999999999"):
            write_shard(LocalStorage(tmp_path), number, make_rows(2, 4))
    assert list(tmp_path.iterdir()) == []

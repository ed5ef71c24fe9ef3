"""How many processes decode, and what each may take: what fits into the memory, and no more."""

import itertools

import pytest

from bottlebank.errors import UsageError
from bottlebank.features.images import decoding_shares
from bottlebank.features.images.decoding_shares import (
    MOST_BYTES,
    Allowed,
    require_allowed,
    shares_of,
)

MIB = 1 << 20
GIB = 1 << 30
BUFFERS = 34 * MIB
LEAST_OF_ONE = (192 + 34 + 288) * MIB


@pytest.fixture
def machine(monkeypatch):
    """Say how many cores and how much memory are available."""

    def say(n_cores, n_bytes):
        monkeypatch.setattr(decoding_shares, "available_cores", lambda: n_cores)
        monkeypatch.setattr(decoding_shares, "available_memory_bytes", lambda: n_bytes)

    return say


def most(shares):
    """What everything takes that has a share, if it takes all of it."""
    beside = 2 * shares.largest_file_bytes
    return shares.n_workers * (shares.worker_bytes + BUFFERS) + shares.large_bytes + beside


@pytest.mark.parametrize("n_cores", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("memory", [LEAST_OF_ONE, 700 * MIB, GIB, 3 * GIB + 1, 16 * GIB, 1 << 42])
def test_all_shares_together_are_within_the_memory(machine, n_cores, memory):
    machine(n_cores, 0)
    shares = shares_of(Allowed(None, memory), BUFFERS)
    assert 1 <= shares.n_workers <= n_cores
    assert most(shares) <= memory
    assert min(shares.worker_bytes, shares.large_bytes) >= 192 * MIB
    assert max(shares.worker_bytes, shares.large_bytes) <= MOST_BYTES
    if shares.n_workers < n_cores:  # one more would not have fitted
        with pytest.raises(UsageError, match="workers"):
            shares_of(Allowed(shares.n_workers + 1, memory), BUFFERS)


@pytest.mark.parametrize("n_cores", [1, 2, 16])
def test_a_container_of_one_gibibyte_has_room_for_the_network(machine, n_cores):
    machine(n_cores, GIB - 66 * MIB)  # which Python and the libraries have taken
    shares = shares_of(Allowed(), BUFFERS)
    assert shares.n_workers == 1
    assert most(shares) <= GIB - (66 + 256) * MIB


@pytest.mark.parametrize(
    ("n_cores", "available", "n_workers"),
    [(8, 4 * GIB, 8), (8, 2 * GIB, 5), (16, 128 * GIB, 16), (2, 300 * MIB, 1), (4, 0, 1)],
)
def test_workers_are_fewer_only_where_memory_is_short(machine, n_cores, available, n_workers):
    machine(n_cores, available)
    shares = shares_of(Allowed(), BUFFERS)
    assert shares.n_workers == n_workers
    assert most(shares) <= max(available * 3 // 4, LEAST_OF_ONE)


def test_pictures_of_any_size_can_be_decoded_where_there_is_memory(machine):
    machine(8, 16 * GIB)
    assert shares_of(Allowed(), BUFFERS).large_bytes == MOST_BYTES


def test_as_many_workers_as_the_user_wants(machine):
    machine(2, 4 * GIB)
    assert shares_of(Allowed(12, None), BUFFERS).n_workers == 12
    assert shares_of(Allowed(3, 4 * GIB), BUFFERS).n_workers == 3


def test_no_more_workers_than_there_is_memory_for(machine):
    machine(2, GIB)
    assert shares_of(Allowed(3, None), BUFFERS).n_workers == 3
    with pytest.raises(UsageError, match="^8 workers need at least .*1,024 MiB are available"):
        shares_of(Allowed(8, None), BUFFERS)
    machine(2, 100 * MIB)
    assert shares_of(Allowed(1, None), BUFFERS).n_workers == 1


@pytest.mark.parametrize(
    ("workers", "memory", "least"),
    [
        (
            None,
            100 * MIB,
            "at least --memory 514 MiB: the least for 1 worker with this network",
        ),
        (1, LEAST_OF_ONE - 1, "^memory is 514 MiB; expected at least --memory 514 MiB"),
        (4, GIB, "at least --memory 1,192 MiB, or fewer --workers: the least for 4 workers"),
    ],
)
def test_too_little_memory_is_refused_with_the_least(machine, workers, memory, least):
    machine(8, 64 * GIB)
    with pytest.raises(UsageError, match=least):
        shares_of(Allowed(workers, memory), BUFFERS)


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        (1_000_000_000, 10**9),
        ("1000000000", 10**9),
        ("123b", 123),
        *itertools.product(
            ("2G", "2g", "2GB", "2 GB", "2GiB", "2Gi", " 2gib ", "2.0G", "2048M"), [2 * GIB]
        ),
        ("1.5g", 3 * GIB // 2),
        (".5G", GIB // 2),
        ("1.G", GIB),
        ("512M", 512 * MIB),
        ("512Mi", 512 * MIB),
        ("524288k", 512 * MIB),
        ("1T", 1 << 40),
    ],
)
def test_sizes_as_people_write_them(text, n_bytes):
    assert require_allowed(None, text) == (None, n_bytes)


@pytest.mark.parametrize(
    "memory",
    [
        "",
        "G",
        "0",
        0,
        -1,
        "-1G",
        "1,5G",
        "1e9",
        "2X",
        "2i",
        "2iB",
        "2  GB",
        "2G 1M",
        "50 percent",
        "inf",
        "nan",
        1.5,
        True,
        b"2G",
        "9" * 400,
        "２G",
        [1],
    ],
)
def test_other_sizes_are_refused(memory):
    with pytest.raises(UsageError, match="^memory is .*; expected a number of bytes, or text such"):
        require_allowed(None, memory)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True, []])
def test_numbers_of_workers_that_are_none_are_refused(workers):
    with pytest.raises(UsageError, match="^workers is .*; expected a whole number of at least 1$"):
        require_allowed(workers, None)

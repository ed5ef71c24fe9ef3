import pytest

from bottlebank.errors import EngineError
from bottlebank.extraction.cluster.chunks import Chunk, Chunks
from bottlebank.extraction.image_files import ImageFile


def files(n: int) -> list[ImageFile]:
    return [ImageFile(number, f"{number}.jpg", 100) for number in range(n)]


def taken(chunks: Chunks, speed: float | None = None, n_workers: int = 2) -> list[Chunk]:
    found = []
    while (chunk := chunks.take(speed, n_workers)) is not None:
        found.append(chunk)
    return found


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 1000, 70_001])
@pytest.mark.parametrize("speed", [None, 0.1, 10.0, 5000.0])
@pytest.mark.parametrize("n_workers", [1, 2, 64])
def test_every_file_is_handed_out_once_and_in_order(n, speed, n_workers):
    chunks = Chunks(iter(files(n)), n)
    assert chunks.n_left == n
    positions = [file.position for chunk in taken(chunks, speed, n_workers) for file in chunk.files]
    assert positions == list(range(n))
    assert chunks.n_left == 0


def test_a_chunk_takes_its_worker_half_a_minute_and_the_last_ones_less():
    sizes = [len(chunk.files) for chunk in taken(Chunks(iter(files(20_000)), 20_000), 100.0)]
    assert sizes[0] == 3000
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] <= 32
    first = Chunks(iter(files(20_000)), 20_000).take(None, 2)
    assert first is not None and len(first.files) == 256  # how fast it is, is not known yet


def test_fewer_files_than_expected_are_no_reason_to_wait():
    chunks = Chunks(iter(files(10)), 1000)
    assert [len(chunk.files) for chunk in taken(chunks)] == [10]
    assert chunks.n_left == 0


def test_what_was_lost_comes_again_in_halves():
    chunks = Chunks(iter(files(200)), 200)
    chunk = chunks.take(100.0, 1)
    assert chunk is not None
    left = list(chunk.files)[10:]
    chunks.put_back(chunk, left, "killed")
    assert chunks.n_left == 200 - 10
    again = taken(chunks, 100.0, 1)
    assert [len(each.files) for each in again[:2]] == [len(left) // 2, len(left) - len(left) // 2]
    positions = sorted(file.position for each in again for file in each.files)
    assert positions == list(range(10, 200))


def test_a_chunk_of_which_nothing_is_left_does_not_come_again():
    chunks = Chunks(iter(files(20)), 20)
    chunk = chunks.take(None, 1)
    assert chunk is not None
    chunks.put_back(chunk, [], "killed")
    assert chunks.take(None, 1) is None


def test_files_that_end_every_worker_are_named():
    chunks = Chunks(iter(files(300)), 300)
    n_ended = 0
    with pytest.raises(
        EngineError, match=r"8 workers ended while extracting .*\.jpg.*: killed"
    ) as e:
        while (chunk := chunks.take(None, 1)) is not None:
            if any(file.position == 123 for file in chunk.files):
                n_ended += 1
                chunks.put_back(chunk, chunk.files, "killed")
    assert n_ended < 16
    assert "123.jpg" in str(e.value) or "…" in str(e.value)

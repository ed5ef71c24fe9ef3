from bottlebank.extraction.cluster import speeds
from bottlebank.extraction.cluster.speeds import Speeds


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


def test_a_worker_that_does_less_than_half_is_named(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(speeds, "time", clock)
    found = Speeds()
    for name in "abcd":
        found.begin(name)
    assert found.of("a") is None and found.of("nobody") is None
    clock.now_s += 10
    for name, n in zip("abcd", (1000, 1100, 400, 900), strict=True):
        found.add(name, n)
        found.add_files(name, n)
    assert found.of("a") == 100
    assert found.stragglers() == {}  # too early to say
    clock.now_s += 15
    assert found.stragglers() == {"c": 16.0}
    assert found.in_words(4, 4) == "4 workers, slow: c (16/s)"
    assert found.in_words(3, 4) == "3 of 4 workers, slow: c (16/s)"
    found.end("c")
    clock.now_s += 75
    assert found.stragglers() == {}  # the others have got as slow
    found.end_all()
    clock.now_s += 1000
    assert [each["images_per_second"] for each in found.as_json()] == [10.0, 11.0, 16.0, 9.0]


def test_two_workers_are_not_compared(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(speeds, "time", clock)
    found = Speeds()
    found.begin("a")
    found.begin("b")
    clock.now_s += 100
    found.add("a", 1000)
    assert found.stragglers() == {}
    assert found.in_words(2, 2) == "2 workers"

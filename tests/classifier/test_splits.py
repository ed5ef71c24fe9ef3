import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bottlebank.classifier.splits import split, split_by_content


def keys(numbers) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in numbers]


def test_the_shares_are_70_15_15():
    sides = split_by_content(keys(range(20_000)))
    shares = [np.mean(sides == side) for side in ("train", "validation", "test")]
    np.testing.assert_allclose(shares, [0.70, 0.15, 0.15], atol=0.01)


@given(st.sets(st.integers(), min_size=1), st.sets(st.integers()), st.randoms())
def test_nothing_moves_when_data_grows_or_is_shuffled(present, added, random):
    before = dict(zip(present, split_by_content(keys(present)), strict=True))
    grown = list(present | added)
    random.shuffle(grown)
    after = dict(zip(grown, split_by_content(keys(grown)), strict=True))
    assert all(after[number] == side for number, side in before.items())


def test_sides_at_the_edges():
    edge = [int(fraction * 2**64) for fraction in (0, 0.6999, 0.7001, 0.8499, 0.8501, 0.99999)]
    sides = split_by_content([number.to_bytes(8, "big") + bytes(24) for number in edge])
    assert sides.tolist() == ["train", "train", "validation", "validation", "test", "test"]


def test_declared_splits_are_respected_and_the_undeclared_train():
    decided = split(keys(range(4)), list("abab"), ["train", None, "test", "test"])
    assert decided.sides.tolist() == ["train", "train", "test", "test"]
    assert decided.declared
    assert decided.warnings == []
    assert decided.counts() == {"train": 2, "validation": 0, "test": 2}
    assert decided.rows("test").tolist() == [2, 3]


def test_classes_without_images_on_a_side_are_a_warning_with_its_remedy():
    decided = split(keys([0, 1]), ["a", "b"], ["train", "test"])
    assert decided.warnings == [
        "class 'b' cannot be learned, having no image in train: declare some of their images for "
        "it",
        "class 'a' cannot be tested, having no image in test: declare some of their images for it",
    ]
    assert not decided.has_contradictions
    by_content = split(keys(range(7)), [f"class {number}" for number in range(7)])
    assert not by_content.declared
    assert any("and 1 more cannot be" in warning for warning in by_content.warnings)
    assert all(warning.endswith("add images of them") for warning in by_content.warnings)


def test_equal_files_that_contradict_are_reported():
    decided = split(keys([0, 0, 1, 2]), ["cat", "dog", "cat", "dog"], ["train"] * 4)
    assert decided.has_contradictions
    assert decided.warnings == [
        "1 images stand, byte for byte, under two labels or more, such as cat and dog: keep the "
        "right one"
    ]
    decided = split(keys([0, 0, 1, 1]), ["cat", "cat", "dog", "dog"], ["train", "test"] * 2)
    assert decided.has_contradictions
    assert decided.warnings == [
        "2 images stand, byte for byte, on two sides of the split, such as test and train: the "
        "accuracy there is too good; keep one of each"
    ]

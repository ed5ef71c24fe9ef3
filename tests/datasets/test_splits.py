import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bottlebank.datasets.splits import rarest_class, split, split_by_content


def keys(numbers) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in numbers]


def test_the_shares_are_70_15_15():
    splits = split_by_content(keys(range(20_000)))
    shares = [np.mean(splits == name) for name in ("train", "validation", "test")]
    np.testing.assert_allclose(shares, [0.70, 0.15, 0.15], atol=0.01)


def given_a_side(numbers) -> dict:
    """The images of a class that are given a split, wherever their hashes fall."""
    ascending = sorted(numbers, key=lambda number: keys([number])[0])
    between = sorted(
        ascending[1:-1],
        key=lambda number: abs(int.from_bytes(keys([number])[0][:8], "big") / 2**64 - 0.775),
    )
    found = dict.fromkeys(between[:1], "validation")
    return {**found, ascending[-1]: "test", ascending[0]: "train"}


@given(
    st.dictionaries(st.integers(), st.sampled_from("abc"), min_size=1),
    st.dictionaries(st.integers(), st.sampled_from("abc")),
)
def test_each_class_is_in_every_split_and_three_images_a_class_move_at_most(present, added):
    numbers = sorted(present)
    decided = split(keys(numbers), [present[number] for number in numbers])
    before = dict(zip(numbers, decided.of_row.tolist(), strict=True))
    may_move = set()
    for label in set(present.values()):
        mine = [number for number in numbers if present[number] == label]
        here = {before[number] for number in mine}
        assert here >= set(["train", "test", "validation"][: len(mine)])
        alone = dict(zip(mine, split_by_content(keys(mine)).tolist(), strict=True))
        assert {number: before[number] for number in mine} == {**alone, **given_a_side(mine)}
        may_move |= set(given_a_side(mine))
    grown = {**added, **present}
    every = sorted(grown)
    decided = split(keys(every), [grown[number] for number in every])
    after = dict(zip(every, decided.of_row.tolist(), strict=True))
    moved = {number for number in numbers if before[number] != after[number]}
    assert moved <= may_move
    assert {present[number] for number in moved} <= {
        grown[number] for number in added.keys() - present.keys()
    }


@given(st.sets(st.integers(), min_size=60, max_size=60), st.sets(st.integers(), max_size=20))
def test_of_many_images_none_has_to_be_given_a_split(present, added):
    numbers = sorted(present)
    natural = split_by_content(keys(numbers)).tolist()
    decided = split(keys(numbers), ["a"] * 60).of_row.tolist()
    if set(natural) == {"train", "validation", "test"} and natural.count("validation") > 1:
        assert decided == natural


def test_an_image_of_two_classes_trains_before_it_tests():
    low, high = sorted(keys(range(2)))
    decided = split([low, high, high], ["a", "a", "b"]).of_row.tolist()
    assert decided == ["train", "train", "train"]  # the only one of b


def test_the_lowest_group_of_a_class_trains_as_a_whole():
    for seed in range(30):
        numbers = range(10 * seed, 10 * seed + 6)
        groups = [f"{seed} one", f"{seed} one", f"{seed} two", f"{seed} two", None, None]
        splits = split(keys(numbers), list("aaaabb"), groups=groups).of_row.tolist()
        assert splits[0] == splits[1] and splits[2] == splits[3]
        assert "train" in splits[:4] and "train" in splits[4:]


@given(st.sets(st.integers(), min_size=1), st.sets(st.integers()), st.randoms())
def test_nothing_moves_when_data_grows_or_is_shuffled(present, added, random):
    before = dict(zip(present, split_by_content(keys(present)), strict=True))
    grown = list(present | added)
    random.shuffle(grown)
    after = dict(zip(grown, split_by_content(keys(grown)), strict=True))
    assert all(after[number] == name for number, name in before.items())


def test_sides_at_the_edges():
    edge = [int(fraction * 2**64) for fraction in (0, 0.6999, 0.7001, 0.8499, 0.8501, 0.99999)]
    splits = split_by_content([number.to_bytes(8, "big") + bytes(24) for number in edge])
    assert splits.tolist() == ["train", "train", "validation", "validation", "test", "test"]


def test_declared_splits_are_respected_and_the_undeclared_train():
    decided = split(keys(range(4)), list("abab"), ["train", None, "test", "test"])
    assert decided.of_row.tolist() == ["train", "train", "test", "test"]
    assert decided.declared
    assert decided.warnings == []
    assert decided.counts() == {"train": 2, "validation": 0, "test": 2}
    assert decided.rows("test").tolist() == [2, 3]


def test_classes_without_images_in_a_split_are_a_warning_with_its_remedy():
    decided = split(keys([0, 1]), ["a", "b"], ["train", "test"])
    assert decided.warnings == [
        "class 'b' has no training images: declare some for train",
        "class 'a' has no test images: declare some for test",
    ]
    assert not decided.has_contradictions
    by_content = split(keys(range(7)), [f"class {number}" for number in range(7)])
    assert not by_content.declared
    assert by_content.counts() == {"train": 7, "validation": 0, "test": 0}
    assert all("and 2 more have no " in warning for warning in by_content.warnings)
    assert all(
        warning.endswith("images: add more images of them") for warning in by_content.warnings
    )


def test_equal_files_that_contradict_are_reported():
    decided = split(keys([0, 0, 1, 2]), ["cat", "dog", "cat", "dog"], ["train"] * 4)
    assert decided.has_contradictions
    assert decided.warnings == [
        "1 image has more than one label (such as cat and dog): keep the correct copy"
    ]
    decided = split(keys([0, 0, 1, 1]), ["cat", "cat", "dog", "dog"], ["train", "test"] * 2)
    assert decided.has_contradictions
    assert decided.warnings == [
        "2 images in two splits, byte for byte, such as test and train: the "
        "accuracy there is too good; keep one of each"
    ]


@given(
    st.dictionaries(st.integers(), st.sampled_from(["film", "garden", None]), min_size=1),
    st.sets(st.integers()),
)
def test_a_group_is_in_one_split_and_three_of_a_class_move_at_most(present, added):
    numbers = sorted(present)
    groups = [present[number] for number in numbers]
    before = split(keys(numbers), ["a"] * len(numbers), groups=groups).of_row
    for group in ("film", "garden"):
        assert len({name for name, mine in zip(before, groups, strict=True) if mine == group}) <= 1
    grown = [*numbers, *sorted(added - set(numbers))]
    more = [*groups, *["film"] * (len(grown) - len(numbers))]
    after = split(keys(grown), ["a"] * len(grown), groups=more).of_row[: len(before)]
    moved = {groups[row] or numbers[row] for row in np.flatnonzero(after != before).tolist()}
    assert len(moved) <= (3 if len(grown) > len(numbers) else 0)


def test_a_group_decides_for_its_images_and_the_others_for_themselves():
    contents = keys(range(200))
    grouped = split(contents, ["a"] * 200, groups=["one"] * 50 + [None] * 150).of_row
    assert len(set(grouped[:50])) == 1
    assert (grouped[50:] == split_by_content(contents)[50:]).all()


def test_declared_splits_that_tear_a_group_are_reported():
    decided = split(keys(range(3)), list("aaa"), ["train", "test", "test"], ["x", "x", None])
    assert decided.has_contradictions
    assert "1 group in two declared splits, such as 'x'" in decided.warnings[0]


def test_near_duplicates_are_left_out_unless_the_split_is_declared():
    contents, labels = keys(range(300)), ["a", "b"] * 150
    splits = split_by_content(contents)
    row, other = np.flatnonzero(splits == "test")[0], np.flatnonzero(splits == "train")[0]
    seen = []

    def find_near(found):
        seen.append(found.tolist())
        return {int(row): int(other)}

    decided = split(contents, labels, find_near=find_near)
    assert seen == [splits.tolist()]
    assert (decided.of_row == splits).all()  # nobody moves
    assert row not in decided.rows("test")
    assert row in decided.with_near("test")
    assert row not in decided.without_near("test")
    assert sum(decided.counts().values()) == 299
    declared = split(contents, labels, splits.tolist(), find_near=find_near)
    assert row in declared.rows("test")
    assert row not in declared.without_near("test")


def test_a_class_whose_only_test_image_is_left_out_cannot_be_tested():
    contents = keys(range(300))
    splits = split_by_content(contents)
    row = int(np.flatnonzero(splits == "test")[0])
    labels = ["rare" if number == row else "often" for number in range(300)]
    decided = split(contents, labels, find_near=lambda splits: {row: 0})
    assert any(
        "class 'rare' has no test images: add more images of it" in warning
        for warning in decided.warnings
    )


def test_the_rarest_class_counts_equal_files_and_groups_once():
    labels = list("aaaabbb")
    assert rarest_class(keys(range(7)), labels) == ("b", 3)
    assert rarest_class(keys([0, 0, 0, 1, 2, 3, 4]), labels) == ("a", 2)
    groups = ["x", "x", None, None, "y", "y", "y"]
    assert rarest_class(keys(range(7)), labels, groups) == ("b", 1)


def test_classes_of_one_two_and_three_images():
    labels = ["one", "two", "two", "three", "three", "three"]
    for seed in range(40):
        decided = split(keys(range(100 * seed, 100 * seed + 6)), labels)
        assert sum(decided.counts().values()) == 6
        for name in ("one", "two", "three"):
            here = set(decided.of_row[np.array(labels) == name].tolist())
            for where, kind in (
                ("train", "training"),
                ("validation", "validation"),
                ("test", "test"),
            ):
                warned = any(
                    f"no {kind} images" in warning and f"'{name}'" in warning
                    for warning in decided.warnings
                )
                assert warned == (where not in here)

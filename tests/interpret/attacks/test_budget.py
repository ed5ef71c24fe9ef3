"""Budgets as people write them."""

import pytest

from bottlebank.errors import UsageError
from bottlebank.interpret.attacks.budget import LARGEST, OF_CURVE, all_levels_of, levels_of


@pytest.mark.parametrize("levels", [1, 2, 4, 8, 16, 128, 255])
def test_every_form_of_a_budget_is_the_same(levels):
    forms = [f"{levels}/255", f" {levels} / 255 ", levels / 255, f"{levels / 255:.4f}"]
    assert [levels_of(form) for form in forms] == [levels] * 4


@pytest.mark.parametrize(
    "budget",
    ["0/255", "256/255", "4/256", "0", "1.5", "-1/255", "nan", "inf", "", None, True, [], 1, "1"],
)
def test_what_is_no_budget_is_refused(budget):
    with pytest.raises(UsageError, match="expected a budget of 1/255 to 255/255, such as 4/255"):
        levels_of(budget)


def test_part_of_a_level_is_refused_with_the_nearest_budget():
    with pytest.raises(UsageError, match=r"whole levels of an image file, such as 8/255.*0\.03"):
        levels_of("0.03")


def test_several_are_sorted_and_each_counts_once():
    assert all_levels_of("8/255, 1/255,8/255,") == [1, 8]
    assert all_levels_of(OF_CURVE) == [1, 2, 4, 8]
    assert all_levels_of(LARGEST) == [16]
    for nothing in ("", " , ", []):
        with pytest.raises(UsageError, match="received none"):
            all_levels_of(nothing)

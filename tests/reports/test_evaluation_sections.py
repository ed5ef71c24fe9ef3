"""The words of a report: what is said of its pictures."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from bottlebank.reports.evaluation_sections import _about_confusions, growth_section
from bottlebank.training.learning_curve import LearningCurve


def said(matrix, classes=("hat", "coat", "shoe")) -> str:
    text = _about_confusions(np.array(matrix), classes)
    return text.replace("\u2068", "").replace("\u2069", "")


def test_the_most_confused_are_those_by_share_of_the_true_class():
    matrix = [[900, 50, 0], [0, 6, 2], [1, 0, 9]]  # 50 of 950 are fewer than 2 of 8
    assert said(matrix) == (
        "Most often confused, by share of the true class: coat → shoe 25 % (2 of 8 images); "
        "shoe → hat 10 % (1 of 10 images); hat → coat 5 % (50 of 950 images)."
    )


def test_of_equal_shares_the_one_of_more_images_comes_first():
    assert "class: hat → coat 50 % (10 of 20 images); coat → hat 50 % (3 of 6 images)." in said(
        [[10, 10, 0], [3, 3, 0], [0, 0, 5]]
    )


def test_a_class_of_few_images_says_little():
    assert "class: hat → shoe 10 % (1 of 10 images)." in said([[9, 0, 1], [1, 0, 0], [0, 0, 9]])
    assert "class: coat → hat 100 % (1 of 1 image)." in said([[9, 0, 0], [1, 0, 0], [0, 0, 9]])


@pytest.mark.parametrize("matrix", [[[4, 0], [0, 2]], [[0, 0], [0, 0]]])
def test_no_confusion_is_said(matrix):
    assert said(matrix, ["a", "b"]) == "No class was confused with another."


def test_a_name_that_is_read_from_the_right_turns_nothing_around_it():
    text = _about_confusions(np.array([[1, 9], [0, 9]]), ["قبعة", "<b>"])
    assert "\u2068قبعة\u2069 → \u2068<b>\u2069 90 % (9 of 10 images)" in text


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ([0.4, 0.3, 0.225, 0.169, 0.127], r"Doubling the images: \+\d\.\d points expected \(\+"),
        ([0.2] * 5, "Doubling the images: no measurable gain."),
        ([0.4, 0.3, 0.2, 0.1, 0.0], "Doubling the images: all of the 1,000 held-out images are"),
    ],
)
def test_the_learning_curve_speaks_of_doubling(errors, words, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "bottlebank.reports.evaluation_sections.draw_learning_curve",
        lambda *arguments, theme: drawn.append((theme.name, *arguments)),
    )
    sizes = np.array([5.0, 10, 20, 40, 80])
    right = np.array([[np.arange(1000) >= 1000 * error] * 3 for error in errors])
    curve = LearningCurve(sizes, (sizes * 2).astype(int), right)
    head, evaluated = SimpleNamespace(kind="logistic"), SimpleNamespace(name="test")
    section = growth_section(tmp_path, head, curve, evaluated)
    assert re.match(words, section.text)
    assert [each[0] for each in drawn] == ["light", "dark"]
    forecast = drawn[0][-1]
    assert forecast is None or list(forecast.sizes) == [80, 160]
    assert (forecast is None) == ("expected" not in section.text)
    assert section.picture != section.dark

import json

import pytest

from bottlebank.classifier.evaluation import evaluate


def test_figures_worked_out_by_hand():
    found = evaluate(list("aaabbc"), list("aabbbb"), list("abc"))
    assert found.images == 6
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.precision_macro == pytest.approx((1 + 2 / 4 + 0) / 3)
    assert found.recall_macro == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found.f1_macro == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    assert found.confusion_matrix.tolist() == [[2, 1, 0], [0, 2, 0], [0, 1, 0]]


def test_a_label_that_the_head_does_not_know_is_never_right():
    found = evaluate(["cat", "emu"], ["cat", "cat"], ["cat", "dog"])
    assert found.accuracy == 0.5
    assert found.classes == ["cat", "dog", "emu"]
    assert found.confusion_matrix.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_a_class_that_is_nowhere_does_not_count_in_the_means():
    assert evaluate(["a", "b"], ["a", "b"], ["a", "b", "c"]).f1_macro == 1


def test_it_is_json():
    answer = json.loads(json.dumps(evaluate(list("ab"), list("ab"), list("ab")).as_dict()))
    assert answer["confusion_matrix"] == [[1, 0], [0, 1]]
    assert set(answer) == {
        "images", "accuracy", "precision_macro", "recall_macro", "f1_macro", "classes",
        "confusion_matrix",
    }  # fmt: skip

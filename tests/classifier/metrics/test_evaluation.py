import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from bottlebank.classifier.metrics.evaluation import evaluate
from bottlebank.errors import UsageError

FIGURES = ("precision", "recall", "f1", "roc_auc")


def certain_of(predicted, classes):
    """Probabilities (n, k) of a head that is certain of what it predicts."""
    return np.equal.outer(np.array(predicted), np.array(classes)).astype(float)


def random_answers(seed, n=200, k=4, signal=1.5):
    """Labels and the probabilities of a head that is often right, ties among them."""
    random = np.random.default_rng(seed)
    codes = random.integers(k, size=n)
    logits = random.normal(size=(n, k)) + signal * np.eye(k)[codes]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return [f"class {code}" for code in codes], probabilities.round(2), codes


def test_figures_worked_out_by_hand():
    found = evaluate(list("aaabbc"), certain_of(list("aabbbb"), list("abc")), list("abc"))
    assert found.images == 6
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.precision_macro == pytest.approx((1 + 2 / 4 + 0) / 3)
    assert found.recall_macro == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found.f1_macro == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    assert found.confusion_matrix.tolist() == [[2, 1, 0], [0, 2, 0], [0, 1, 0]]
    # Pairs of a row of the class and another that are in order, ties one half.
    assert found.roc_auc_macro == pytest.approx((7.5 / 9 + 6 / 8 + 2.5 / 5) / 3)
    assert found.calibration_error == pytest.approx(2 / 6)  # certain of six, right in four
    a, b, c = found.per_class
    assert (a.label, a.images, a.precision, a.recall, a.f1) == pytest.approx(
        ("a", 3, 1, 2 / 3, 4 / 5)
    )
    assert (b.label, b.images, b.precision, b.recall, b.f1) == pytest.approx(
        ("b", 2, 1 / 2, 1, 2 / 3)
    )
    assert (c.label, c.images, c.precision, c.recall, c.f1) == ("c", 1, 0, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scikit_learn(seed):
    labels, probabilities, codes = random_answers(seed)
    classes = [f"class {code}" for code in range(4)]
    found = evaluate(labels, probabilities, classes)
    predicted = probabilities.argmax(axis=1)
    expected = precision_recall_fscore_support(codes, predicted)
    areas = [roc_auc_score(codes == code, probabilities[:, code]) for code in range(4)]
    figures = np.array([[getattr(each, name) for name in FIGURES] for each in found.per_class])
    np.testing.assert_allclose(figures.T, [*expected[:3], areas], rtol=1e-12)
    assert [each.images for each in found.per_class] == expected[3].tolist()
    assert (found.confusion_matrix == confusion_matrix(codes, predicted)).all()
    means = [getattr(found, f"{name}_macro") for name in FIGURES]
    np.testing.assert_allclose(means, figures.mean(axis=0), rtol=1e-12)
    confidence, right = probabilities.max(axis=1), predicted == codes
    error = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        error += abs(right[inside].sum() - confidence[inside].sum()) / len(codes)
    assert found.calibration_error == pytest.approx(error, rel=1e-12)


def test_the_order_of_the_classes_is_the_heads_own():
    labels, probabilities, _ = random_answers(0)
    order = [2, 0, 3, 1]
    found = evaluate(labels, probabilities, [f"class {code}" for code in range(4)])
    other = evaluate(labels, probabilities[:, order], [f"class {code}" for code in order])
    assert other.classes == found.classes
    assert (other.confusion_matrix == found.confusion_matrix).all()
    assert [each.roc_auc for each in other.per_class] == [each.roc_auc for each in found.per_class]


def test_a_label_that_the_head_does_not_know_is_never_right():
    answers = np.array([[0.9, 0.1], [0.8, 0.2]])
    found = evaluate(["cat", "emu"], answers, ["cat", "dog"])
    assert found.accuracy == 0.5
    assert found.classes == ["cat", "dog", "emu"]
    assert found.confusion_matrix.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    cat, dog, emu = found.per_class
    assert cat.roc_auc == 1
    assert (dog.precision, dog.recall, dog.f1, dog.roc_auc) == (None, None, None, None)
    assert (emu.precision, emu.recall, emu.f1, emu.roc_auc) == (0, 0, 0, None)
    assert emu.intervals["recall"] == (0, 0)  # that it is never right is certain
    assert found.recall_macro == 0.5
    assert found.intervals["recall_macro"][1] == 0.5
    assert found.calibration_error == pytest.approx(0.5 * (0.1 + 0.8))


@pytest.mark.parametrize("seed", range(8))
def test_a_class_without_images_has_no_figures_and_no_part_in_the_means(seed):
    """However often it is answered: as scikit-learn with ``labels=`` the classes that occur."""
    random = np.random.default_rng(seed)
    classes = [f"class {code}" for code in range(10)]
    present = np.sort(random.choice(10, size=random.integers(1, 6), replace=False))
    codes = present[random.integers(len(present), size=random.integers(1, 60))]
    answers = np.where(random.random(len(codes)) < 0.7, codes, random.integers(10, size=len(codes)))
    known = classes[:9]  # the last is nothing that the head can answer
    predicted = np.minimum(answers, 8)
    found = evaluate([classes[code] for code in codes], np.eye(9)[predicted], known)

    occurring = np.unique(codes)
    each = precision_recall_fscore_support(codes, predicted, labels=occurring, zero_division=0)
    mean = precision_recall_fscore_support(
        codes, predicted, labels=occurring, average="macro", zero_division=0
    )
    seen = [figures for figures in found.per_class if figures.images]
    assert [figures.label for figures in seen] == [classes[code] for code in occurring]
    figures = np.array([[getattr(one, name) for name in FIGURES[:3]] for one in seen])
    np.testing.assert_allclose(figures.T, each[:3], rtol=1e-12)
    means = [getattr(found, f"{name}_macro") for name in FIGURES[:3]]
    np.testing.assert_allclose(means, mean[:3], rtol=1e-12)
    for name, value in zip(FIGURES[:3], means, strict=True):
        low, high = found.intervals[f"{name}_macro"]
        assert low - 1e-9 <= value <= high + 1e-9
    for absent in [figures for figures in found.per_class if not figures.images]:
        assert [getattr(absent, name) for name in FIGURES] == [None] * 4
        assert absent.intervals == dict.fromkeys(FIGURES)


def test_the_interval_of_a_mean_is_that_of_the_classes_with_images():
    labels = list("aaaaabbbbb")
    known = evaluate(labels, certain_of(list("aaaabbbbbb"), list("ab")), list("ab"))
    wider = evaluate(labels, certain_of(list("aaaabbbbbb"), list("abcdef")), list("abcdef"))
    assert wider.intervals == known.intervals
    strayed = evaluate(labels, certain_of(list("aaaacbbbbb"), list("abcdef")), list("abcdef"))
    assert strayed.intervals["recall_macro"] == known.intervals["recall_macro"]


@pytest.mark.parametrize(
    ("labels", "classes", "words"),
    [
        ("aabb", "ab", "means over 2 classes"),
        ("aabb", "abcd", "means over the 2 of 4 classes that have images"),
        ("a", "ab", "means over the 1 of 2 classes that has images"),
    ],
)
def test_the_number_of_classes_that_are_averaged_is_named(labels, classes, words):
    found = evaluate([*labels], certain_of([classes[-1]] * len(labels), [*classes]), [*classes])
    assert found.means_over == words
    assert words in repr(found)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("ab" * 5, "10 images"),
        ("aab" * 3, "9 images, too few to say anything"),
        ("a", "1 image, too few to say anything and all of one class ('a')"),
        ("b" * 12, "12 images, all of one class ('b'), which says nothing about the others"),
    ],
)
def test_images_that_say_nothing_are_called_so(labels, words):
    found = evaluate([*labels], certain_of([*labels], ["a", "b"]), ["a", "b"])
    assert found.images_in_words == words
    first, *figures = repr(found).splitlines()
    assert first == f"<Evaluation of 2 classes on {words}"
    untold = [line for line in figures if "cannot be estimated from" in line]
    assert len(untold) == (2 if len(labels) < 10 else len(set(labels)) == 1)


def test_a_class_that_is_nowhere_does_not_count_in_the_means():
    found = evaluate(["a", "b"], certain_of(["a", "b"], list("abc")), list("abc"))
    assert (found.precision_macro, found.recall_macro, found.f1_macro) == (1, 1, 1)
    assert found.intervals["f1_macro"][1] == 1
    assert found.per_class[2].intervals == dict.fromkeys(FIGURES)


def test_without_a_second_class_there_is_no_area():
    found = evaluate(["a", "a"], np.array([[0.9, 0.1], [0.2, 0.8]]), ["a", "b"])
    assert found.roc_auc_macro is None
    assert found.intervals["roc_auc_macro"] is None


@settings(max_examples=60, deadline=None)
@given(
    codes=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    seed=st.integers(0, 99),
    sure=st.sampled_from([0.0, 1.0, 5.0, 1000.0]),
)
def test_every_interval_holds_its_figure(codes, seed, sure):
    logits = sure * np.random.default_rng(seed).normal(size=(len(codes), 3))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    found = evaluate(
        [f"class {code}" for code in codes], probabilities, ["class 0", "class 1", "x"]
    )
    places = [(found, name) for name in found.intervals]
    places += [(each, name) for each in found.per_class for name in each.intervals]
    for place, name in places:
        value, interval = getattr(place, name), place.intervals[name]
        assert (value is None) == (interval is None)
        if value is not None:
            low, high = interval
            assert 0 <= low <= high <= 1
            assert low - 1e-9 <= value <= high + 1e-9
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_same_rows_give_the_same_intervals():
    labels, probabilities, _ = random_answers(1, signal=0.0)  # far from calibrated
    classes = [f"class {code}" for code in range(4)]
    found = evaluate(labels, probabilities, classes)
    assert evaluate(labels, probabilities, classes).as_dict() == found.as_dict()
    other = evaluate(labels, probabilities, classes, random_state=1).intervals
    moved = [name for name, interval in found.intervals.items() if other[name] != interval]
    assert moved == ["calibration_error"]  # alone resampled, the others being formulas
    assert other["calibration_error"] == pytest.approx(
        found.intervals["calibration_error"], abs=0.01
    )


def test_it_is_json():
    found = evaluate(list("ab"), certain_of(list("ab"), list("ab")), list("ab"))
    answer = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert answer["confusion_matrix"] == [[1, 0], [0, 1]]
    assert set(answer) == {
        "images", "accuracy", "precision_macro", "recall_macro", "f1_macro", "classes",
        "confusion_matrix", "roc_auc_macro", "calibration_error", "per_class", "intervals",
    }  # fmt: skip
    assert list(answer["intervals"]) == [
        "accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc_macro",
        "calibration_error",
    ]  # fmt: skip
    low, high = answer["intervals"]["accuracy"]
    assert (low, high) == (pytest.approx(0.342, abs=5e-4), 1)  # 2 / (2 + 1.96**2)
    assert list(answer["per_class"][0]) == [
        "label", "images", "precision", "recall", "f1", "roc_auc", "intervals",
    ]  # fmt: skip
    assert list(answer["per_class"][0]["intervals"]) == list(FIGURES)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match=r"got \(2, 3\) for 2 labels and 2 classes"):
        evaluate(["a", "b"], np.ones((2, 3)), ["a", "b"])
    with pytest.raises(UsageError, match="one row at least"):
        evaluate([], np.ones((0, 2)), ["a", "b"])


def test_evaluating_loads_neither_scikit_learn_nor_scipy():
    script = (
        "import sys, numpy as np\n"
        "from bottlebank.classifier.metrics.evaluation import evaluate\n"
        "evaluate(['a', 'b', 'b'], np.eye(2)[[0, 1, 0]], ['a', 'b'])\n"
        "print([name for name in ('sklearn', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

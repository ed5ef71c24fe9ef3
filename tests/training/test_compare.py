import dataclasses

import numpy as np
import pytest

from bottlebank.errors import DatasetError, UsageError
from bottlebank.training.compare import compare


def test_heads_are_evaluated_on_the_same_unseen_images(table):
    seen = []
    found = compare(
        [table],
        ["knn", "logistic"],
        n_folds=4,
        on_fold=lambda name, fold: seen.append((name, fold)),
    )
    assert {trial.head for trial in found.trials} == {"knn", "logistic"}
    assert sorted(seen) == sorted(
        (f"random, {head}", fold) for head in ("knn", "logistic") for fold in range(4)
    )
    best, other = (trial.standing for trial in found.trials)
    assert best.accuracy >= other.accuracy > 0.6  # chance is 0.33
    assert best.p_value is None
    assert 0 < other.p_value <= 1
    low, high = best.interval
    assert low < best.accuracy <= high
    assert found.folds == 4


def test_the_test_split_takes_no_part(table):
    splits = ["test" if number % 3 == 0 else "train" for number in range(len(table))]
    found = compare([dataclasses.replace(table, splits=splits)], ["knn"], n_folds=3)
    assert found.images == splits.count("train")
    assert found.in_test == splits.count("test")


def test_labels_without_sense_are_not_found(table):
    labels = np.random.default_rng(0).permutation(table.labels)
    found = compare([dataclasses.replace(table, labels=labels)], ["logistic"])
    assert found.trials[0].standing.accuracy < 0.6


def test_extractors_are_compared_on_the_same_folds(table):
    """The second extractor sees nothing, which no head can make up for."""
    recipe = dataclasses.replace(table.recipe, extractor="blind, or nearly")
    blind = dataclasses.replace(table, recipe=recipe)
    vars(blind)["features"] = np.zeros_like(table.features)
    found = compare([blind, table], ["logistic", "knn"], n_folds=3)
    assert [trial.extractor for trial in found.trials] == ["random"] * 2 + ["blind, or nearly"] * 2
    assert found.trials[-1].standing.p_value < 0.001


def test_what_cannot_be_compared(table):
    with pytest.raises(UsageError, match=r"heads from logistic, .*, received \['svm'\]"):
        compare([table], ["svm"])
    with pytest.raises(UsageError, match="a table of at least one extractor, received none"):
        compare([], ["knn"])
    with pytest.raises(UsageError, match="a table of each extractor, received random, random: gi"):
        compare([table, table], ["knn"])
    with pytest.raises(UsageError, match=r"names: expected one for each of 2 tables, received \["):
        compare([table, table], ["knn"], names=["a"])
    recipe = dataclasses.replace(table.recipe, extractor="other")
    other = dataclasses.replace(table, recipe=recipe, keys=table.keys[::-1])
    with pytest.raises(DatasetError, match="random and other hold different images: extract both"):
        compare([table, other], ["knn"])


@pytest.mark.parametrize("counts", [(1, 20), (2, 2), (1, 1), (3, 4), (1, 1, 1)])
def test_classes_of_few_images_are_compared(table, counts):
    rows = np.concatenate(
        [
            np.flatnonzero(table.labels == name)[:count]
            for name, count in zip(np.unique(table.labels), counts, strict=False)
        ]
    )
    few = dataclasses.replace(
        table,
        paths=[table.paths[row] for row in rows],
        labels=table.labels[rows],
        keys=[table.keys[row] for row in rows],
        splits=["train"] * len(rows),
    )
    found = compare([few], ["logistic", "knn"])
    assert found.images == len(rows)
    assert found.folds == min(5, len(rows))
    assert (found.rejected, found.in_test) == (0, 0)
    if len(rows) < 5:
        assert (
            f"using {len(rows)} folds instead of 5: there are only {len(rows)} "
            in found.warnings[0]
        )


def test_a_class_in_the_test_split_alone_cannot_be_compared(table):
    splits = ["train" if label == "disc" else "test" for label in table.labels]
    with pytest.raises(DatasetError, match="without the images of its test split, has one class"):
        compare([dataclasses.replace(table, splits=splits)], ["knn"])


def test_it_shows_how_far_it_is(table, capfd):
    found = compare([table], ["knn"], n_folds=2, progress=True)
    assert found.images + found.in_test == 60
    assert "Fitting" in capfd.readouterr().err
    compare([table], ["knn"], n_folds=2, progress=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (
            lambda table: table,
            "expected a list of tables from bb.extract, received a FeatureTable: ",
        ),
        (lambda table: ["data"], "expected a list of tables .*, received a str in it"),
        (lambda table: "data", "expected a list of tables .*, received a str: "),
        (lambda table: None, "expected a list of tables .*, received None: "),
        (lambda table: 3, "expected a list of tables .*, received an int: "),
        (lambda table: (3 for _ in "a"), "expected a list of tables .*, received an int in it"),
        (lambda table: [], "expected a table of at least one extractor, received none"),
    ],
)
def test_only_tables_are_compared(table, choose, message):
    with pytest.raises(UsageError, match=message):
        compare(choose(table), ["knn"])


@pytest.mark.parametrize(
    ("heads", "received"),
    [
        (None, "None"),
        ("logistic", "'logistic'"),
        (3, "3"),
        ([], r"\[\]"),
        ([3], r"\[3\]"),
        ([["knn"]], r"\[\['knn'\]\]"),
        ((name for name in ["knn", "lda"]), r"\['knn', 'lda'\]"),
    ],
)
def test_only_heads_are_compared(table, heads, received):
    expected = rf"expected a list of heads from logistic, .*, received {received}$"
    with pytest.raises(UsageError, match=expected):
        compare([table], heads)


def test_generators_are_compared_as_lists_are(table):
    made = compare((each for each in [table]), (name for name in ["knn"]))
    assert [(trial.head, trial.standing.accuracy) for trial in made.trials] == [
        (trial.head, trial.standing.accuracy) for trial in compare([table], ["knn"]).trials
    ]


@pytest.mark.parametrize("n_folds", [2.5, 1, True, "5", None])
def test_folds_are_a_whole_number(table, n_folds):
    with pytest.raises(UsageError, match="n_folds is .*; expected a whole number of at least 2"):
        compare([table], ["knn"], n_folds=n_folds)

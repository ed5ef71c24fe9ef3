"""The settings of a head: checked before anything is trained, and kept in what is trained."""

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.registry import HEADS
from bottlebank.classifier.settings import NETWORK
from bottlebank.errors import HeadFileError, UsageError
from bottlebank.training.head_settings import HeadSettings
from bottlebank.training.learning_curve import train_learning_curve

OTHERS = {
    "hidden": (8, 4),
    "batch_norm": False,
    "dropout": 0.25,
    "output": "sigmoid",
    "learning_rate": 0.01,
    "batch_size": 16,
    "max_epochs": 3,
}
"""None of them the default."""


def test_every_setting_of_a_network_is_one_of_the_dense_head():
    estimator = bb.DenseHead()
    assert set(OTHERS) == set(NETWORK) <= set(HEADS["dense"].settings)
    assert all(getattr(estimator, name) != value for name, value in OTHERS.items())


def test_what_a_head_was_trained_with_is_known_from_its_file(table, tmp_path):
    two = table.some(np.r_[:8, 40:48])
    trained = bb.train_head(two, "dense", **OTHERS, class_weight="balanced", seed=3)
    bb.save_head(trained, tmp_path / "head.h5")
    settings = HeadSettings.of(bb.load_head(tmp_path / "head.h5"))
    assert settings.network == OTHERS
    assert (settings.class_weight, settings.seed) == ("balanced", 3)
    made = settings.estimator(["checks", "stripes"]).get_params()
    assert {name: made[name] for name in OTHERS} == OTHERS
    head = trained.head
    assert len(head.training["history"]) == 3
    assert not head.layers.kernels[-1][:, 0].any()  # one sigmoid
    assert trained.cross_validated is not None  # of heads with the same settings
    evaluated = bb.training.evaluate_split(head, two, "validation")
    assert train_learning_curve(head, two, evaluated) is not None  # of logistic heads


def test_the_default_of_a_setting_is_the_estimators(table):
    plain = bb.train_head(table, "dense", max_epochs=2).head
    assert (
        plain.version
        == bb.train_head(
            table, "dense", max_epochs=2, hidden=256, batch_norm=True, dropout=0.5, output="softmax"
        ).head.version
    )
    assert HeadSettings.of(plain).network == {"hidden": (256,), "max_epochs": 2}


@pytest.mark.parametrize("name", OTHERS)
def test_a_setting_of_another_kind_is_refused(table, name):
    with pytest.raises(UsageError, match=f"{name} is .*, which a logistic head does not take: tra"):
        bb.train_head(table, **{name: OTHERS[name]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", 0), ("batch_norm", "yes"), ("dropout", 1), ("output", "tanh"),
        ("learning_rate", 0), ("batch_size", 0), ("batch_size", "all"), ("max_epochs", 0),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_meant_is_refused(table, name, value):
    with pytest.raises(UsageError, match=name if name != "hidden" else "a number in hidden"):
        bb.train_head(table, "dense", **{name: value})


def test_one_sigmoid_is_for_two_classes(table):
    with pytest.raises(UsageError, match="'sigmoid', which separates two classes; there are 3"):
        bb.train_head(table, "dense", output="sigmoid")


def test_a_summary_of_somebody_else_is_no_setting(table):
    head = bb.train_head(table, "dense", max_epochs=1, hidden=4).head
    head.training["dropout"] = "half"
    with pytest.raises(HeadFileError, match="dropout is 'half'"):
        HeadSettings.of(head)

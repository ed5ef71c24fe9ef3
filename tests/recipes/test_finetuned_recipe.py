"""A recipe that fine-tunes: the validation split decides which head goes on, and is exported."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from bottlebank.classifier.metrics.comparison import paired
from bottlebank.export.agreement import Agreement
from bottlebank.features.backbones.registry import BACKBONES
from bottlebank.recipes import run as recipe_run
from bottlebank.recipes.known import SYSTEMS
from bottlebank.recipes.outcome import in_words
from bottlebank.training.head_settings import HeadSettings

TOYS = Path(__file__).parents[1] / "toys"


@pytest.fixture
def toy(monkeypatch):
    """A small network that can be fine-tuned is in the registry."""
    monkeypatch.syspath_prepend(str(TOYS))
    import toy_tunable

    monkeypatch.setitem(BACKBONES, "tunable", toy_tunable.LINE)
    yield
    sys.modules.pop("toy_tunable", None)


def pair(gained, lost):
    """Of 40 images, some that only one of two heads has right."""
    before, after = np.ones(40, bool), np.ones(40, bool)
    before[:gained] = False
    after[gained : gained + lost] = False
    return paired(before, after)


@pytest.mark.parametrize(
    ("validation", "test", "is_finetuned"),
    [
        (pair(12, 0), pair(0, 12), True),  # whatever the test split says
        (pair(3, 0), pair(12, 0), False),  # better, but not clearly
    ],
)
def test_validation_chooses(toy, photos, tmp_path, monkeypatch, validation, test, is_finetuned):
    exported = {}

    def finetune(*arguments, **settings):
        tuned = real(*arguments, epochs=1, precision="float32", **settings)
        return dataclasses.replace(tuned, paired={"validation": validation, "test": test})

    def export(head, output, format, **settings):
        exported.update(head=Path(head), weights=settings["weights"], format=format)
        return Exported()

    class Exported:
        agreement = Agreement(1, 0.0, 1, 0, 0.0, 0, 0.0)

        def as_dict(self):
            return {"format": "savedmodel"}

    real = recipe_run.finetune
    monkeypatch.setattr(recipe_run, "finetune", finetune)
    monkeypatch.setattr(recipe_run, "export_head", export)
    said = []
    chosen = {"extractor": "tunable", "engine": "openvino", "precision": "float32"}
    outcome = recipe_run.run_system(
        "front-back",
        SYSTEMS["front-back"],
        str(photos),
        tmp_path / "out",
        said.append,
        reading={},
        chosen={**chosen, "cache": tmp_path / "own-cache", "progress": False},
        settings=HeadSettings("dense", network={"max_epochs": 3}),
        with_baseline=False,
    )
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["deployed"]["fine_tuned"] is is_finetuned
    assert summary["exported"]["fine_tuned"] is is_finetuned
    folder = tmp_path / "out" / ("finetuned" if is_finetuned else ".")
    assert exported["head"] == folder / "head.h5"
    assert (exported["weights"] is not None) is is_finetuned
    version = summary["finetuned"]["version"] if is_finetuned else summary["deployed"]["version"]
    assert summary["exported"]["version"] == summary["deployed"]["version"] == version
    kind = "fine-tuned" if is_finetuned else "frozen"
    assert any(
        f"export: the head on the {kind} network, version {version}" in line for line in said
    )
    headline, *_, last = in_words(outcome)
    assert headline.startswith("front-back (frozen network) on test: ")
    assert f"exported: the head on the {kind} network, version {version}" in last
    names = {each["name"] for each in summary["comparison"]["candidates"]}
    assert names >= {"front-back", "fine-tuned"}


def test_what_the_network_cannot_do_is_left_out_before_any_work(photos, monkeypatch, tmp_path):
    from bottlebank.errors import UsageError
    from bottlebank.recipes.plan import plan_for

    plan = plan_for(SYSTEMS["front-back"], {"extractor": "random"}, None, None)
    assert (plan.unfreeze, plan.export, plan.beside) == (0, "savedmodel", None)
    assert sorted(plan.left_out) == ["scaling", "size", "unfreeze"]
    with pytest.raises(UsageError, match="random cannot be fine-tuned"):
        plan_for(SYSTEMS["front-back"], {"extractor": "random"}, 1, None)
    assert plan_for(SYSTEMS["selfie"], {"extractor": "random"}, None, "none").export is None

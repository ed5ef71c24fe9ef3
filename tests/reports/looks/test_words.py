"""What stands in and below the pictures of `look`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bottlebank.interpret.attribution import Saliency
from bottlebank.interpret.attribution.methods import BASELINES, OCCLUSION
from bottlebank.reports.looks import saliency as pictures
from bottlebank.reports.looks.adversarial import title_of


def found(**settings):
    """An answer of occlusion."""
    values = settings.pop("values", np.eye(8, dtype=np.float32))
    defaults = {"score": "log-odds", "baseline": "grey", "patch_px": 2, "stride_px": 1}
    return Saliency(
        method=OCCLUSION,
        label="hat",
        probability=0.5,
        predicted=settings.pop("predicted", "hat"),
        unknown=settings.pop("unknown", False),
        values=values,
        photograph=np.zeros((8, 8, 3), np.uint8),
        window=(0.0, 0.0, 8.0, 8.0),
        permuted=values[::-1],
        sanity=0.25,
        sanity_note="",
        engine="openvino",
        extractor="mobilenet_v2",
        settings=settings or defaults,
        sanity_each=(0.25,),
        sanity_of_sizes=0.5,
    )


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_caption_says_what_was_hidden_and_by_what(baseline):
    said = pictures._about_method(found(score="probability", baseline=baseline, segments=20))
    assert "by occlusion (probability, 20 segments of like colour, filled with" in said
    assert {"mean": "the mean colour", "blurred": "the photograph blurred"}.get(
        baseline, baseline
    ) in said
    patches = pictures._about_method(
        found(score="log-odds", baseline=baseline, patch_px=32, stride_px=16)
    )
    assert "patches of 32 px of the network's input, 16 px apart" in patches


def test_what_speaks_for_nothing_and_another_prediction_are_said():
    assert pictures._about_method(found()).startswith("What speaks for hat, by occlusion")
    nothing = found(values=np.zeros((8, 8), np.float32), predicted="shoes")
    said = pictures._about_method(nothing)
    assert said.startswith("Nothing in the photograph speaks for hat")
    assert "predicted is shoes" in said
    assert pictures.sanity_in_words(found()) == "0.25, of sizes 0.50"


@pytest.mark.parametrize("unknown", [False, True])
def test_titles_say_where_the_head_calls_an_image_unknown(monkeypatch, tmp_path, unknown):
    titles = []
    monkeypatch.setattr(pictures, "saliency", lambda *_, **__: found(unknown=unknown))
    monkeypatch.setattr(pictures, "draw_saliency", lambda *given, **_: titles.append(given[4]))
    pictures.plot_saliency("photo.jpg", "head.h5", tmp_path / "why.png")
    said = ", called unknown" if unknown else ""
    assert titles == [f"hat, 50.0 %{said}: photo.jpg"]
    attacked = SimpleNamespace(
        target="hat", levels=2, largest=8, method="pgd", after=SimpleNamespace(unknown=unknown)
    )
    assert title_of(attacked) == f"A change of 2/255 gives the answer hat{said} (PGD)"
    attacked.levels = None
    assert title_of(attacked).startswith("No change of up to 8/255 was found that gives the answer")

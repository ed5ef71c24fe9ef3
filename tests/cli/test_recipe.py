"""`bottlebank recipe`: a known system from images to a summary."""

import json

import pytest

import bottlebank as bb
from bottlebank.export.process import ExportError
from bottlebank.recipes.known import SYSTEMS

QUICK = ["--epochs", 4, "--baseline-epochs", 2, "--unfreeze", 0, "--export", "none"]


def test_without_a_name_they_are_listed(bottlebank):
    done = bottlebank("recipe")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(SYSTEMS)
    assert list(bottlebank("recipe", "--json").json) == list(SYSTEMS)


@pytest.fixture
def two(photos):
    """Two of the three classes, for one sigmoid."""
    for path in (photos / "disc").iterdir():
        path.unlink()
    (photos / "disc").rmdir()
    return photos


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_runs_from_images_to_a_summary(bottlebank, two, options, tmp_path, name):
    """With a network that has seen nothing, and takes no other size or scaling."""
    folder = tmp_path / "out"
    quick = QUICK if SYSTEMS[name].head else QUICK[2:]
    is_compared = name in ("front-back", "baseline")
    if not is_compared:
        quick = [*quick, "--without-baseline"]
    done = bottlebank("recipe", name, two, "--output", folder, *options, *quick, "--json")
    assert done.code == 0, done.err
    answer = done.json
    assert answer["extractor"] == "random"
    assert answer["split"] == "test"
    summary = json.loads((folder / "summary.json").read_text())
    assert {key: answer[key] for key in summary} == summary
    assert (folder / "precision-recall.png").read_bytes().startswith(b"\x89PNG")
    compared = [each["name"] for each in answer["comparison"]["candidates"]]
    assert sorted(compared) == sorted({name, "baseline"} if is_compared else {name})
    assert answer["comparison"]["images"] == answer["images"]
    assert answer["example"]["label"] in ("checks", "stripes")
    assert bool(answer["example"]["tags"]) == (name == "scene36")
    expected = {"scene36": ["size"], "front-back": ["size", "scaling"]}
    assert sorted(answer["left_out"]) == sorted(expected.get(name, []))
    if name == "baseline":
        assert answer["head"] is answer["report"] is None
        return
    assert (folder / "report" / "report.html").exists()
    head = bb.load_head(folder / "head.h5")
    assert head.kind == "dense"
    own = {key: value for key, value in SYSTEMS[name].network.items() if key != "hidden"}
    assert {key: head.training[key] for key in own} == own
    assert head.training.get("views", 0) == (name == "selfie")
    assert len(head.layers.kernels) == 1 + len(SYSTEMS[name].network.get("hidden", (256,)))


def test_options_go_before_the_recipe(bottlebank, photos, options, tmp_path):
    folder = tmp_path / "out"
    own = ["--hidden", "8", "--dropout", 0.1, "--output-layer", "softmax", "--fit", "pad"]
    done = bottlebank(
        "recipe", "scene36", photos, "-o", folder, *options, *own, "--epochs", 3,
        "--without-baseline",
    )  # fmt: skip
    assert done.code == 0, done.err
    head = bb.load_head(folder / "head.h5")
    assert head.recipe["fit"] == "pad"
    assert (head.training["dropout"], head.training["output"]) == (0.1, "softmax")
    assert [kernel.shape[1] for kernel in head.layers.kernels] == [8, 3]
    assert "size means nothing to random, and is left out" in done.out
    assert "tags:" in done.out
    assert "baseline" not in done.out
    other = bottlebank(
        "recipe", "scene36", photos, "-o", folder, *options, "--head", "logistic",
        "--without-baseline",
    )  # fmt: skip
    assert other.code == 0, other.err
    assert bb.load_head(folder / "head.h5").kind == "logistic"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["selfy", "photos"], "unknown recipe 'selfy': expected selfie"),
        (["selfie"], "expected DATA after the name of the recipe"),
        (["scene36", "DATA", "--extractor", "random", "--size", 99], "random"),
        (["scene36", "DATA", "--extractor", "random", "--output", "DATA"], "is the dataset itself"),
        (["front-back", "DATA", "--extractor", "random"], "one sigmoid separates two classes"),
    ],
)
def test_what_cannot_be_meant(bottlebank, photos, cache, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [photos if argument == "DATA" else argument for argument in arguments]
    done = bottlebank("recipe", *given, "--cache", cache)
    assert done.code in (1, 2)
    assert message in done.err


def test_an_export_that_fails_leaves_all_else(bottlebank, two, options, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise ExportError("no such operator")

    monkeypatch.setattr("bottlebank.recipes.run.export_head", fail)
    folder = tmp_path / "out"
    done = bottlebank(
        "recipe", "selfie", two, "-o", folder, *options, "--without-baseline", *QUICK[:2],
        "--unfreeze", 0,
    )  # fmt: skip
    assert done.code == 1
    assert "no such operator" in done.err
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["exported"] is None
    assert summary["accuracy"] > 0.5
    assert (folder / "head.h5").exists() and (folder / "precision-recall.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file"), [("selfie", "model.keras"), ("front-back", "labels.txt")]
)
def test_what_a_recipe_exports_agrees_with_its_head(bottlebank, two, options, tmp_path, name, file):
    done = bottlebank(
        "recipe", name, two, "-o", tmp_path / "out", *options, *QUICK[:2], "--without-baseline",
        "--unfreeze", 0, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "exported" / file).exists()
    assert done.json["exported"]["format"] == SYSTEMS[name].export


@pytest.mark.slow
@pytest.mark.weights
def test_every_recipe_beats_the_baseline_on_real_photographs(
    bottlebank, clothing, tmp_path, imagenet
):
    """The ten classes with installed weights, and with those of MobileNetV2."""
    for name, extractor in (
        ("selfie", "mobilenet_v2"),
        ("scene36", "mobilenet_v2"),
        ("good-selfie", "efficientnet_lite0"),
    ):
        data = [clothing, "--extractor", extractor, "--cache", tmp_path / "cache"]
        data += ["--export", "none", "--output", tmp_path / name]
        done = bottlebank("recipe", name, *data, "--json")
        best, other = done.json["comparison"]["candidates"]
        assert best["name"] == name
        assert best["accuracy"] > other["accuracy"] + 0.05
        assert other["p_value"] < 0.001

"""`bb.train_head` and `bb.save_head` make the head that `bottlebank train` makes."""

import shutil

import pytest

import bottlebank as bb


def declare(photos):
    """Fold the pictures into split folders."""
    for path in sorted(photos.rglob("*.png")):
        number = int(path.stem)
        split = "test" if number % 5 == 0 else "val" if number % 5 == 1 else "train"
        folder = photos.parent / "declared" / split / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    return photos.parent / "declared"


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize(
    ("options_there", "options_here"),
    [
        ([], {}),
        (
            ["--class-weight", "balanced", "--coverage", 0.8, "--seed", 3],
            {"class_weight": "balanced", "coverage": 0.8, "seed": 3},
        ),
        (["--head", "dense", "--hidden", 8], {"kind": "dense", "hidden": (8,)}),
        (
            [
                *["--head", "dense", "--hidden", "8,4", "--no-batch-norm", "--dropout", 0],
                *["--epochs", 3, "--learning-rate", 0.01, "--batch-size", 8],
                *["--output-layer", "softmax"],
            ],
            {
                "kind": "dense",
                "hidden": (8, 4),
                "batch_norm": False,
                "dropout": 0,
                "max_epochs": 3,
                "learning_rate": 0.01,
                "batch_size": 8,
                "output": "softmax",
            },
        ),
    ],
)
def test_the_same_head(
    bottlebank, photos, options, cache, tmp_path, declared, options_there, options_here
):
    data = declare(photos) if declared else photos
    there = bottlebank(
        "train", data, "-o", tmp_path / "cli.h5", *options, *options_there, "--json"
    ).json
    table = bb.extract(data, "random", cache=cache, precision="float32")
    trained = bb.train_head(table, **options_here)
    bb.save_head(trained, tmp_path / "python.h5")
    heads = [bb.load_head(tmp_path / f"{name}.h5") for name in ("cli", "python")]
    assert heads[0].version == heads[1].version == trained.head.version == there["version"]
    for split in ("train", "validation", "test"):
        found = trained.evaluations[split]
        assert there[split]["images"] == found.images
        assert there[split]["accuracy"] == found.accuracy
    assert heads[0].training == heads[1].training
    answers = [
        bottlebank("evaluate", data, "--head", tmp_path / f"{name}.h5", "--cache", cache, "--json")
        for name in ("cli", "python")
    ]
    assert answers[0].json == answers[1].json
    assert answers[0].json["accuracy"] == trained.evaluations["test"].accuracy
    assert answers[0].json["trained_on"]["images"] == 0
    assert "the head was trained on" not in answers[0].err

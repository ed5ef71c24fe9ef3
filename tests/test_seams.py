"""A new backbone, engine, head, map method or format, or exporter is one file and one line.

Each toy is a file in `toys/`. Its line is added here, and everything is used as a person would.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.classifier.registry import HEADS
from bottlebank.errors import UsageError
from bottlebank.export.registry import EXPORTERS
from bottlebank.features.backbones.registry import BACKBONES
from bottlebank.features.engines.registry import ENGINES
from bottlebank.reports.map_formats.registry import MAP_FORMATS
from bottlebank.viz.map_methods import METHODS

REGISTRIES = {
    "toy_backbone": BACKBONES,
    "toy_engine": ENGINES,
    "toy_head": HEADS,
    "toy_map_method": METHODS,
    "toy_map_format": MAP_FORMATS,
    "toy_exporter": EXPORTERS,
}


@pytest.fixture
def toys(converted_random, monkeypatch):
    """The six lines, and the command line imported as if they had always been there.

    `converted_random` has TensorFlow imported, which leaves a thread running, once and beforehand.
    """
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "toys"))
    for module, registry in REGISTRIES.items():
        monkeypatch.setitem(registry, "toy", __import__(module).LINE)
    for name in [name for name in sys.modules if name.startswith("bottlebank.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(bb, "cli", raising=False)
    yield
    toys = [name for name in sys.modules if name.startswith("bottlebank.cli")]
    for name in (*toys, *REGISTRIES):
        sys.modules.pop(name, None)
    vars(bb).pop("cli", None)


@pytest.fixture
def run(toys, capsys):
    """A function that runs a command and returns what it prints on stdout."""
    from bottlebank.cli import main

    def run(*arguments):
        try:
            code = main([*map(str, arguments)])
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        assert code in (0, None), err
        return out

    return run


def test_all_from_the_command_line(run, photos, tmp_path):
    cache = ("--cache", tmp_path / "cache")
    toy = ("--extractor", "toy", "--engine", "toy", *cache, "--json")
    extracted = json.loads(run("extract", photos, *toy))
    assert (extracted["extractor"], extracted["engine"], extracted["width"]) == ("toy", "toy", 48)
    assert (extracted["extracted"], extracted["precision"]) == (60, "float32")

    head = tmp_path / "head.h5"
    trained = json.loads(run("train", photos, *toy, "--head", "toy", "--output", head))
    assert trained["kind"] == "toy"
    assert trained["train"]["accuracy"] > 0.6

    image = photos / "disc" / "00.png"
    predicted = json.loads(
        run("predict", image, "--head", head, "--engine", "toy", *cache, "--json")
    )
    labels = {each["label"] for each in predicted["predictions"]}
    assert labels == {"checks", "disc", "stripes"}

    compared = json.loads(
        run(
            "compare",
            photos,
            "--extractors",
            "toy",
            *toy[2:],
            "--folds",
            2,
            "--heads",
            "toy,logistic",
        )
    )
    assert {(each["extractor"], each["head"]) for each in compared["candidates"]} == {
        ("toy", "toy"),
        ("toy", "logistic"),
    }

    plotted = json.loads(
        run("plot", photos, *toy, "--method", "toy", "--output", tmp_path / "m.png")
    )
    assert plotted["caption"].startswith("on a circle, seed 0; trustworthiness ")


def test_an_exporter_from_the_command_line(run, photos, tmp_path):
    cache = ("--cache", tmp_path / "cache")
    head, folder = tmp_path / "head.h5", tmp_path / "exported"
    run("train", photos, "--extractor", "random", *cache, "--output", head)
    answer = run("export", "--head", head, "--format", "toy", "--output", folder, *cache, "--json")
    assert json.loads(answer)["greatest_difference"] < 1e-5
    assert {path.name for path in folder.iterdir()} == {
        *("toy.xml", "toy.bin", "toy.npz", "labels.txt", "MODEL_CARD.md")
    }


def test_all_from_python(toys, photos, tmp_path):
    table = bb.extract(photos, "Toy", cache=tmp_path / "cache", engine="toy")
    assert table.features.shape == (60, 48)
    trained = bb.train_head(table, "toy")
    assert trained.head.training["means"] == 3
    path = tmp_path / "head.h5"
    bb.save_head(trained.head, path)
    predictor = bb.load_predictor(path, cache=tmp_path / "cache", engine="toy")
    np.testing.assert_allclose(
        predictor.predict_proba(table.paths[:5]),
        trained.head.predict_proba(table.features[:5]),
        atol=1e-5,
    )
    drawn = bb.plot(table, tmp_path / "map.svg", method="toy")
    assert drawn.embedding.method == "toy"
    written = bb.plot(table, tmp_path / "map.toy", method="toy", format="toy").path.read_text()
    points = [line.split() for line in written.splitlines()[1:]]
    np.testing.assert_allclose(np.array(points, float), drawn.embedding.points, atol=1e-3)


def test_the_toy_backbone_runs_in_every_engine(toys, photos, tmp_path):
    tables = {
        engine: bb.extract(
            photos, "toy", cache=tmp_path / engine, engine=engine, precision="float32"
        )
        for engine, entry in ENGINES.items()
        if entry.is_automatic
    }
    for engine, table in tables.items():
        assert table.report.engine == engine
        np.testing.assert_allclose(
            table.features, tables["tensorflow"].features, rtol=1e-4, atol=1e-5
        )


def test_help_and_errors_name_them(run, photos, tmp_path):
    for command in ("extract", "train", "compare", "plot"):
        assert "toy, the mean colours of a grid;" in " ".join(run(command, "--help").split())
    assert "|toy]" in run("extract", "--help")
    assert "|toy]" in run("train", "--help")
    assert "or the nearest mean" in " ".join(run("train", "--help").split())
    assert ", toy, separated by commas" in " ".join(run("compare", "--help").split())
    assert "or toy, for toys" in " ".join(run("export", "--help").split())
    assert " or on a circle" in " ".join(run("plot", "--help").split())
    with pytest.raises(UsageError, match=r"expected auto, openvino, .*\btoy$"):
        bb.extract(photos, "random", engine="none")
    with pytest.raises(UsageError, match=r"unknown format 'none': expected keras, .*\btoy$"):
        bb.export_head("head.h5", tmp_path / "exported", "none")
    with pytest.raises(UsageError, match=r"choose one of pca, .*\btoy$"):
        bb.plot(photos, "map.png", method="none")


def test_a_setting_that_a_head_does_not_take_is_refused(toys, photos, tmp_path):
    table = bb.extract(photos, "toy", cache=tmp_path / "cache", engine="toy")
    with pytest.raises(UsageError, match=r"unknown head 'none': expected logistic .*\btoy$"):
        bb.train_head(table, "none")
    with pytest.raises(UsageError, match="'balanced', which a toy head does not take"):
        bb.train_head(table, "toy", class_weight="balanced")
    with pytest.raises(UsageError, match="which a toy head does not take: train a dense head"):
        bb.train_head(table, "toy", hidden=(8,))


def test_reading_the_registries_loads_no_library():
    script = (
        "import sys, bottlebank.cli.parameters.choices\n"
        "heavy = ('numpy', 'sklearn', 'h5py', 'tensorflow', 'openvino', 'matplotlib', 'umap')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

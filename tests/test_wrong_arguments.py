"""Public names that are given the wrong thing say what they expect, in one line."""

import shutil

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import UsageError, WrongTypeError
from bottlebank.training import compare

from .conftest import picture

THINGS = [
    "a trained head",
    "a head",
    "a head file",
    "an export",
    "a table",
    "a dataset",
    "a folder",
    "an image",
    "a missing file",
    "an estimator",
    "an unfitted estimator",
    "a class",
    "a predictor",
    "an array",
    "a pair",
    "a number",
    "None",
    "no path",
]


@pytest.fixture(scope="module")
def things(tmp_path_factory, converted_random):
    """One of everything that people have at hand."""
    root = tmp_path_factory.mktemp("things")
    shutil.copytree(converted_random, root / "cache" / "networks")
    for kind in ("stripes", "disc"):
        (root / "photos" / kind).mkdir(parents=True)
        for number in range(20):
            picture(kind, number).save(root / "photos" / kind / f"{number:02d}.png")
    data = bb.load_dataset(root / "photos")
    table = bb.extract(data, "random", cache=root / "cache")
    trained = bb.train_head(table)
    bb.save_head(trained, root / "head.h5")
    (root / "export.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    return {
        "a trained head": trained,
        "a head": trained.head,
        "a head file": str(root / "head.h5"),
        "an export": root / "export.h5",
        "a table": table,
        "a dataset": data,
        "a folder": root / "photos",
        "an image": table.paths[0],
        "a missing file": str(root / "gone.h5"),
        "an estimator": bb.LogisticHead().fit(table.features, table.labels),
        "an unfitted estimator": bb.DenseHead(),
        "a class": bb.DenseHead,
        "a predictor": bb.load_predictor(root / "head.h5", cache=root / "cache"),
        "an array": table.labels,
        "a pair": (trained, table),
        "a number": 3,
        "None": None,
        "no path": "head\0.h5",
        "the cache": root / "cache",
    }


HEADS = {"a trained head", "a head", "a predictor", "a head file"}
IMAGES = {"an array", "a missing file", "an image"}
PLACES = {"a folder", "a missing file", "None"}  # where a folder may be made
# The call, by name and parameter, and what it takes for that parameter.
CALLS = {
    "load_dataset": (lambda its, x: bb.load_dataset(x), {"a folder"}),
    "extract": (
        lambda its, x: bb.extract(x, "random", cache=its["the cache"]),
        {"a folder", "a dataset", "an array"},
    ),
    "extract cache": (lambda its, x: bb.extract(its["a dataset"], "random", cache=x), PLACES),
    "TransferValues": (lambda its, x: bb.TransferValues("random").fit(x), {"a pair", "an array"}),
    "train_head": (lambda its, x: bb.train_head(x), {"a table"}),
    "train_head kind": (lambda its, x: bb.train_head(its["a table"], x), ()),
    "train_head memory": (
        lambda its, x: bb.train_head(its["a table"], memory=x),
        {"a number", "None"},
    ),
    "evaluate_head": (lambda its, x: bb.evaluate_head(x, its["a table"]), HEADS),
    "evaluate_head table": (lambda its, x: bb.evaluate_head(its["a head"], x), {"a table"}),
    "evaluate_head split": (
        lambda its, x: bb.evaluate_head(its["a head"], its["a table"], x),
        {"None"},
    ),
    "evaluate_head memory": (
        lambda its, x: bb.evaluate_head(its["a head"], its["a table"], memory=x),
        {"a number", "None"},
    ),
    "evaluate_head swapped": (lambda its, x: bb.evaluate_head(its["a table"], x), ()),
    "save_head": (
        lambda its, x: bb.save_head(x, its["a head file"]),
        {"a trained head", "a head", "a predictor"},
    ),
    "save_head path": (
        lambda its, x: bb.save_head(its["a head"], x),
        {"a head file", "a missing file"},
    ),
    "save_head swapped": (lambda its, x: bb.save_head(its["a head file"], x), ()),
    "save_head cache": (
        lambda its, x: bb.save_head(
            its["an estimator"], its["a head file"], extractor="random", cache=x
        ),
        PLACES,
    ),
    "load_head": (lambda its, x: bb.load_head(x), {"a head file"}),
    "load_predictor": (lambda its, x: bb.load_predictor(x, cache=its["the cache"]), HEADS),
    "load_predictor cache": (lambda its, x: bb.load_predictor(its["a head"], cache=x), PLACES),
    "export_head": (
        lambda its, x: bb.export_head(x, "exported", "openvino", cache=its["the cache"]),
        HEADS,
    ),
    "export_head output": (
        lambda its, x: bb.export_head(its["a head"], x, "openvino", cache=its["the cache"]),
        {"a missing file"},
    ),
    "export_head format": (lambda its, x: bb.export_head(its["a head"], "exported", x), ()),
    "export_head data": (
        lambda its, x: bb.export_head(
            its["a head"], "exported", "openvino", data=x, cache=its["the cache"]
        ),
        {"a dataset", "a folder", "None"},
    ),
    "finetune": (lambda its, x: bb.finetune(x, str(its["a head file"]), "tuned"), ()),
    "finetune head": (lambda its, x: bb.finetune(str(its["a folder"]), x, "tuned"), ()),
    "finetune output": (
        lambda its, x: bb.finetune(str(its["a folder"]), str(its["a head file"]), x),
        (),
    ),
    "Predictor": (lambda its, x: bb.Predictor(x, its["a predictor"].extractor), HEADS),
    "Predictor extractor": (lambda its, x: bb.Predictor(its["a head"], x), ()),
    "Predictor swapped": (lambda its, x: bb.Predictor(its["a predictor"].extractor, x), ()),
    "Predictor call": (lambda its, x: its["a predictor"](x), IMAGES),
    "Predictor predict_files": (
        lambda its, x: list(its["a predictor"].predict_files(x)),
        {"an array"},
    ),
    "Predictor predict": (lambda its, x: its["a predictor"].predict(x), ()),
    "plot": (
        lambda its, x: bb.plot(x, "map.png", extractor="random", cache=its["the cache"]),
        {"a folder", "a dataset"},
    ),
    "plot output": (lambda its, x: bb.plot(its["a table"], x), ()),
    "plot method": (lambda its, x: bb.plot(its["a table"], "map.png", method=x), ()),
    "plot saliency": (
        lambda its, x: bb.plot(its["a table"], "map.html", head=its["a head"], saliency=x),
        {"None"},
    ),
    "plot swapped": (lambda its, x: bb.plot("map.png", x), ()),
    "audit": (lambda its, x: bb.audit(x), {"a table"}),
    "audit head": (lambda its, x: bb.audit(its["a table"], x), HEADS | {"None"}),
    "similar": (lambda its, x: bb.similar(x, its["a table"]), {"an image"}),
    "similar table": (lambda its, x: bb.similar("image.png", x), {"a table"}),
    "similar top": (lambda its, x: bb.similar("image.png", its["a table"], x), ()),
    "similar swapped": (lambda its, x: bb.similar(its["a table"], x), ()),
    "SimilarSearch": (lambda its, x: bb.SimilarSearch(x), {"a table"}),
    "SimilarSearch approximate": (
        lambda its, x: bb.SimilarSearch(its["a table"], approximate=x),
        (),
    ),
    "SimilarSearch similar": (
        lambda its, x: bb.SimilarSearch(its["a table"]).similar(x),
        {"an image"},
    ),
    "write_report": (
        lambda its, x: bb.write_report(x, its["a head"], its["a table"]),
        {"a folder", "a missing file"},
    ),
    "write_report head": (lambda its, x: bb.write_report("report", x, its["a table"]), HEADS),
    "write_report table": (
        lambda its, x: bb.write_report("report", its["a head"], x),
        {"a table"},
    ),
    "write_report swapped": (
        lambda its, x: bb.write_report(its["a head"], its["a table"], x),
        (),
    ),
    "write_report saliency": (
        lambda its, x: bb.write_report("report", its["a head"], its["a table"], saliency=x),
        {"None"},
    ),
    "Cluster": (lambda its, x: bb.Cluster(x), {"None"}),
    "extract cluster": (
        lambda its, x: bb.extract(its["a dataset"], "random", cache=its["the cache"], cluster=x),
        {"None"},
    ),
    "create_app": (lambda its, x: bb.create_app(x), {"a head file"}),
    "LogisticHead": (lambda its, x: bb.LogisticHead().fit(x, its["a table"].labels), ()),
    "LogisticHead labels": (
        lambda its, x: bb.LogisticHead().fit(its["a table"].features, x),
        {"an array"},
    ),
    "DenseHead": (lambda its, x: bb.DenseHead().fit(x, its["a table"].labels), ()),
    "NearestHead": (lambda its, x: bb.NearestHead().fit(x, its["a table"].labels), ()),
}
TAKE_NONE_OF_THESE = {"Audit", "BottlebankError", "Dataset", "FeatureTable", "Prediction"}


def test_every_public_name_is_given_the_wrong_thing():
    assert {name.split()[0] for name in CALLS} == {*bb.__all__} - TAKE_NONE_OF_THESE


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("name", CALLS)
def test_the_wrong_thing_is_refused_in_one_line(name, thing, things, tmp_path, monkeypatch):
    call, taken = CALLS[name]
    if thing in taken:
        return  # other tests see what becomes of it
    monkeypatch.chdir(tmp_path)
    with pytest.raises(bb.BottlebankError, match=r"\S") as refused:
        call(things, things[thing])
    message = str(refused.value)
    assert len(message) < 500, message
    if not name.split()[0].endswith("Head"):
        assert "\n" not in message  # scikit-learn's own words have several lines
    assert [*tmp_path.iterdir()] == []


def test_a_head_is_taken_in_every_form(things, tmp_path):
    table = things["a table"]
    forms = [things[name] for name in ("a trained head", "a head", "a head file", "a predictor")]
    found = [bb.evaluate_head(form, table)[1].as_dict() for form in forms]
    assert all(each == found[0] for each in found)
    image = table.paths[0]
    expected = things["a predictor"](image)
    for form in forms:
        assert bb.load_predictor(form, cache=things["the cache"])(image) == expected
    page, *_ = bb.write_report(tmp_path / "report", things["a trained head"], table)
    assert things["a head"].version in page.read_text()
    bb.save_head(things["a predictor"], tmp_path / "again.h5")
    assert bb.load_head(tmp_path / "again.h5").version == things["a head"].version


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda its: bb.save_head("head.h5", its["a trained head"]),
            r"received a str: the head comes before the path, bb.save_head\(trained, 'head.h5'\)",
        ),
        (
            lambda its: bb.evaluate_head(its["an estimator"], its["a table"]),
            r"received a LogisticHead: bb.save_head\(…, extractor=…\) returns the head of a fitted",
        ),
        (
            lambda its: bb.evaluate_head(its["a head"], its["a dataset"]),
            r"received a Dataset: bb.evaluate_head\(head, bb.extract\(…, extractor=…\)\)",
        ),
        (
            lambda its: bb.write_report(its["a head"], its["a table"], "report"),
            r"expected the path of a folder, received a Head: bb.write_report\('report/', head",
        ),
        (
            lambda its: bb.plot("map.png", its["a table"]),
            r"expected the path of a .png, .svg or .html file, received a FeatureTable: "
            r"bb.plot\(table, ",
        ),
        (
            lambda its: its["a predictor"].predict_files("photo.jpg"),
            "expected a list of image files, received a str: put it into a list",
        ),
        (
            lambda its: bb.LogisticHead().fit(its["a table"], its["a table"].labels),
            r"expected transfer values \(n, d\), received a FeatureTable: give its features",
        ),
        (
            lambda its: compare.compare([its["a table"], its["a head"]], ["logistic"]),
            "expected a list of tables from bb.extract, received a Head in it",
        ),
    ],
)
def test_the_error_says_what_to_do(call, message, things):
    with pytest.raises(WrongTypeError, match=message):
        list(call(things))


def test_what_was_received_is_cut(things):
    for value in (np.arange(1000), ["a"] * 1000, "x" * 1000):
        with pytest.raises(UsageError, match=r"unknown head .{,81}…: expected logistic or dense"):
            bb.train_head(things["a table"], value)
    with pytest.raises(UsageError, match=r"coverage is array\(.{,75}…; expected a number above 0"):
        bb.train_head(things["a table"], coverage=np.arange(1000.0))

"""A network in a SavedModel as the extractor, from the command line."""

import re
import shutil
import subprocess
import sys

import pytest

from ..conftest import picture
from ..features.backbones.saved_model.by_hand import (
    FLOAT,
    KERNEL,
    STRING,
    constant,
    convolution,
    entry,
    info,
    node,
    of_type,
    restoring,
    saved_model,
    texts,
    write,
)

WITHOUT = (
    "import sys; from bottlebank.cli import main; code = main(sys.argv[1:])\n"
    "found = {'tensorflow', 'keras', 'onnx'} & set(sys.modules)\n"
    "assert not found, found\nsys.exit(code)"
)
CHOSEN = ["--scaling", "tf", "--precision", "float32"]


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A folder that says that a file is to be written when it is loaded, and that file."""
    into = tmp_path_factory.mktemp("written")
    canary = into / "canary"
    writes = [
        node("name", "Const", dtype=of_type(STRING), value=texts(str(canary))),
        node("write", "WriteFile", "name", "name"),
    ]
    more = entry(5, "__saved_model_init_op", entry(2, "init", info("write", 0, ())))
    nodes = [*writes, *restoring(kernel="w"), *convolution()]
    return write(into / "my network é", saved_model(nodes, restore="all", more=more)), canary


def run(*arguments):
    """A command in a process of its own, in which TensorFlow is not imported."""
    command = [sys.executable, "-c", WITHOUT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def converted(written, tmp_path_factory):
    """The `networks` folder of a cache that holds the converted network."""
    network, canary = written
    into = tmp_path_factory.mktemp("converted")
    (into / "photos" / "disc").mkdir(parents=True)
    picture("disc", 0).save(into / "photos" / "disc" / "0.png")
    given = ["--extractor", network, *CHOSEN, "--cache", into / "cache"]
    extracted = run("extract", into / "photos", *given)
    assert "1 extracted" in extracted
    assert "network: layer out; pooling: none; scaled: bilinear, squash; RGB" in extracted
    assert not canary.exists()
    return into / "cache" / "networks"


@pytest.fixture
def network(written, tmp_path):
    return shutil.copytree(written[0], tmp_path / written[0].name)


@pytest.fixture
def cache(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "cache" / "networks")
    return tmp_path / "cache"


@pytest.fixture
def head(bottlebank, photos, network, cache, tmp_path):
    file = tmp_path / "head.h5"
    given = ["--extractor", network, *CHOSEN, "--cache", cache, "--output", file]
    done = bottlebank("train", photos, *given)
    assert done.code == 0, done.err
    return file


def predict(bottlebank, photos, head, cache, *more):
    image = photos / "disc" / "03.png"
    common = ["--head", head, "--cache", cache, "--precision", "float32", "--json"]
    return bottlebank("predict", image, *common, *more)


def test_from_extract_to_predict_without_tensorflow(photos, network, cache, tmp_path):
    """The converted network is enough, and the rows are."""
    head = tmp_path / "head.h5"
    given = ["--extractor", network, *CHOSEN, "--cache", cache]
    assert "60 extracted" in run("extract", photos, *given)
    shutil.rmtree(cache / "networks")
    assert "wrote" in run("train", photos, *given, "--output", head)
    predicted = run("predict", photos / "disc" / "03.png", "--head", head, "--cache", cache)
    assert re.search(r": (disc|checks|stripes) ", predicted)


def test_a_head_on_another_machine_finds_its_folder(
    bottlebank, photos, head, cache, network, converted, tmp_path
):
    here = predict(bottlebank, photos, head, cache).json
    away = tmp_path / "away"
    away.mkdir()
    moved = head.rename(away / "head.h5")
    network.rename(away / network.name)
    shutil.copytree(converted, tmp_path / "other" / "networks")
    assert predict(bottlebank, photos, moved, tmp_path / "other").json == here


def test_a_head_takes_its_folder_under_another_name(
    bottlebank, photos, head, cache, network, converted, tmp_path
):
    here = predict(bottlebank, photos, head, cache).json
    renamed = network.rename(tmp_path / "photos" / "renamed")
    shutil.copytree(converted, tmp_path / "other" / "networks")
    named = predict(bottlebank, photos, head, tmp_path / "other", "--weights", renamed)
    assert named.json == here


def test_a_head_finds_its_folder_where_the_cache_has_seen_it(
    bottlebank, photos, head, cache, network, converted, tmp_path
):
    here = predict(bottlebank, photos, head, cache).json
    elsewhere, other = tmp_path / "elsewhere", tmp_path / "other"
    elsewhere.mkdir()
    moved = network.rename(elsewhere / "x")
    shutil.copytree(converted, other / "networks")
    assert bottlebank("extract", photos, "--extractor", moved, *CHOSEN, "--cache", other).code == 0
    assert predict(bottlebank, photos, head, other).json == here


def test_without_a_name_extraction_goes_on_with_the_folder(bottlebank, photos, network, cache):
    given = ["--extractor", network, *CHOSEN, "--cache", cache]
    assert bottlebank("extract", photos, *given).code == 0
    done = bottlebank("extract", photos, "--precision", "float32", "--cache", cache)
    assert (done.code, "60 cached" in done.out) == (0, True)


def test_a_head_without_its_folder_says_what_is_missing(
    bottlebank, photos, head, network, tmp_path
):
    shutil.rmtree(network)
    done = predict(bottlebank, photos, head, tmp_path / "other")
    assert done.code != 0
    assert re.search(
        r"the file 'my network é' \(SHA-256 [0-9a-f]{64}\) whose network .*head\.h5 was trained on "
        r"is not on this machine: put it beside the head, or name its path with --weights",
        done.err,
    )


def test_a_head_refuses_another_network(bottlebank, photos, head, network, tmp_path):
    file = network / "variables" / "variables.data-00000-of-00001"
    file.write_bytes((-KERNEL).tobytes())
    done = predict(bottlebank, photos, head, tmp_path / "other", "--weights", network)
    assert done.code != 0
    assert re.search(r"my network é is not the file 'my network é' \(SHA-256 ", done.err)


def test_what_is_missing_is_asked_for_by_its_flag(bottlebank, photos, network, cache):
    done = bottlebank("extract", photos, "--extractor", network, "--cache", cache)
    assert done.code == 2
    assert "my network é does not say how pixels become its input" in done.err


def test_layers_are_listed(bottlebank, network):
    done = bottlebank("extractors", network)
    assert re.search(
        r"^  relu +Relu +8 × 8 × 8 +mean over height and width$", done.out, re.MULTILINE
    )
    assert re.search(r"^\* out +Mean +8 +none$", done.out, re.MULTILINE)
    listed = bottlebank("extractors", network, "--json").json
    assert (listed["kind"], [each["name"] for each in listed["layers"]]) == (
        "saved_model",
        ["conv", "relu", "out"],
    )


def test_a_folder_that_would_do_harm_is_refused(bottlebank, photos, cache, tmp_path):
    reads = [
        node("read", "ReadFile", "x"),
        constant("kernel", KERNEL, FLOAT),
        *convolution(picture="read"),
    ]
    folder = write(tmp_path / "harm", saved_model(reads))
    done = bottlebank("extract", photos, "--extractor", folder, *CHOSEN, "--cache", cache)
    assert done.code != 0
    assert "harm cannot be an extractor: it has the operator 'ReadFile'" in done.err

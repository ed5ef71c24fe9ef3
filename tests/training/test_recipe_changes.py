"""A recipe that has changed reuses no row, and says what has changed."""

import hashlib
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.extraction import extract_dataset as extraction
from bottlebank.extraction import network
from bottlebank.extraction import run as run_module
from bottlebank.features.backbones import registry as backbones
from bottlebank.features.images.fit import RESIZE_RULE

NONE_REUSED = "the 60 cached rows of random cannot be reused, because they differ in "


@pytest.fixture
def extract(photos, tmp_path, monkeypatch, caplog):
    """Run `extract` with a network of no weight: how many images it saw, and what was said."""

    def run(extractor="random", **settings):
        seen = []
        dataset = bb.load_dataset(photos)

        def transfer_values(recipe, images):
            seen.extend(images)
            means = images.mean(axis=(1, 2, 3), dtype=np.float64)
            return np.outer(means, np.arange(recipe.width)).astype(np.float32)

        def open_extractor(recipe, weights, *, engine, precisions, **_):
            return SimpleNamespace(
                recipe=recipe,
                engine="openvino" if engine == "auto" else engine,
                batch_size=8,
                n_calls=2,
                transfer_values=lambda images: transfer_values(recipe, images),
            )

        monkeypatch.setattr(network, "open_extractor", open_extractor)
        monkeypatch.setattr(run_module, "keep_golden_images", lambda *arguments: None)
        monkeypatch.setattr(extraction, "preferences", lambda engine: [(engine, "float32")])
        caplog.clear()
        report = bb.extract(dataset, extractor, cache=tmp_path / "cache", **settings).report
        assert (report.cached, report.extracted) == (len(dataset) - len(seen), len(seen))
        return SimpleNamespace(n_extracted=len(seen), said=caplog.messages)

    return run


def assert_all_reused(run):
    assert (run.n_extracted, run.said) == (0, [])


BICUBIC = "Pillow bicubic, both sides to 64, warped"


@pytest.fixture
def change(monkeypatch):
    """Change what this version computes, for a recipe of `random`."""

    def put(**fields):
        row = backbones.BACKBONES["random"]._replace(**fields)
        monkeypatch.setitem(backbones.BACKBONES, "random", row)

    return put


def test_another_fit_is_another_recipe(extract):
    extract()
    run = extract(fit="crop")
    assert run.n_extracted == 60
    (line,) = run.said
    assert line.endswith("because they differ in fit: squash → crop")
    assert_all_reused(extract())
    assert_all_reused(extract(fit="crop"))


def test_an_unchanged_recipe_reuses_everything_and_says_nothing(extract):
    first = extract()
    assert (first.n_extracted, first.said) == (60, [])
    assert_all_reused(extract())


@pytest.mark.parametrize(
    ("field", "new", "phrase"),
    [
        ("input_size_px", 96, "input size: 64×64 px → 96×96 px"),
        ("pooling", "max", "pooling: average in a 4x4 grid → max"),
        ("resize", BICUBIC, f"resize rule: {RESIZE_RULE} → {BICUBIC}"),
        ("width", 256, "width: 512 → 256"),
    ],
)
def test_a_changed_recipe_reuses_nothing_and_names_what_differs(
    extract, change, field, new, phrase
):
    extract()
    change(**{field: new})
    changed = extract()
    assert (changed.n_extracted, changed.said) == (60, [NONE_REUSED + phrase])
    assert_all_reused(extract())


@pytest.mark.parametrize("bit", [0, 1, 8 * 1000 + 3, 8 * 2048 - 1])
def test_one_bit_of_the_weights(extract, tmp_path, bit):
    path = tmp_path / "w.h5"
    weights = bytearray(range(256)) * 8
    path.write_bytes(weights)
    settings = {"extractor": "mobilenet_v2", "weights": str(path)}
    old = hashlib.sha256(weights).hexdigest()[:8]
    extract(**settings)
    assert_all_reused(extract(**settings))

    weights[bit // 8] ^= 1 << bit % 8
    path.write_bytes(weights)
    new = hashlib.sha256(weights).hexdigest()[:8]
    changed = extract(**settings)
    assert changed.n_extracted == 60
    assert changed.said == [
        "the 60 cached rows of mobilenet_v2 cannot be reused, because they differ in weights: "
        f"w.h5 (SHA-256 {old}…) → w.h5 (SHA-256 {new}…)"
    ]
    assert_all_reused(extract(**settings))


@pytest.mark.parametrize(
    ("old", "new", "phrase"),
    [
        ({"precision": "bfloat16"}, {"precision": "float32"}, "precision: bfloat16 → float32"),
        ({"precision": "float32"}, {"precision": "bfloat16"}, "precision: float32 → bfloat16"),
        ({"precision": "bfloat16"}, {"engine": "tensorflow"}, "precision: bfloat16 → float32"),
        ({"store": "float32"}, {"store": "float16"}, "storage: float32 → float16"),
        (
            {"precision": "bfloat16", "store": "float16"},
            {"precision": "float32", "store": "float32"},
            "precision: bfloat16 → float32; storage: float16 → float32",
        ),
    ],
)
def test_a_precision_or_storage_that_is_asked_for(extract, old, new, phrase):
    extract(**old)
    changed = extract(**new)
    assert (changed.n_extracted, changed.said) == (60, [NONE_REUSED + phrase])
    assert_all_reused(extract(**new))
    assert_all_reused(extract(**old))
    assert_all_reused(extract())


def test_a_precision_that_is_not_asked_for_is_not_named(extract, change):
    """With the old recipe, `auto` would have gone on with its rows, whatever their precision."""
    extract(precision="bfloat16", store="float16")
    change(pooling="max")
    changed = extract(precision="auto")
    assert (changed.n_extracted, changed.said) == (
        60,
        [NONE_REUSED + "pooling: average in a 4x4 grid → max"],
    )


def test_everything_that_differs_is_named(extract, change):
    extract(precision="bfloat16")
    change(pooling="max", input_size_px=96)
    changed = extract(precision="float32")
    assert (changed.n_extracted, changed.said) == (
        60,
        [
            NONE_REUSED + "pooling: average in a 4x4 grid → max; input size: 64×64 px → 96×96 px; "
            "precision: bfloat16 → float32"
        ],
    )


def test_of_several_recipes_the_nearest_is_compared(extract, change):
    extract()
    change(input_size_px=96, pooling="max")
    extract()
    change(input_size_px=96, pooling="min")
    assert extract().said == [
        "the 120 cached rows of random cannot be reused, because the nearest differ in "
        "pooling: max → min"
    ]


def test_of_equally_near_recipes_the_one_with_most_rows_is_compared(extract, change, photos):
    change(pooling="many")
    extract()
    for path in photos.glob("*/1*.png"):
        path.unlink()
    change(pooling="few")
    extract()
    change(pooling="new")
    assert extract().said == [
        "the 90 cached rows of random cannot be reused, because the nearest differ in "
        "pooling: many → new"
    ]


def test_rows_of_another_extractor_are_not_spoken_of(extract, tmp_path):
    extract()
    (tmp_path / "w.h5").write_bytes(b"weights")
    other = extract("mobilenet_v2", weights=str(tmp_path / "w.h5"))
    assert (other.n_extracted, other.said) == (60, [])


def test_new_images_of_a_known_recipe_say_nothing(extract, photos):
    extract()
    (photos / "disc" / "new.png").write_bytes((photos / "disc" / "00.png").read_bytes() + b"\0")
    more = extract()
    assert (more.n_extracted, more.said) == (1, [])


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"extractor": "another"}', None),
        (b'{"extractor": "random", "crop": 7}', "crop: 7 → not recorded"),
    ],
)
def test_recipes_that_this_version_cannot_read(extract, change, tmp_path, content, phrase):
    extract()
    with CacheFolder(tmp_path / "cache") as folder:
        (fingerprint,) = folder.fingerprints()
    (tmp_path / "cache" / fingerprint / "recipe.json").write_bytes(content)
    change(pooling="max")
    changed = extract()
    assert changed.n_extracted == 60
    assert len(changed.said) == (phrase is not None)
    assert phrase is None or changed.said[0].startswith(NONE_REUSED)
    assert phrase is None or changed.said[0].endswith(phrase)


def test_the_command_says_it_on_stderr_in_one_line(photos, cache):
    settings = {"engine": "openvino", "precision": "float32"}
    bb.extract(bb.load_dataset(photos), "random", cache=cache, **settings)
    command = [sys.executable, "-m", "bottlebank", "extract", photos, "--extractor", "random"]
    command += ["--cache", cache, "--store", "float16", "--precision", "float32", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == f"{NONE_REUSED}storage: float32 → float16\n"
    answer = json.loads(done.stdout)
    assert (answer["cached"], answer["extracted"]) == (0, 60)

"""Exports of real networks on real photographs: the same classes, and what 8 bits cost."""

import shutil
from importlib.util import find_spec

import pytest

import bottlebank as bb
from bottlebank.export.registry import EXPORTERS

pytestmark = pytest.mark.slow

N_TRAIN, N_VALIDATION = 30, 15
"""At most so many photographs of each of 10 classes."""


@pytest.fixture(scope="module")
def some_clothing(clothing, tmp_path_factory):
    """A part of the photographs, in their splits."""
    root = tmp_path_factory.mktemp("some clothing")
    for split, most in (("train", N_TRAIN), ("validation", N_VALIDATION)):
        for folder in sorted((clothing / split).iterdir()):
            (root / split / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:most]:
                shutil.copy(path, root / split / folder.name)
    return root


def head_on(extractor, data, cache):
    return bb.train_head(bb.extract(data, extractor, cache=cache, precision="float32"))


def ensure_installed(libraries):
    for library in libraries:
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")


@pytest.mark.parametrize(
    "extractor",
    ["efficientnet_lite0", pytest.param("mobilenet_v2", marks=pytest.mark.weights)],
)
@pytest.mark.parametrize("format", EXPORTERS)
def test_a_hundred_photographs_keep_their_class(
    format, extractor, some_clothing, tmp_path, request
):
    if extractor == "mobilenet_v2":
        request.getfixturevalue("imagenet")
    ensure_installed(EXPORTERS[format].libraries)
    trained = head_on(extractor, some_clothing, tmp_path / "cache")
    settings = {"data": some_clothing, "cache": tmp_path / "cache"}
    found = bb.export_head(trained, tmp_path / "exported", format, **settings).agreement
    assert found.n_same == found.n_images == 4 + 3 + 100
    assert found.difference < 1e-4
    if EXPORTERS[format].any_size:  # photographs are decoded in full, not halved by the decoder
        assert found.n_other_sizes == 2 + 3 + 12
        assert found.n_same_other_sizes >= 16
        assert found.difference_scaled < 0.02
        assert found.difference_other_sizes < 0.1


@pytest.mark.parametrize(
    "format", [name for name, entry in EXPORTERS.items() if entry.quantizes_with is not None]
)
def test_eight_bits_cost_little_and_say_what(format, some_clothing, tmp_path):
    entry = EXPORTERS[format]
    ensure_installed((*entry.libraries, *(entry.quantizes_with or ())))
    trained = head_on("efficientnet_lite0", some_clothing, tmp_path / "cache")
    settings = {"data": some_clothing, "cache": tmp_path / "cache"}
    exact = bb.export_head(trained, tmp_path / "exact", format, **settings)
    small = bb.export_head(trained, tmp_path / "small", format, quantize=True, **settings)
    sizes = [sum(file.n_bytes for file in each.files) for each in (exact, small)]
    assert sizes[1] < 0.4 * sizes[0]
    cost = small.cost
    assert cost is not None
    found = cost.paired
    assert (found.images, cost.calibrated_on) == (146, 300)  # some classes have fewer than 15
    assert found.lost - found.gained == round(146 * (found.before - found.after))
    assert found.after > found.before - 0.05
    card = (tmp_path / "small" / "MODEL_CARD.md").read_text()
    assert "quantized to 8 bits" in card
    assert cost.in_words() in card

import dataclasses
import json

import pytest

from bottlebank.errors import RecipeError
from bottlebank.features import ExtractorSpec, Recipe, recipe_for
from bottlebank.features.backbones.registry import find_scaling
from bottlebank.features.images.decoder import DECODER_VERSION
from bottlebank.features.images.fit import RESIZE_RULE
from bottlebank.features.recipe import described_backbone


@pytest.fixture
def recipe() -> Recipe:
    return recipe_for(ExtractorSpec("random"))[0]


def test_it_survives_json(recipe):
    again = Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())))
    assert again == recipe
    assert again.fingerprint == recipe.fingerprint


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "keras.applications:Other"),
        ("weights_sha256", "0" * 64),
        ("pooling", "max"),
        ("width", 7),
        ("input_size_px", 65),
        ("resize", "crop"),
        ("pixel_scaling", "RGB * 2"),
        ("decoder_version", 99),
        ("augmentation", "flip"),
    ],
)
def test_every_field_that_decides_the_numbers_changes_the_fingerprint(recipe, field, value):
    other = dataclasses.replace(recipe, **{field: value})
    assert other.fingerprint != recipe.fingerprint


@pytest.mark.parametrize("field", ["extractor", "weights"])
def test_names_alone_do_not(recipe, field):
    other = dataclasses.replace(recipe, **{field: "another name"})
    assert other.fingerprint == recipe.fingerprint
    assert other.changes_since(recipe.as_dict()) == []


@pytest.mark.parametrize(
    ("field", "value", "phrase"),
    [
        ("architecture", "keras:B", "architecture: bottlebank:random_network → keras:B"),
        ("weights_sha256", "0" * 64, "weights: seed (SHA-256 {was}…) → seed (SHA-256 00000000…)"),
        ("pooling", "max", "pooling: average in a 4x4 grid → max"),
        ("width", 7, "width: 512 → 7"),
        ("input_size_px", 65, "input size: 64×64 px → 65×65 px"),
        ("resize", "crop", f"resize rule: {RESIZE_RULE} → crop"),
        ("decoder_version", 99, f"decoder version: {DECODER_VERSION} → 99"),
        ("augmentation", "flip\n", "augmentation: none → 'flip\\n'"),
    ],
)
def test_what_has_changed_is_said_in_words(recipe, field, value, phrase):
    changed = dataclasses.replace(recipe, **{field: value})
    said = phrase.replace("{was}", recipe.weights_sha256[:8])
    assert changed.changes_since(recipe.as_dict()) == [said]


def test_layers_that_are_equal_are_no_change(recipe):
    """JSON has lists where a recipe has tuples."""
    one = dataclasses.replace(recipe, layers=("a", "b"))
    read = json.loads(json.dumps(one.as_dict()))
    assert one.changes_since(read) == []
    other = dataclasses.replace(recipe, layers=("b",), pooling="none")
    assert other.changes_since(read) == [
        "pooling: average in a 4x4 grid → none",
        "layers: a, b → b",
    ]
    assert one.changes_since(recipe.as_dict()) == ["layers: the network's own → a, b"]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("tf", "RGB * (0.007843) + (-1)"),
        (
            "0.5,0.5,0.4,0.5,0.5,0.25",
            "RGB * (0.007843, 0.007843, 0.01569) + (-1, -1, -1.6)",
        ),
    ],
)
def test_a_scaling_is_said_with_a_number_of_each_channel(recipe, chosen, words):
    of = dataclasses.replace(recipe, pixel_scaling=find_scaling(chosen).in_words())
    assert of.settings_in_words().endswith(f"; {words}")


def test_what_says_nothing_is_left_out(recipe):
    of = dataclasses.replace(recipe, pixel_scaling=find_scaling("none").in_words(), licence="")
    assert of.settings_in_words().endswith("; pixels as they are")
    assert "lic" in dataclasses.replace(of, licence="mit").settings_in_words()


def test_a_change_of_scaling_is_said_in_brief_and_in_full_where_brief_would_be_equal(recipe):
    torch = dataclasses.replace(recipe, pixel_scaling=find_scaling("torch").in_words())
    assert torch.changes_since(recipe.as_dict()) == [
        "pixel scaling: RGB * (0.00784314) + (-1) → "
        "RGB * (0.0171248, 0.017507, 0.0174292) + (-2.1179, -2.03571, -1.80444)"
    ]
    near = dataclasses.replace(recipe, pixel_scaling=find_scaling("0.5,0.50000001").in_words())
    [change] = near.changes_since(recipe.as_dict())
    was, now = change.split(" → ")
    assert was != f"pixel scaling: {now}"


def test_every_field_that_decides_the_numbers_is_a_change(recipe):
    """Whatever the fingerprint sees, the words see too."""
    for field in dataclasses.fields(Recipe):
        changed = dataclasses.replace(recipe, **{field.name: "another"})
        n_changes = len(changed.changes_since(recipe.as_dict()))
        assert n_changes == (changed.fingerprint != recipe.fingerprint)


def test_fields_of_another_version_are_changes(recipe):
    old = recipe.as_dict()
    del old["resize"]
    old["crop_rule"] = None
    assert recipe.changes_since(old) == [
        f"resize rule: not recorded → {RESIZE_RULE}",
        "crop rule: none → not recorded",
    ]


@pytest.mark.parametrize("size_px", [-5, 0, 4097, 100_000])
def test_a_size_that_nothing_can_have_is_refused_before_it_takes_memory(size_px):
    """A head of somebody else names it, and pictures of that size would be made to compare it."""
    spec = ExtractorSpec("efficientnet_lite0")
    of_another = dataclasses.replace(recipe_for(spec)[0], input_size_px=size_px)
    of_keras = {"extractor": "mobilenet_v2", "architecture": "keras.applications:MobileNetV2"}
    for damaged in (of_another, dataclasses.replace(of_another, **of_keras)):
        with pytest.raises(RecipeError, match=f"has pictures of {size_px} px; expected 1 to 4096"):
            described_backbone(damaged)


def test_what_is_no_recipe_is_refused(recipe):
    values = recipe.as_dict()
    with pytest.raises(ValueError, match="field width is 'wide'|field width"):
        Recipe.from_dict({**values, "width": "wide"})
    with pytest.raises(ValueError, match="surprise"):
        Recipe.from_dict({**values, "surprise": 1})
    del values["resize"]
    with pytest.raises(ValueError, match="resize"):
        Recipe.from_dict(values)


def test_a_changed_bit_of_the_weights_is_another_recipe(tmp_path):
    prints = []
    for data in (b"weights", b"weightt"):
        path = tmp_path / "w.h5"
        path.write_bytes(data)
        prints.append(recipe_for(ExtractorSpec("mobilenet_v2", str(path)))[0].fingerprint)
    assert prints[0] != prints[1]


def test_a_field_at_its_default_changes_no_fingerprint_and_is_filled_in(recipe):
    older = {key: value for key, value in recipe.as_dict().items() if key != "grey16"}
    assert Recipe.from_dict(older) == recipe
    assert recipe.changes_since(older) == []
    assert dataclasses.replace(recipe, grey16="stretch").fingerprint != recipe.fingerprint
    with pytest.raises(ValueError, match="sharpening"):
        Recipe.from_dict({**older, "sharpening": 1})

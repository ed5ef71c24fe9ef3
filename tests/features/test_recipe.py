import dataclasses

import pytest

from bottlebank.features import Recipe, find_backbone, recipe_for


@pytest.fixture
def recipe() -> Recipe:
    return recipe_for(find_backbone("random"))[0]


def test_it_survives_json(recipe):
    import json

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
    assert [phrase.split(":")[0] for phrase in recipe.differences(other)] == [field]
    assert str(value) in recipe.differences(other)[0]


@pytest.mark.parametrize("field", ["extractor", "weights"])
def test_names_alone_do_not(recipe, field):
    other = dataclasses.replace(recipe, **{field: "another name"})
    assert other.fingerprint == recipe.fingerprint
    assert recipe.differences(other) == []


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
    backbone = find_backbone("mobilenet_v2")
    prints = []
    for data in (b"weights", b"weightt"):
        path = tmp_path / "w.h5"
        path.write_bytes(data)
        prints.append(recipe_for(backbone, str(path))[0].fingerprint)
    assert prints[0] != prints[1]

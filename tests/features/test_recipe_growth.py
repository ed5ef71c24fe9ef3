"""A field is added to the recipe: what is cached and trained today stays valid."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.errors import CacheError, HeadFileError, NewerRecipeError, RecipeError
from bottlebank.extraction import maintenance
from bottlebank.features import ExtractorSpec, find_backbone
from bottlebank.features import recipe as recipe_module
from bottlebank.features.recipe import Recipe, recipe_of
from bottlebank.prediction import head_extractor

FIRST = {
    "extractor": "mobilenet_v2",
    "architecture": "keras.applications:MobileNetV2",
    "weights": "imagenet",
    "weights_sha256": "0" * 64,
    "pooling": "global average",
    "width": 1280,
    "input_size_px": 224,
    "fit": "squash",
    "resize": "halved by averaging while both sides keep the input's, then bilinear (bit-exact)",
    "pixel_scaling": "RGB * (0.00784313725490196, 0.00784313725490196, 0.00784313725490196) + "
    "(-1.0, -1.0, -1.0)",
    "decoder_version": 4,
    "augmentation": None,
    "grey16": "scale",
}
"""A recipe as the first release wrote it."""


@dataclass(frozen=True)
class Grown(Recipe):
    """The recipe of a version to come."""

    layer: str | None = None
    views: int = 1
    names: tuple[str, ...] = ()
    crop_share: float = 0.875


@pytest.fixture
def of_today(photos, cache, tmp_path):
    """A cache, a head and an export that were made before the field was added."""
    table = bb.extract(photos, "random", cache=cache, precision="float32")
    bb.save_head(bb.train_head(table), tmp_path / "head.h5")
    with CacheFolder(cache) as folder:
        rows = maintenance.choose(folder, None)
        maintenance.export(folder, rows, tmp_path / "export.h5")
    return table


@pytest.fixture
def grow(monkeypatch):
    """A function that adds the fields, and has recipes be made with values of them."""

    def grow(**values):
        def recipe_of_grown(*arguments, **settings):
            made = recipe_of(*arguments, **settings)
            return Grown(**{**dataclasses.asdict(made), **values})

        for module in (recipe_module, maintenance, head_extractor):
            monkeypatch.setattr(module, "Recipe", Grown)
        for module in (recipe_module, head_extractor):
            monkeypatch.setattr(module, "recipe_of", recipe_of_grown)

    return grow


def test_fingerprints_are_those_of_the_first_release():
    """Whatever is added: rows that people have cached are found by these."""
    written = Recipe.from_dict(FIRST)
    assert written.as_dict() == FIRST
    assert written.fingerprint == (
        "aff6d2259a26f869bbfa0222d53c3668e5271f7db296c90b3c01818b5bb0452c"
    )
    changed = dataclasses.replace(written, grey16="stretch", augmentation="flip")
    assert changed.fingerprint == (
        "5499410bf8e0c99767d4bf75995ce1fdc20e8a8590e3357e74fb4e188d1ee2d8"
    )
    assert Grown.from_dict(FIRST).fingerprint == written.fingerprint


def test_with_its_default_everything_of_today_serves(of_today, grow, photos, cache, tmp_path):
    grow()
    again = bb.extract(photos, "random", cache=cache, precision="float32")
    assert isinstance(again.recipe, Grown)
    assert again.report.fingerprint == of_today.report.fingerprint
    assert (again.report.cached, again.report.extracted) == (60, 0)
    predictor = bb.load_predictor(tmp_path / "head.h5", cache=cache)
    assert predictor.predict(again.paths[:1])[0] in set(again.labels)
    _, found = bb.evaluate_head(bb.load_head(tmp_path / "head.h5"), again)
    assert found.accuracy > 0.5
    assert bb.train_head(again).head.version == bb.train_head(of_today).head.version
    with CacheFolder(tmp_path / "other", create=True) as folder:
        assert maintenance.import_from(folder, tmp_path / "export.h5").rows == 60
        imported = maintenance.import_from(folder, cache)
        # The export's shard is the cache's own where the rows were extracted in their order.
        assert imported.shards + imported.present == 1


def test_another_value_is_another_recipe(of_today, grow, photos, cache, caplog):
    grow(layer="block_12")
    other = bb.extract(photos, "random", cache=cache, precision="float32")
    assert other.report.fingerprint != of_today.report.fingerprint
    assert other.report.extracted == 60
    assert "because they differ in layer: none → block_12" in caplog.text
    assert Grown.from_dict(json.loads(json.dumps(other.recipe.as_dict()))) == other.recipe
    assert "views" not in other.recipe.as_dict()


def test_a_recipe_of_the_future_is_refused_by_name(grow, photos, cache, tmp_path, monkeypatch):
    with monkeypatch.context() as later:
        for module in (recipe_module, maintenance, head_extractor):
            later.setattr(module, "Recipe", Grown)
        real = recipe_module.recipe_of
        later.setattr(recipe_module, "recipe_of", lambda *given: with_views(real(*given)))
        table = bb.extract(photos, "random", cache=cache, precision="float32")
        assert table.recipe.views == 4
        bb.save_head(bb.train_head(table), tmp_path / "head.h5")
        with CacheFolder(cache) as folder:
            rows = maintenance.choose(folder, None)
            maintenance.export(folder, rows, tmp_path / "export.h5")
    refusal = "the field 'views', which this version of bottlebank does not know: update bottlebank"
    with pytest.raises(HeadFileError, match=f"head.h5: .*{refusal}"):
        bb.load_predictor(tmp_path / "head.h5", cache=cache)
    with CacheFolder(cache) as folder:
        rows = maintenance.choose(folder, None)
        assert refusal in maintenance.describe(folder, rows)["words"]
        with pytest.raises(CacheError, match=refusal):
            maintenance.export(folder, rows, tmp_path / "again.h5")
    with CacheFolder(tmp_path / "other", create=True) as folder:
        with pytest.raises(CacheError, match=f"export.h5: .*{refusal}"):
            maintenance.import_from(folder, tmp_path / "export.h5")
        [left_out] = maintenance.import_from(folder, cache).damaged
        assert refusal in left_out


def with_views(recipe):
    return Grown(**{**dataclasses.asdict(recipe), "views": 4})


def test_a_schema_of_the_future_is_refused():
    values = recipe_of(find_backbone("random"), "seed", "0" * 64, ExtractorSpec("random")).as_dict()
    assert Recipe.from_dict({**values, "schema": 1}).as_dict() == values
    with pytest.raises(NewerRecipeError, match=r"written in schema 2, .* reads 1: update"):
        Recipe.from_dict({**values, "schema": 2})
    with pytest.raises(RecipeError, match="field schema is 'x'; expected int"):
        Recipe.from_dict({**values, "schema": "x"})


def test_fields_of_every_kind_survive_json(of_today, grow, photos, cache):
    grow(names=("block_3", "block_5"), crop_share=1.0)
    made = bb.extract(photos, "random", cache=cache, precision="float32").recipe
    written = json.loads(json.dumps(made.as_dict()))
    assert Grown.from_dict(written) == made
    assert Grown.from_dict({**written, "crop_share": 1}) == made
    assert Grown.from_dict(written).fingerprint == made.fingerprint
    for wrong in (["block_3", 5], "block_3", None):
        with pytest.raises(RecipeError, match="field names is"):
            Grown.from_dict({**written, "names": wrong})


def test_another_schema_is_another_recipe_and_is_told_first(of_today, monkeypatch):
    old = of_today.recipe.as_dict()
    monkeypatch.setattr(recipe_module, "SCHEMA", 2)
    newer = recipe_module.recipe_for(ExtractorSpec("random"))[0]
    assert newer.as_dict() == {**old, "schema": 2}
    assert newer.fingerprint != of_today.recipe.fingerprint
    assert Recipe.from_dict(old).schema == 1
    assert newer.changes_since(old) == ["schema: 1 → 2"]
    monkeypatch.undo()
    # Whatever else it changed, the remedy is to update.
    for also in ({"resize": 5}, {"new": 1}, {}):
        with pytest.raises(NewerRecipeError, match="schema 2, .* reads 1: update bottlebank"):
            Recipe.from_dict({**old, "schema": 2, **also})
    del old["resize"]
    with pytest.raises(NewerRecipeError, match="schema 2"):
        Recipe.from_dict({**old, "schema": 2})

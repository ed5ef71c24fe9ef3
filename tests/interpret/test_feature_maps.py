"""The strongest units of an image, and the photographs that excite them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.errors import ImageRejectedError, UsageError
from bottlebank.interpret import features
from bottlebank.interpret.feature_maps import N_PHOTOGRAPHS, TRANSFER_VALUES, _exciting, _Population


def test_units_stand_out_from_the_photographs_of_the_table(plain, table):
    row = 25
    seen = features(table.paths[row], plain, table=table, units=3, progress=False)
    (layer,) = seen.layers
    assert layer.name == TRANSFER_VALUES
    assert layer.n_photographs == len(table) - 1
    others = np.delete(table.features, row, axis=0).astype(float)
    standing = (table.features[row] - others.mean(axis=0)) / others.std(axis=0)
    expected = np.argsort(-standing)[:3]
    assert [unit.number for unit in layer.units] == expected.tolist()
    for unit in layer.units:
        assert unit.deviations == pytest.approx(standing[unit.number], abs=0.05)
        assert unit.activation == pytest.approx(table.features[row, unit.number], abs=1e-2)
        values = table.features[:, unit.number].copy()
        values[row] = -np.inf
        best = np.argsort(-values)[:N_PHOTOGRAPHS].tolist()
        assert [each.row for each in unit.photographs] == best
        assert [each.path for each in unit.photographs] == [table.paths[each] for each in best]


@pytest.mark.parametrize(
    ("activations", "expected"),
    [
        ([0, 3, 0, 2, 0, 0], [1, 3]),  # a unit of ReLU that most photographs leave at 0
        ([-1, 3, 0, 2, 5, 4], [4, 5, 1, 3, 2]),
        ([7, 3], [0, 1]),
        ([2, 2, 2], []),
    ],
)
def test_photographs_that_leave_a_unit_alone_do_not_excite_it(table, activations, expected):
    values = np.array(activations, np.float32)[:, np.newaxis]
    found = _exciting(_Population(values, np.arange(len(values))), 0, table)
    assert [each.row for each in found] == expected


def test_without_a_table_units_are_those_of_the_greatest_activation(plain, table):
    seen = features(table.paths[0], plain, units=5)
    (layer,) = seen.layers
    assert [unit.number for unit in layer.units] == np.argsort(-table.features[0])[:5].tolist()
    assert {unit.deviations for unit in layer.units} == {None}
    assert {len(unit.photographs) for unit in layer.units} == {0}
    assert seen.as_dict()["layers"][0]["compared_with"] == 0


def test_an_image_may_be_a_file_its_bytes_or_pixels(plain, table):
    path = Path(table.paths[4])
    with Image.open(path) as picture:
        of_pixels = [picture.copy(), np.asarray(picture.convert("RGB"))]
    expected = features(path, plain, table=table, units=2)
    assert expected.path == str(path)
    from_bytes = features(path.read_bytes(), plain, table=table, units=2)
    assert from_bytes.as_dict() == {**expected.as_dict(), "path": ""}
    for given in of_pixels:
        seen = features(given, plain, units=2)
        np.testing.assert_array_equal(seen.pixels, expected.pixels)
    with pytest.raises(UsageError, match="expected a path, .*received a float"):
        features(1.5, plain)


def test_one_photograph_is_nothing_to_deviate_from(plain, table):
    for rows in ([0], [0, 1]):
        few = table.some(np.array(rows))
        (layer,) = features(table.paths[0], plain, table=few, units=1).layers
        assert layer.n_photographs == 0
        assert layer.units[0].deviations is None


def test_maps_of_the_chosen_layers_are_averaged(lite, tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "صورة.webp", lossless=True)
    names = ["conv_stem.relu", "conv_head.relu"]
    seen = features(str(tmp_path / "صورة.webp"), lite, names, units=2)
    assert [layer.name for layer in seen.layers] == names
    assert [layer.shape for layer in seen.layers] == [(112, 112, 32), (7, 7, 1280)]
    values = lite.features(seen.pixels[None].astype(np.float32)).numpy()[0]
    for layer in seen.layers:
        for unit in layer.units:
            assert unit.values is not None
            assert unit.values.shape == layer.shape[:2]
            assert unit.activation == pytest.approx(float(unit.values.mean()), abs=1e-4)
    strongest = [unit.number for unit in seen.layers[1].units]
    assert strongest == np.argsort(-values)[:2].tolist()


def test_what_cannot_be_looked_at_is_refused(plain, lite, table, tmp_path):
    (tmp_path / "notes.jpg").write_text("no picture")
    with pytest.raises(ImageRejectedError, match=r"notes\.jpg"):
        features(str(tmp_path / "notes.jpg"), plain)
    with pytest.raises(UsageError, match="no layer 'gone'"):
        features(table.paths[0], lite, ["gone"])
    with pytest.raises(UsageError, match="extract with the same network"):
        features(table.paths[0], lite, table=table)


@pytest.mark.slow
def test_inner_layers_are_compared_with_photographs(lite, clothing, tmp_path):
    folder = clothing / "validation" / "hat"
    table = bb.extract(folder, "efficientnet_lite0", cache=tmp_path / "cache", progress=False)
    seen = features(table.paths[0], lite, table=table, images=10, progress=False)
    assert [layer.shape[0] for layer in seen.layers] == [112, 56, 28, 14, 7]
    assert [layer.n_photographs for layer in seen.layers] == [10, 10, 10, 10, len(table) - 1]
    for layer in seen.layers:
        for unit in layer.units:
            found = [each.activation for each in unit.photographs]
            assert found == sorted(found, reverse=True)
            assert Path(table.paths[0]) not in [Path(each.path) for each in unit.photographs]

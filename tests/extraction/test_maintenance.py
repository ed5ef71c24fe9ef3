import io
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.cache import CacheFolder, Key
from bottlebank.cache.sheets import Sheet, Sheets
from bottlebank.errors import CacheError, UsageError
from bottlebank.extraction.maintenance import (
    choose,
    describe,
    export,
    import_from,
    prune,
)
from bottlebank.training.split import split_table


@pytest.fixture
def filled(photos, cache):
    (photos / "disc" / "bad.jpg").write_text("words")
    table = bb.extract(
        bb.load_dataset(photos), "random", cache=cache, engine="openvino", precision="float32"
    )
    with CacheFolder(cache) as folder:
        yield table, folder


def test_describe(filled):
    table, folder = filled
    entry = describe(folder, next(folder.all()))
    assert entry["fingerprint"] == table.report.fingerprint
    assert entry["words"].startswith("random, weights seed (")
    assert (entry["rows"], entry["shards"], entry["precision"]) == (60, 1, "float32")
    assert entry["bytes"] > 60 * 512 * 4
    (rejection,) = entry["rejected"]
    assert rejection["path"].endswith("bad.jpg")
    assert "looks like text" in rejection["reason"]


def test_export_of_everything(filled, tmp_path):
    table, folder = filled
    done = export(folder, choose(folder, None), tmp_path / "out.h5")
    assert (done.rows, done.missing) == (60, [])
    with h5py.File(tmp_path / "out.h5") as file:
        assert sorted(file) == ["features", "keys", "paths"]
        by_path = dict(zip(file["paths"][()], file["features"][()], strict=True))
        assert file.attrs["fingerprint"].decode() == table.report.fingerprint
        assert file["keys"].shape == (60, 32)
    for path, features in zip(table.paths, table.features, strict=True):
        assert np.array_equal(by_path[os.fsencode(path)], features)


def test_export_of_a_dataset_has_labels_and_split(filled, tmp_path, photos):
    table, folder = filled
    done = export(folder, choose(folder, None), tmp_path / "out.h5", bb.load_dataset(photos))
    assert done.rows == 60
    assert [os.path.basename(path) for path in done.missing] == ["bad.jpg"]
    with h5py.File(tmp_path / "out.h5") as file:
        assert np.array_equal(file["features"][()], table.features)
        assert [label.decode() for label in file["labels"]] == table.labels.tolist()
        assert set(file["split"].asstr()) == {"train", "validation", "test"}
        assert [os.fsencode(path) for path in table.paths] == list(file["paths"])


def test_an_exports_split_is_that_of_training(filled, tmp_path, photos):
    table, folder = filled
    rows = [
        f"{path},{label},{number % 7}"
        for number, (path, label) in enumerate(zip(table.paths, table.labels, strict=True))
    ]
    (tmp_path / "grouped.csv").write_text("\n".join(["path,label,group", *rows]))
    dataset = bb.load_dataset(tmp_path / "grouped.csv")
    trained_on = bb.extract(
        dataset, "random", cache=folder.root, engine="openvino", precision="float32"
    )
    export(folder, choose(folder, None), tmp_path / "out.h5", dataset)
    with h5py.File(tmp_path / "out.h5") as file:
        exported = file["split"].asstr()[()].tolist()
    assert exported == split_table(trained_on).of_row.tolist()
    sides = {}
    for number, side in enumerate(exported):
        assert sides.setdefault(number % 7, side) == side, "a group lies on two sides"


def test_export_of_images_that_are_not_cached(filled, tmp_path):
    _, folder = filled
    (tmp_path / "new" / "a").mkdir(parents=True)
    (tmp_path / "new" / "a" / "x.png").write_bytes(b"new")
    with pytest.raises(CacheError, match=r"no image of .*new has a row .* `bottlebank extract"):
        export(folder, choose(folder, None), tmp_path / "o.h5", bb.load_dataset(tmp_path / "new"))


def test_choosing_a_recipe(filled):
    table, folder = filled
    other = "0" * 64
    (folder.root / other).mkdir()
    (folder.root / other / "recipe.json").write_text('{"extractor": "old"}')
    with folder.open(other, "float32").writer({"extractor": "old"}) as writer:
        writer.add(Key(b"k" * 32), b"p", np.ones(3, np.float32))
    with pytest.raises(UsageError, match="--fingerprint; the cache holds: 000000000000 old"):
        choose(folder, None)
    assert choose(folder, table.report.fingerprint[:5]).fingerprint == table.report.fingerprint
    with pytest.raises(UsageError, match="no recipe begins with 'zz'"):
        choose(folder, "zz")
    with pytest.raises(UsageError, match="no rows in bfloat16; there are rows in float32"):
        choose(folder, "0", "bfloat16")


def test_an_empty_cache(tmp_path):
    with CacheFolder(tmp_path / "none") as folder, pytest.raises(UsageError, match="is empty"):
        choose(folder, None)


def test_a_damaged_recipe_is_told_and_written_again(filled, photos, caplog):
    table, folder = filled
    path = folder.root / table.report.fingerprint / "recipe.json"
    sound = path.read_bytes()
    path.write_text("{")
    assert describe(folder, next(folder.all()))["words"] == "recipe.json is damaged"
    assert "the next extraction into it writes it again" in caplog.text
    (photos / "disc" / "more.jpg").write_text("other words")
    bb.extract(bb.load_dataset(photos), "random", cache=folder.root, precision="float32")
    assert path.read_bytes() == sound


def test_an_export_is_imported_into_another_cache(filled, tmp_path, photos):
    table, folder = filled
    export(folder, choose(folder, None), tmp_path / "rows.h5")
    with CacheFolder(tmp_path / "new", create=True) as other:
        assert import_from(other, tmp_path / "rows.h5").rows == 60
        assert import_from(other, tmp_path / "rows.h5").rows == 0
    again = bb.extract(bb.load_dataset(photos), "random", cache=tmp_path / "new")
    assert again.report.extracted == 0
    assert np.array_equal(again.features, table.features)


def test_importing_what_cannot_be_imported(filled, tmp_path):
    _, folder = filled
    (tmp_path / "empty").mkdir()
    with pytest.raises(CacheError, match="is not a cache of bottlebank"):
        import_from(folder, tmp_path / "empty")
    with pytest.raises(UsageError, match="no such folder or file: .*nowhere"):
        import_from(folder, tmp_path / "nowhere")
    export(folder, choose(folder, None), tmp_path / "rows.h5")
    with h5py.File(tmp_path / "rows.h5", "r+") as file:
        file.attrs["fingerprint"] = "0" * 64
    with pytest.raises(CacheError, match="do not belong together"):
        import_from(folder, tmp_path / "rows.h5")


def test_an_export_makes_its_folder_or_says_that_it_cannot(filled, tmp_path, photos):
    _, folder = filled
    rows = choose(folder, None)
    for dataset in (None, bb.load_dataset(photos)):
        assert export(folder, rows, tmp_path / "new" / "out.h5", dataset).rows == 60
        (tmp_path / "file").touch()
        with pytest.raises(CacheError, match=r"out\.h5 cannot be written: (Not a dir|File exists)"):
            export(folder, rows, tmp_path / "file" / "out.h5", dataset)
        with pytest.raises(CacheError, match="new cannot be written: Is a directory"):
            export(folder, rows, tmp_path / "new", dataset)


@pytest.mark.parametrize("prefix", [None, ""])
@pytest.mark.parametrize("do", [False, True])
def test_no_recipe_is_removed_that_is_not_named(filled, prefix, do):
    _, folder = filled
    with pytest.raises(UsageError, match="name it with --fingerprint"):
        prune(folder, prefix, whole=True, do=do)
    assert len(next(folder.all())) == 60


def test_of_several_recipes_that_begin_alike_none_is_removed(filled):
    table, folder = filled
    other = table.report.fingerprint[:8] + "0" * 56
    with folder.open(other, "float32").writer({}) as writer:
        writer.add(Key(b"k" * 32), b"p", np.ones(3, np.float32))
    with pytest.raises(UsageError, match="2 recipes begin with"):
        prune(folder, other[:8], whole=True, do=True)
    assert len(folder.fingerprints()) == 2


def test_pruning_only_looks_until_it_is_told(filled, photos):
    table, folder = filled
    (photos / "disc" / "00.png").unlink()
    looked = prune(folder, None).recipes
    assert [entry["rows_removed"] for entry in looked] == [1]
    assert len(next(folder.all())) == 60
    assert prune(folder, table.report.fingerprint[:6], do=True).recipes == looked
    assert len(next(folder.all())) == 59
    assert prune(folder, None) == ([], 0)
    with pytest.raises(UsageError, match="0 recipes begin with 'zz'"):
        prune(folder, "zz")
    prune(folder, table.report.fingerprint, whole=True, do=True)
    assert folder.fingerprints() == []


def test_thumbnails_of_images_that_are_gone_are_pruned(filled, photos):
    table, folder = filled
    sheets = Sheets(folder.root)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "WEBP")
    for rows in (slice(0, 30), slice(30, 60)):
        images = [key.content for key in table.keys[rows]]
        sheets.keep(b"", images, Sheet(picture.getvalue(), np.ones((30, 2), np.uint8)))
    assert prune(folder, None, do=True) == ([], 0)
    Path(table.paths[0]).unlink()
    assert prune(folder, None).sheets_removed == 1
    assert prune(folder, table.report.fingerprint, do=True).sheets_removed == 0
    assert sheets.count()[0] == 2
    assert prune(folder, None, do=True) == ([], 1)
    assert sheets.find(b"", [key.content for key in table.keys[30:]])
    assert [found for found in folder.verify() if found is not None] == []

"""Near-duplicates are not in two splits."""

import io

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.training.split import groups_of_alike, split_table


def scene(seed: int) -> Image.Image:
    """Soft and sharp shapes, different in every picture."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (random.integers(3, 9), random.integers(3, 9), 3), np.uint8)
    pixels = np.array(Image.fromarray(coarse).resize((200, 150), Image.Resampling.BICUBIC))
    for _ in range(3):
        left, top = random.integers(0, 150), random.integers(0, 100)
        pixels[top : top + 50, left : left + 50] = random.integers(0, 256, 3)
    return Image.fromarray(pixels)


def again(picture: Image.Image, number: int) -> bytes:
    """Saved once more: re-encoded, scaled, or cropped by 3 %."""
    width, height = picture.size
    file = io.BytesIO()
    [
        picture,
        picture.resize((width * 7 // 10, height * 7 // 10)),
        picture.crop((3 * width // 100, 3 * height // 100, width, height)),
    ][number % 3].save(file, "JPEG", quality=80)
    return file.getvalue()


def extract(folder, cache):
    return bb.extract(
        bb.load_dataset(folder), "random", cache=cache, engine="openvino", precision="float32"
    )


@pytest.fixture
def planted(tmp_path, cache):
    """150 pictures, 60 of them saved once more, as a table; and which file is a copy of which."""
    copies = {}
    for number in range(150):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        scene(number).save(folder / f"{number:03d}.png")
        if number < 60:
            (folder / f"{number:03d}-again.jpg").write_bytes(again(scene(number), number))
            copies[f"{number:03d}-again.jpg"] = f"{number:03d}.png"
    return extract(tmp_path / "photos", cache), copies


def test_planted_near_duplicates_never_straddle(planted):
    table, copies = planted
    names = [path.rsplit("/", 1)[-1] for path in table.paths]
    decided = split_table(table)
    judged = {name: {names[row] for row in decided.rows(name)} for name in ("validation", "test")}
    trained = {names[row] for row in decided.rows("train")}
    splits = dict(zip(names, decided.of_row.tolist(), strict=True))
    assert sum(splits[copy] != splits[original] for copy, original in copies.items()) > 15
    for copy, original in copies.items():
        both = {copy, original}
        assert sum(bool(both & rows) for rows in (trained, *judged.values())) == 1
    # And nobody else is left out.
    assert {names[row] for row in decided.near} <= {*copies, *copies.values()}


def test_adding_images_or_renaming_the_folder_moves_nobody(planted, tmp_path, cache):
    table, _ = planted
    before = dict(zip(table.keys, split_table(table).of_row.tolist(), strict=True))
    (tmp_path / "photos").rename(tmp_path / "moved")
    for number in range(1000, 1100):
        scene(number).save(tmp_path / "moved" / "a" / f"{number}.png")
    grown = extract(tmp_path / "moved", cache)
    after = dict(zip(grown.keys, split_table(grown).of_row.tolist(), strict=True))
    assert len(after) == len(before) + 100
    assert all(after[key] == name for key, name in before.items())


def test_training_tells_the_accuracy_with_and_without_them(planted):
    table, _ = planted
    trained = bb.train_head(table)
    for name, found in trained.near_duplicates.items():
        every, judged = trained.split.with_near(name), trained.split.rows(name)
        assert found.images == len(every) - len(judged) > 0
        assert trained.evaluations[name].images == len(judged)
        assert trained.evaluations[name].accuracy == pytest.approx(found.accuracy_without)
    assert set(trained.near_duplicates) == {"validation", "test"}


def test_what_is_alike_forms_a_group(planted, tmp_path, cache):
    table, copies = planted
    names = [path.rsplit("/", 1)[-1] for path in table.paths]
    group_of = dict(zip(names, groups_of_alike(table).tolist(), strict=True))
    assert all(group_of[copy] == group_of[original] for copy, original in copies.items())
    assert len(set(group_of.values())) == 150
    last = {group: row for row, group in enumerate(groups_of_alike(table).tolist())}
    assert all(group == row for group, row in last.items())  # by which a seed deals the folds


def test_groups_of_a_csv_file_stand_together(photos, cache, tmp_path):
    lines = ["path,label,group"]
    for kind in ("stripes", "checks", "disc"):
        for number in range(20):
            lines.append(f"photos/{kind}/{number:02d}.png,{kind},roll {number % 7}")
    (tmp_path / "photos.csv").write_text("\n".join(lines))
    table = extract(tmp_path / "photos.csv", cache)
    splits = split_table(table).of_row
    for roll in range(7):
        mine = [group == f"roll {roll}" for group in table.groups]
        assert len(set(splits[mine])) == 1

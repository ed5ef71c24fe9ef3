"""A random part of a dataset."""

import pytest

import bottlebank as bb
from bottlebank.datasets.dataset import sampled
from bottlebank.errors import UsageError


def dataset(n: int, source: str = "photos") -> bb.Dataset:
    return bb.Dataset(
        source,
        [f"{source}/class {row % 3}/图 {row}\udcff.jpg" for row in range(n)],
        [f"class {row % 3}" for row in range(n)],
        [("train", "test", None)[row % 3] for row in range(n)],
        groups=[f"group {row // 2}" for row in range(n)],
        weights=[float(row) for row in range(n)],
        notes=["a note"],
    )


@pytest.mark.parametrize("n_images", [1, 7, 99])
def test_columns_go_together_in_their_order(n_images):
    whole = dataset(100)
    part = sampled(whole, n_images)
    rows = [int(weight) for weight in part.weights]
    assert len(rows) == n_images
    assert rows == sorted(set(rows))
    for name in ("paths", "labels", "splits", "groups"):
        assert getattr(part, name) == [getattr(whole, name)[row] for row in rows]
    assert part.notes == ["a note", f"{n_images} of 100 images are taken, at random"]


@pytest.mark.parametrize("n_images", [100, 101, 10**9])
def test_a_dataset_with_no_more_is_left_as_it_is(n_images):
    whole = dataset(100)
    assert sampled(whole, n_images) is whole


def test_the_sample_is_the_same_elsewhere_and_mostly_so_of_more_images():
    part = sampled(dataset(1000), 100)
    elsewhere = sampled(dataset(1000, "/home/somebody/pictures"), 100)
    assert elsewhere.weights == part.weights
    more = sampled(dataset(1100), 100)
    assert 80 < len({*more.weights} & {*part.weights}) < 100


def test_every_part_of_a_dataset_is_in_it_by_its_share():
    part = sampled(dataset(30_000), 3000)
    of_class = [part.labels.count(f"class {number}") for number in range(3)]
    assert all(900 < count < 1100 for count in of_class), of_class
    assert 1350 < sum(weight < 15_000 for weight in part.weights) < 1650


@pytest.mark.parametrize("name", ["l.csv", "a list with a name that is longer than any path.csv"])
@pytest.mark.parametrize("root", [None, "elsewhere"])
def test_the_sample_of_a_list_is_as_random(tmp_path, name, root):
    (tmp_path / "elsewhere").mkdir()
    rows = "".join(f"{label}{number}.jpg,{label}\n" for label in "ab" for number in range(500))
    (tmp_path / name).write_text("path,label\n" + rows)
    (tmp_path / "a0.jpg").touch()
    (tmp_path / "elsewhere" / "a0.jpg").touch()
    image_root = None if root is None else tmp_path / root
    part = bb.load_dataset(tmp_path / name, image_root=image_root, images=100)
    assert 30 < part.labels.count("a") < 70


def test_load_dataset_takes_a_sample(tmp_path, caplog):
    for number in range(20):
        path = tmp_path / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    whole, part = bb.load_dataset(tmp_path), bb.load_dataset(tmp_path, images=5)
    assert len(part) == 5
    assert {*part.paths} < {*whole.paths}
    assert "note: 5 of 20 images are taken, at random" in caplog.text
    assert len(bb.load_dataset(tmp_path, images=50)) == 20
    for wrong in (0, -1, 2.5, True, "many"):
        with pytest.raises(UsageError, match="images is"):
            bb.load_dataset(tmp_path, images=wrong)

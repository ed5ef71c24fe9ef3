"""Maps from Python: of a table, or of what can be extracted."""

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.errors import UsageError
from bottlebank.viz import reduce


@pytest.fixture
def settings(cache):
    return {"extractor": "random", "cache": cache, "engine": "openvino", "precision": "float32"}


def test_a_map_of_a_table_and_of_a_folder(photos, settings, tmp_path):
    table = bb.extract(photos, **settings)
    drawn = bb.plot(table, tmp_path / "new" / "map.svg", method="tsne", title="Shapes")
    assert np.array_equal(drawn.embedding.points, reduce(table.features, "tsne").points)
    text = drawn.path.read_text()
    assert "Shapes" in text
    assert "disc (20)" in text
    assert drawn._repr_svg_() == text
    assert drawn._repr_png_() is None
    assert len(repr(drawn)) < 200 + len(str(tmp_path))

    again = bb.plot(photos, str(tmp_path / "map.png"), **settings)
    assert np.array_equal(again.embedding.points, reduce(table.features).points)
    assert again._repr_png_() == (tmp_path / "map.png").read_bytes()
    listed = bb.plot(table.paths[:20], tmp_path / "listed.svg", **settings)
    assert len(listed.embedding.points) == 20


def test_a_map_with_thumbnails_shows_the_images(photos, settings, tmp_path):
    table = bb.extract(photos, **settings)
    (photos / "disc" / "03.png").unlink()  # gone since it was extracted
    plain = bb.plot(table, tmp_path / "plain.svg")
    drawn = bb.plot(table, tmp_path / "map.svg", thumbnails=True)
    assert np.array_equal(plain.embedding.points, drawn.embedding.points)
    assert "<image" not in plain.path.read_text()
    assert 10 < drawn.path.read_text().count("<image") < 60


def test_what_cannot_be_drawn(photos, settings, tmp_path):
    table = bb.extract(photos, **settings)
    with pytest.raises(UsageError, match=r"a picture is a \.png or \.svg file"):
        bb.plot(table, "map.jpg")
    with pytest.raises(UsageError, match="unknown method 'lda': choose one of pca, "):
        bb.plot("not read", "map.png", method="lda")
    with pytest.raises(UsageError, match="fit cannot be chosen for a table"):
        bb.plot(table, "map.png", fit="crop")
    image = photos / "disc" / "00.png"
    before = image.read_bytes()
    with pytest.raises(UsageError, match="is not a picture that bottlebank has drawn"):
        bb.plot(table, image)
    assert image.read_bytes() == before
    drawn = bb.plot(table, photos / "disc" / "drawn.png").path
    with pytest.raises(UsageError, match="is one of the images: name another file"):
        bb.plot(photos, drawn, **settings)
    (tmp_path / "file").touch()
    with pytest.raises(bb.BottlebankError, match="none of 1 image can be used"):
        bb.plot([str(tmp_path / "file")], tmp_path / "map.png", **settings)


def words_of(drawn) -> str:
    return " ".join(drawn.path.read_text().split())


def test_what_colours_say_and_who_predicted_stand_in_the_picture(photos, settings, tmp_path):
    table = bb.extract(photos, **settings)
    trained = bb.train_head(table, seed=0)
    for color, head, words in (
        ("mistake", None, "out of fold: 5 logistic heads"),
        ("confidence", trained, f"by the head {trained.head.version}"),
        ("split", None, "the split of each image, decided by content"),
    ):
        drawn = bb.plot(table, tmp_path / "map.svg", color=color, head=head, theme="dark")
        shown = words_of(drawn)
        for word in words.split():
            assert word in shown
        assert "#1b211e" in shown


def test_looks_that_would_change_nothing_are_refused(photos, settings, tmp_path):
    table = bb.extract(photos, **settings)
    trained = bb.train_head(table, seed=0)
    with pytest.raises(UsageError, match="a head predicts, and the map is coloured by label"):
        bb.plot(table, tmp_path / "map.png", head=trained)
    with pytest.raises(UsageError, match="expected a colour by label, prediction, .*'age'"):
        bb.plot(table, tmp_path / "map.png", color="age")
    with pytest.raises(UsageError, match="colour and theme are chosen in the explorer itself"):
        bb.plot(table, tmp_path / "map.html", theme="dark")
    with pytest.raises(UsageError, match="expected the theme light or dark, received 'sepia'"):
        bb.plot(table, tmp_path / "map.png", theme="sepia")

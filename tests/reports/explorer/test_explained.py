"""Maps of the worst mistakes: which, and what the page carries of them."""

import gzip
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.errors import UsageError
from bottlebank.interpret import attribution
from bottlebank.interpret.attribution import Saliency
from bottlebank.reports.explorer import explained as explained_module
from bottlebank.reports.explorer.explained import explained_of
from bottlebank.reports.explorer.explore import explainer_for
from bottlebank.reports.explorer.parts import parts_of

HAT = "h\udcfft"  # a folder whose name is not UTF-8
CLASSES = ("<script>", HAT, "قبعة")


class Explainer:
    """Explains any class by nothing, and counts what it was given."""

    classes, method, engine = CLASSES, "gradcam", "tensorflow"
    recipe = SimpleNamespace(extractor="efficientnet_lite0")

    def __init__(self):
        self.seen = []

    def __call__(self, data, label, name):
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("RGB"))
        self.seen.append(label)
        whole = ((0, 0, *pixels.shape[:2]), None, None, "", "", "")
        return Saliency("gradcam", label, 0.5, label, False, np.eye(7), pixels, *whole)


@pytest.fixture
def explained(images, points):
    """Of nine images, of which the last two are mistakes; the fourth has no label."""
    classes = ["<script>", "h\\xfft", "قبعة"]
    labels = points.labels.copy()
    labels[3] = -1
    of_page = replace(points, classes=classes, labels=labels)
    images.labels = np.array([CLASSES[label] if label >= 0 else "" for label in labels])

    def make(predicted=of_page.predicted):
        explainer = Explainer()
        of_them = replace(of_page, predicted=predicted)
        return explained_of(images, of_them, explainer, progress=False), explainer, of_page

    return make


def test_the_most_confident_mistakes_have_maps_of_both_classes(explained, monkeypatch):
    found, explainer, points = explained()
    assert points.predicted.confidence[7] > points.predicted.confidence[8]
    assert [each.row for each in found.rows] == [7, 8], "no label is no mistake"
    assert explainer.seen == ["<script>", "قبعة"] * 2
    assert found.n_mistakes == 2
    assert [each.label for each in found.rows[0].maps] == ["<script>", "قبعة"]
    assert Image.open(io.BytesIO(found.rows[0].maps[0].picture)).size == (120, 60)
    assert "by Grad-CAM (efficientnet_lite0, tensorflow): the brighter" in found.in_words
    monkeypatch.setattr(explained_module, "MOST_EXPLAINED", 1)
    assert [each.row for each in explained()[0].rows] == [7]
    assert explained()[0].n_mistakes == 2


def test_names_that_are_not_utf_8_lead_to_their_class(explained, points):
    predicted = points.predicted._replace(codes=np.full(9, 1))
    found, explainer, _ = explained(predicted)
    assert HAT in explainer.seen
    assert {each.maps[0].label for each in found.rows} == {"h\\xfft"}
    json.dumps([each.maps[0].in_words for each in found.rows], ensure_ascii=False).encode()


def test_an_image_that_has_gone_says_so(explained, images, tmp_path):
    (tmp_path / "photos" / "%41.png").unlink()
    found, _, _ = explained()
    assert found.rows[0].maps == ()
    assert found.rows[0].note == "no map: cannot be read: No such file or directory"
    assert len(found.rows[1].maps) == 2


def test_the_page_carries_the_pictures_one_after_the_other(explained):
    found, _, points = explained()
    parts = dict(parts_of(replace(points, explained=found), {}, None, None))
    words = json.loads(gzip.decompress(parts["maps"]))
    pictures = gzip.decompress(parts["mapPictures"])
    assert [each["row"] for each in words["rows"]] == [7, 8]
    assert words["n_mistakes"] == 2
    cut = [pictures[each["start"] : each["end"]] for row in words["rows"] for each in row["maps"]]
    assert cut == [each.picture for row in found.rows for each in row.maps]
    assert "maps" not in dict(parts_of(points, {}, None, None))


def test_saliency_is_of_a_head_and_of_the_explorer(trained):
    assert explainer_for(None, None, is_page=False) is None
    with pytest.raises(UsageError, match=r"in the explorer: name an \.html file"):
        explainer_for("gradcam", trained, is_page=False)
    with pytest.raises(UsageError, match="of the mistakes of a head: name the head"):
        explainer_for("gradcam", None, is_page=True)
    abstract = dict.fromkeys(("_answer", "_explained", "_permuted"))
    of_another = object.__new__(type("OfAnother", (attribution.Explainer,), abstract))
    of_another.classes = ("hat", "shoes")
    with pytest.raises(UsageError, match="opened for a head of hat, shoes, and this one is of"):
        explainer_for(of_another, trained, is_page=True)
    with pytest.raises(UsageError, match="openvino computes no gradients.*--saliency occlusion"):
        explainer_for("gradcam", trained, is_page=True, engine="openvino")


@pytest.mark.slow
def test_a_page_of_real_photographs(clothing, tmp_path):
    """A photograph of shoes that is called a hat is a mistake, and has maps of both."""
    for name in ("hat", "shoes"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number, path in enumerate(sorted((clothing / "train" / name).glob("*.jpg"))[:40]):
            label = "hat" if number == 0 else name
            target = tmp_path / "photos" / label / f"{name}-{number}.jpg"
            target.write_bytes(path.read_bytes())
    head = bb.train_head(
        bb.extract(tmp_path / "photos", "efficientnet_lite0", cache=tmp_path / "cache")
    ).head
    its = {"extractor": "efficientnet_lite0", "cache": tmp_path / "cache", "head": head}
    page = bb.plot(tmp_path / "photos", tmp_path / "map.html", saliency="gradcam", **its).path
    assert 'id="part-mapPictures"' in page.read_text()

"""The maps of mistakes: of which classes, and what is said where there is none."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bottlebank.cache import Key, content_of_bytes
from bottlebank.errors import ParameterError, UsageError
from bottlebank.features.images.decoder import decode
from bottlebank.interpret.attribution import Saliency
from bottlebank.reports.mistake_maps import about_maps, maps_of_mistake, open_for_mistakes

CLASSES = ("coat", "<script>", "قبعة")


class FakeExplainer:
    """Finds the corner of an image that belongs to a class; knows `classes`."""

    classes = CLASSES
    engine = "tensorflow"
    recipe = SimpleNamespace(extractor="efficientnet_lite0")

    def __init__(self, method="gradcam", predicted="coat", value=1.0):
        self.method, self._predicted, self._value = method, predicted, value

    def __call__(self, data, label, name):
        photograph = decode(data)
        values = np.zeros((10, 10), np.float32)
        values[0, 9 * self.classes.index(label) // 2] = self._value
        return Saliency(
            *(self.method, label, 0.9, self._predicted, False, values, photograph),
            *((0, 0, *photograph.shape[:2]), None, None, "", self.engine, "efficientnet_lite0"),
        )


@pytest.fixture
def table_of(tmp_path):
    """A table of one image, of any format and size."""

    def make(label="قبعة", size=(300, 200), format="PNG", mode="RGB"):
        path, stored = tmp_path / "photo", io.BytesIO()
        Image.new(mode, size, 120).save(stored, format)
        path.write_bytes(stored.getvalue())
        return SimpleNamespace(
            paths=[str(path)],
            keys=[Key(content_of_bytes(stored.getvalue()))],
            labels=np.array([label]),
            recipe=SimpleNamespace(grey16="scale"),
        )

    return make


@pytest.mark.parametrize(
    ("size", "format", "mode"),
    [((300, 200), "PNG", "RGB"), ((20, 900), "JPEG", "L"), ((1, 1), "WEBP", "RGBA")],
)
def test_what_it_was_taken_for_stands_before_its_label(size, format, mode, table_of):
    found = maps_of_mistake(FakeExplainer(), table_of("قبعة", size, format, mode), 0, "coat", 240)
    assert [each.label for each in found.of_classes] == ["coat", "قبعة"]
    assert found.note == ""
    assert found.of_classes[0].in_words == (
        "what speaks for coat, most of all at 5 % from the left and 5 % from the top"
    )
    assert "95 % from the left" in found.of_classes[1].in_words
    assert {max(each.pixels.shape[:2]) for each in found.of_classes} == {min(240, max(size))}


@pytest.mark.parametrize(("method", "label"), [("occlusion", "قبعة"), ("gradcam", "hat")])
def test_one_map_where_another_takes_long_or_the_head_has_no_such_class(method, label, table_of):
    found = maps_of_mistake(FakeExplainer(method), table_of(label), 0, "<script>", 240)
    assert [each.label for each in found.of_classes] == ["<script>"]


def test_what_speaks_for_nothing_is_said(table_of):
    for value in (0.0, -1.0):
        explainer = FakeExplainer("occlusion", value=value)
        [its] = maps_of_mistake(explainer, table_of(), 0, "coat", 240).of_classes
        assert its.in_words == "nothing speaks for coat"


def test_there_is_no_map_of_what_has_gone_has_changed_or_has_none(table_of, tmp_path):
    of_one = table_of()
    assert maps_of_mistake(FakeExplainer(value=np.nan), of_one, 0, "coat", 240) == (
        (),
        "no map: what the network answers is not finite",
    )
    Image.new("RGB", (30, 20)).save(tmp_path / "photo", "PNG")
    changed = maps_of_mistake(FakeExplainer(), of_one, 0, "coat", 240)
    assert changed == ((), "no map: has changed since it was extracted")
    (tmp_path / "photo").write_bytes(b"\x1b<script>")
    of_one.keys = [Key(content_of_bytes(b"\x1b<script>"))]
    none = maps_of_mistake(FakeExplainer(), of_one, 0, "coat", 240)
    assert none.of_classes == ()
    assert none.note.startswith("no map: not an image")
    (tmp_path / "photo").unlink()
    assert maps_of_mistake(FakeExplainer(), of_one, 0, "coat", 240).note == (
        "no map: cannot be read: No such file or directory"
    )


def test_a_head_that_itself_answers_otherwise_is_said_to(table_of):
    """As where the mistake is one of cross-validation, or of views."""
    found = maps_of_mistake(FakeExplainer(predicted="\x1b"), table_of(), 0, "coat", 240)
    assert found.note == "the head itself takes it for \\x1b"
    assert len(found.of_classes) == 2


def test_the_reader_is_told_what_the_colours_mean_and_how_many_have_no_map():
    assert "each of the 20 most confident stands, by Grad-CAM (efficientnet_lite0, " in about_maps(
        FakeExplainer(), 20, 0
    )
    text = about_maps(FakeExplainer("occlusion"), 1, 1)
    assert "in red, and against it, in blue" in text
    assert text.endswith("There is no map of 1 image, which says why.")
    assert about_maps(FakeExplainer(), 9, 3).endswith("no map of 3 images, which say why.")


def test_what_explains_nothing_is_refused_before_tensorflow_starts(trained, cache):
    with pytest.raises(UsageError, match=r"openvino computes no gradients.*--saliency occlusion"):
        open_for_mistakes(trained, "gradcam", cache=cache, engine="openvino", precision="auto")
    with pytest.raises(ParameterError, match="saliency is one of gradcam.*received 'lime'"):
        open_for_mistakes(trained, "lime", cache=cache)


def test_occlusion_computes_with_the_engine_and_the_precision_of_the_evaluation(trained, cache):
    settings = {"cache": cache, "engine": "openvino", "precision": "float32"}
    assert open_for_mistakes(trained, "occlusion", **settings).engine == "openvino"

"""The pixels of published networks, against the libraries themselves, where they are installed."""

import numpy as np
import pytest

from .published import FAMILIES
from .test_pixels import input_of, photograph, written

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of other libraries
]

SIZES = [(437, 301), (301, 437), (640, 479), (150, 197), (1201, 400)]
OF_TRANSFORMERS = [each for each in FAMILIES if not each.startswith(("timm", "open_clip"))]


AT_MOST = 1.001
"""Steps of 1/255 by which pixels may differ, as docs/hub.md says; the rest is float32's."""


def compare(tmp_path, family, theirs, most=AT_MOST):
    folder = written(tmp_path, FAMILIES[family].files)
    for size in SIZES:
        image = photograph(*size)
        values, step = input_of(folder, image)
        expected = np.asarray(theirs(image), np.float64)
        assert values.shape == expected.shape
        off = np.abs(values - expected) / step
        assert off.max() < most, size
        assert off.mean() < (0.35 if most < 256 else 1), size


@pytest.mark.parametrize("backend", ["", "Pil"])
@pytest.mark.parametrize("family", OF_TRANSFORMERS)
def test_transformers(tmp_path, family, backend):
    transformers = pytest.importorskip("transformers")
    [described] = FAMILIES[family].files.values()
    described = described.get("image_processor", described)
    name = described["image_processor_type"].removesuffix("Fast") + backend
    if not hasattr(transformers, name):
        pytest.skip(f"transformers has no {name}")
    # Its two backends differ: torchvision's bicubic overshoots by 3 steps more at an edge, and its
    # nearest pixel is the next one where two are as near.
    of_torchvision = {0: 256, 3: 3.001}
    most = AT_MOST if backend else of_torchvision.get(described["resample"], AT_MOST)
    settings = {key: value for key, value in described.items() if key != "image_processor_type"}
    try:
        processor = getattr(transformers, name)(**settings)
    except ImportError:
        pytest.skip(f"transformers needs torchvision for {name}")
    compare(
        tmp_path,
        family,
        lambda image: processor(images=image, return_tensors="np")["pixel_values"][0],
        most,
    )


@pytest.mark.parametrize("family", [each for each in FAMILIES if each.startswith("timm")])
def test_timm(tmp_path, family):
    timm = pytest.importorskip("timm")
    described = FAMILIES[family].files["config.json"]["pretrained_cfg"]
    config = timm.data.resolve_data_config(pretrained_cfg=described)
    compare(tmp_path, family, timm.data.create_transform(**config, is_training=False))


@pytest.mark.parametrize("family", [each for each in FAMILIES if each.startswith("open_clip")])
def test_open_clip(tmp_path, family):
    transform = pytest.importorskip("open_clip.transform")
    described = FAMILIES[family].files["open_clip_config.json"]["preprocess_cfg"]
    config = transform.PreprocessCfg(**described, size=224)
    compare(tmp_path, family, transform.image_transform_v2(config, is_train=False))

"""Folders as they are published on the Hugging Face Hub, one of each family of preprocessing.

Each has, beside what its files say, the published rule, written from its library's documentation:
with Pillow and NumPy alone, float64, (3, height, width), from an RGB picture.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
OPENAI = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])

Picture = Image.Image
Rule = Callable[[Picture], np.ndarray]


class Published(NamedTuple):
    """A folder."""

    files: dict[str, dict[str, Any]]
    rule: Rule
    size_px: int


def tensor(image: Picture, mean=(0, 0, 0), std=(1, 1, 1)) -> np.ndarray:
    """From 0 to 1, then normalised; channels first."""
    values = (np.asarray(image, np.float64) / 255 - mean) / std
    return values.transpose(2, 0, 1)


def shorter_to(image: Picture, px: int, resample: int) -> Picture:
    """As torchvision's Resize(px), and get_resize_output_image_size of transformers, have it."""
    width, height = image.size
    short = width < height
    size = (px, int(px * height / width)) if short else (int(px * width / height), px)
    return image.resize(size, resample)


def crop_of_transformers(image: Picture, px: int) -> Picture:
    top, left = int((image.height - px) / 2.0), int((image.width - px) / 2.0)
    return image.crop((left, top, left + px, top + px))


def crop_of_torchvision(image: Picture, px: int) -> Picture:
    top, left = round((image.height - px) / 2.0), round((image.width - px) / 2.0)
    return image.crop((left, top, left + px, top + px))


def convnext(px: int, crop_pct: float) -> Published:
    def rule(image: Picture) -> np.ndarray:
        if px >= 384:  # warped
            return tensor(image.resize((px, px), 3), *IMAGENET)
        scaled = shorter_to(image, int(px / crop_pct), 3)
        return tensor(crop_of_transformers(scaled, px), *IMAGENET)

    described = {
        "crop_pct": crop_pct,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": IMAGENET[0],
        "image_processor_type": "ConvNextImageProcessor",
        "image_std": IMAGENET[1],
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": px},
    }
    return Published({"preprocessor_config.json": described}, rule, px)


def siglip() -> Published:
    described = {
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": HALF[0],
        "image_processor_type": "SiglipImageProcessor",
        "image_std": HALF[1],
        "processor_class": "SiglipProcessor",
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": 224, "width": 224},
    }
    return Published(
        {"preprocessor_config.json": described},
        lambda image: tensor(image.resize((224, 224), 2), *HALF),
        224,
    )


def dinov2() -> Published:
    described = {
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": IMAGENET[0],
        "image_processor_type": "BitImageProcessor",
        "image_std": IMAGENET[1],
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": 256},
    }

    def rule(image: Picture) -> np.ndarray:
        return tensor(crop_of_transformers(shorter_to(image, 256, 3), 224), *IMAGENET)

    return Published({"preprocessor_config.json": described}, rule, 224)


def dinov3() -> Published:
    described = {
        "crop_size": None,
        "data_format": "channels_first",
        "default_to_square": True,
        "device": None,
        "disable_grouping": None,
        "do_center_crop": None,
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": IMAGENET[0],
        "image_processor_type": "DINOv3ViTImageProcessorFast",
        "image_std": IMAGENET[1],
        "input_data_format": None,
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "return_tensors": None,
        "size": {"height": 224, "width": 224},
    }

    def rule(image: Picture) -> np.ndarray:  # in floating point, each channel by itself
        channels = np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
        scaled = [np.asarray(Image.fromarray(each).resize((224, 224), 2)) for each in channels]
        mean, std = (np.array(each)[:, None, None] for each in IMAGENET)
        return (np.stack(scaled).astype(np.float64) - mean) / std

    return Published({"preprocessor_config.json": described}, rule, 224)


def mobilevit() -> Published:
    described = {
        "crop_size": {"height": 256, "width": 256},
        "do_center_crop": True,
        "do_flip_channel_order": True,
        "do_rescale": True,
        "do_resize": True,
        "image_processor_type": "MobileViTImageProcessor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": 288},
    }

    def rule(image: Picture) -> np.ndarray:
        return tensor(crop_of_transformers(shorter_to(image, 288, 2), 256))[::-1]

    return Published({"preprocessor_config.json": described}, rule, 256)


def efficientnet() -> Published:
    described = {
        "crop_size": {"height": 289, "width": 289},
        "do_center_crop": False,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": IMAGENET[0],
        "image_processor_type": "EfficientNetImageProcessor",
        "image_std": [0.47853944, 0.4732864, 0.47434163],
        "include_top": True,
        "resample": 0,
        "rescale_factor": 1 / 127.5,
        "rescale_offset": True,
        "size": {"height": 240, "width": 240},
    }

    def rule(image: Picture) -> np.ndarray:
        values = np.asarray(image.resize((240, 240), 0), np.float64) * (1 / 127.5) - 1
        values = (values - described["image_mean"]) / described["image_std"]
        return (values / described["image_std"]).transpose(2, 0, 1)

    return Published({"preprocessor_config.json": described}, rule, 240)


def tipsv2() -> Published:
    described = {
        "image_processor": {
            "do_convert_rgb": True,
            "do_normalize": False,
            "do_rescale": True,
            "do_resize": True,
            "image_processor_type": "Tipsv2ImageProcessor",
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"height": 448, "width": 448},
        },
        "processor_class": "Tipsv2Processor",
    }
    return Published(
        {"processor_config.json": described},
        lambda image: tensor(image.resize((448, 448), 2)),
        448,
    )


def timm(crop_mode: str, crop_pct: float) -> Published:
    described = {
        "architecture": "mobilenetv4_conv_small",
        "num_classes": 1000,
        "num_features": 1280,
        "pretrained_cfg": {
            "tag": "e2400_r224_in1k",
            "custom_load": False,
            "input_size": [3, 224, 224],
            "test_input_size": [3, 256, 256],
            "fixed_input_size": False,
            "interpolation": "bicubic",
            "crop_pct": crop_pct,
            "test_crop_pct": 0.95,
            "crop_mode": crop_mode,
            "mean": IMAGENET[0],
            "std": IMAGENET[1],
            "num_classes": 1000,
            "pool_size": [7, 7],
            "first_conv": "conv_stem",
            "classifier": "classifier",
        },
    }
    px = int(224 / crop_pct)

    def rule(image: Picture) -> np.ndarray:
        if crop_mode == "squash":
            return tensor(crop_of_torchvision(image.resize((px, px), 3), 224), *IMAGENET)
        if crop_mode == "center":
            return tensor(crop_of_torchvision(shorter_to(image, px, 3), 224), *IMAGENET)
        ratio = max(image.size) / px
        scaled = image.resize((round(image.width / ratio), round(image.height / ratio)), 3)
        return tensor(laid_in_the_middle(scaled, 224, (124, 116, 104)), *IMAGENET)

    return Published({"config.json": described}, rule, 224)


def laid_in_the_middle(image: Picture, px: int, fill: tuple[int, int, int]) -> Picture:
    """As torchvision's pad, then crop: what is missing is halved, with the odd one behind."""
    width, height = max(px, image.width), max(px, image.height)
    canvas = Image.new("RGB", (width, height), fill)
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return crop_of_torchvision(canvas, px)


def open_clip(resize_mode: str) -> Published:
    described = {
        "model_cfg": {
            "embed_dim": 512,
            "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
            "text_cfg": {"context_length": 77, "vocab_size": 49408},
        },
        "preprocess_cfg": {
            "mean": OPENAI[0],
            "std": OPENAI[1],
            "interpolation": "bicubic",
            "resize_mode": resize_mode,
        },
    }

    def rule(image: Picture) -> np.ndarray:
        if resize_mode == "squash":
            return tensor(image.resize((224, 224), 3), *OPENAI)
        if resize_mode == "shortest":
            return tensor(crop_of_torchvision(shorter_to(image, 224, 3), 224), *OPENAI)
        ratio = max(image.size) / 224
        scaled = image.resize((round(image.width / ratio), round(image.height / ratio)), 3)
        return tensor(laid_in_the_middle(scaled, 224, (0, 0, 0)), *OPENAI)

    return Published({"open_clip_config.json": described}, rule, 224)


FAMILIES = {
    "convnext below 384": convnext(224, 0.875),
    "convnext from 384": convnext(384, 1.0),
    "siglip": siglip(),
    "dinov2": dinov2(),
    "dinov3": dinov3(),
    "mobilevit": mobilevit(),
    "efficientnet": efficientnet(),
    "tipsv2": tipsv2(),
    "timm center": timm("center", 0.95),
    "timm squash": timm("squash", 0.9),
    "timm border": timm("border", 0.9),
    "open_clip shortest": open_clip("shortest"),
    "open_clip longest": open_clip("longest"),
    "open_clip squash": open_clip("squash"),
}

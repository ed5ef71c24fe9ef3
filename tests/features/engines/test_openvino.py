"""The first inference is made before threads have the network."""

import subprocess
import sys

from bottlebank.features import ExtractorSpec, find_backbone, recipe_for
from bottlebank.features.backbones import efficientnet_lite


def test_many_threads_may_begin_at_once(tmp_path):
    """Without the first inference in `OpenVinoEngine`, some of these processes never ended."""
    _, weights = recipe_for(ExtractorSpec("efficientnet_lite0"))
    backbone = find_backbone("efficientnet_lite0")
    efficientnet_lite.write_openvino(backbone, weights, tmp_path)
    script = f"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import threading
import numpy as np
from bottlebank.features.engines.openvino import OpenVinoEngine
engine = OpenVinoEngine(Path({str(tmp_path)!r}), "float32", many=True)
together = threading.Barrier(8)
def run(_):
    together.wait()
    return engine(np.zeros((5, 224, 224, 3), np.uint8))
with ThreadPoolExecutor(8) as pool:
    rows = np.concatenate(list(pool.map(run, range(8))))
print(rows.shape)
"""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.stdout == "(40, 1280)\n", done.stderr

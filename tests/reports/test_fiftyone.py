"""A map in the format fiftyone, read back by FiftyOne, field by field.

FiftyOne brings many libraries and a database, so that it need not be in this environment: the
variable BOTTLEBANK_TEST_FIFTYONE names the Python of one where it is installed.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import bottlebank as bb

from ..toys.toy_table import noise, toy_rows, toy_table
from .test_map_formats import FILES, LABELS

PYTHON = os.environ.get("BOTTLEBANK_TEST_FIFTYONE")
# As docs/maps.md has it; what is read goes to a file, since FiftyOne prints by itself.
READ = """
import json, sys
import fiftyone as fo
kind = fo.types.FiftyOneImageClassificationDataset
found = []
for folder in sys.argv[2:]:
    dataset = fo.Dataset.from_dir(folder, kind, data_path="data.json")
    samples = [
        [sample.filepath, sample.ground_truth and sample.ground_truth.to_dict()]
        for sample in dataset
    ]
    found.append({"classes": dataset.default_classes, "samples": samples})
with open(sys.argv[1], "w") as file:
    json.dump(found, file, default=str)
"""


@pytest.mark.slow
def test_fiftyone_reads_every_field(tmp_path):
    if PYTHON is None and find_spec("fiftyone") is None:
        pytest.skip("fiftyone is not installed, and BOTTLEBANK_TEST_FIFTYONE names no Python")
    paths = [noise(tmp_path / "photos" / name, seed) for seed, name in enumerate(FILES)]
    splits = ["train", None, "test", *[None] * 9]
    table = toy_table(toy_rows(12, 3)[0], LABELS, tmp_path, paths=paths, splits=splits)
    maps = [bb.plot(table, tmp_path / f"map-{n}", format="fiftyone", dimensions=n) for n in (2, 3)]
    rows = [row for row, path in enumerate(table.paths) if not {*"\udcff\\"} & {*path}]
    all_read = read_by_fiftyone([drawn.path for drawn in maps], tmp_path)
    for drawn, read in zip(maps, all_read, strict=True):
        axes = "xyz"[: drawn.embedding.points.shape[1]]
        assert read["classes"] == sorted({*LABELS} - {""})
        assert [path for path, _ in read["samples"]] == [table.paths[row] for row in rows]
        for row, (_, label) in zip(rows, read["samples"], strict=True):
            if not LABELS[row]:
                assert label is None
                continue
            assert label["label"] == LABELS[row]
            assert label["key"] == str(table.keys[row])
            assert label.get("split") == table.splits[row]
            point = np.float32([label[axis] for axis in axes])
            np.testing.assert_array_equal(point, drawn.embedding.points[row])


def read_by_fiftyone(folders, tmp_path):
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "FIFTYONE_DATABASE_DIR": str(tmp_path / "database"),
        "FIFTYONE_DO_NOT_TRACK": "true",
    }
    output = tmp_path / "read.json"
    done = subprocess.run(
        [PYTHON or sys.executable, "-c", READ, str(output), *map(str, folders)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(output.read_text())

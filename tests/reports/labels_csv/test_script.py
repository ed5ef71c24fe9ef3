"""Labels files that pages write: the same bytes as those of Python, and read back whole."""

import hashlib
import json
import shutil
import subprocess
import unicodedata

import numpy as np
import pytest

from bottlebank.datasets.labels_file import read_labels, write_labels
from bottlebank.reports import labels_csv

NODE = shutil.which("node")
ODD = [
    *(
        "=SUM(A1)",
        "'=x",
        "''=x",
        "'x",
        "'",
        "''",
        "-1,5",
        "+1",
        "@home",
        "\tx",
        "x\t",
        "\rx",
        "x\r",
    ),
    *(
        "a\rb",
        "a\nb",
        "a\r\nb",
        'a "b", c',
        '"',
        '""',
        ",",
        " ",
        "' ",
        " x",
        "x ",
        "'x ",
        "\ufeffx",
    ),
    *(
        "x\u200b",
        "\u2028",
        "a\u2028b",
        "\x1cx",
        "x\x85",
        "قبعة",
        "鞋 👟",
        "<script>",
        "e\u0301",
        "\x1a",
    ),
]
LETTERS = [*"'\"=+-@,;|\t\r\n \u00a0\u200b\ufeff\x1f\x85\u2029aé猫👟\u0301"]


def names():
    """Names that are odd, then combinations of what makes names odd."""
    random = np.random.default_rng(3)
    drawn = ("".join(random.choice(LETTERS, length)) for length in random.integers(1, 7, 2000))
    return list(dict.fromkeys([*ODD, *drawn]))


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_same_bytes_as_in_python_are_read_back_whole(tmp_path):
    rows = [
        (hashlib.sha256(str(place).encode()).hexdigest(), f"{name}.jpg", name)
        for place, name in enumerate(names())
    ]
    script = (
        'const rows = JSON.parse(require("node:fs").readFileSync(0, "utf8"));\n'
        'process.stdout.write(labelsCsv(["key", "path", "label"], rows));\n'
    )
    done = subprocess.run(
        [str(NODE), "-e", labels_csv.script() + script],
        input=json.dumps(rows).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout == write_labels(rows)
    file = tmp_path / "labels.csv"
    file.write_bytes(done.stdout)
    read = read_labels(file).labels
    wanted = [unicodedata.normalize("NFC", name) for _, _, name in rows]
    assert [read[bytes.fromhex(key)] for key, _, _ in rows] == wanted

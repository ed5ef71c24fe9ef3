"""Rounds of correcting: each file is laid over DATA, and what is written next has all of it."""

import base64
import csv
import gzip
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.datasets.labels_file import read_labels, write_labels
from bottlebank.extraction.relabelling import relabel
from bottlebank.reports import audit_page, labels_csv
from bottlebank.reports.audit_page.writing import page_of
from bottlebank.reports.explorer import write_explorer
from bottlebank.reports.explorer.of_table import points_of

from ..toys.toy_table import toy_rows, toy_table

NODE = shutil.which("node")
ELSEWHERE = "e" * 64
NAMES = np.array(["hat", "'=1+1 <script>", "كتاب 👟"])

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


class Rounds:
    """One dataset, the labels file of the round before, and what a person has decided so far."""

    def __init__(self, table, file):
        self.table, self.file = table, file
        self.decided = {}  # row, or a key that is not in the table: label, empty where left out
        self.was = table.labels.tolist()

    def laid(self):
        if not self.file.exists():
            return self.table, []
        changes = relabel(self.table, read_labels(self.file), keeps_unlabelled=True)
        return changes.table, changes.earlier

    def key(self, row):
        return str(self.table.keys[row]) if isinstance(row, int) else row

    def finish(self, text, decided):
        """A file was written: what it says is the newest decision of each image, and no more."""
        self.file.write_bytes(text)
        self.decided |= decided
        labels = read_labels(self.file).labels
        for row, label in self.decided.items():
            assert labels[bytes.fromhex(self.key(row))] == label
        wanted = {row: self.decided.get(row, label) for row, label in enumerate(self.was)}
        left_out = {row for row, label in self.decided.items() if not label}
        for keeps in (True, False):
            kept = [row for row in wanted if row not in left_out and (keeps or wanted[row])]
            now = relabel(self.table, read_labels(self.file), keeps_unlabelled=keeps).table
            assert now.paths == [self.table.paths[row] for row in kept]
            assert now.labels.tolist() == [wanted[row] for row in kept]

    def audit_file(self, write, decided):
        """Write into cells of an audit's file: {row: {column: text}}."""
        table, earlier = self.laid()
        written = bb.audit(table, progress=False).labels_file(earlier).decode()
        lines = [*csv.DictReader(io.StringIO(written, newline=""))]
        assert {line["accept"] for line in lines} == {""}
        by_key = {line["key"]: line for line in lines}
        assert len(by_key) == len(lines)
        for row, cells in write.items():
            by_key[self.key(row)] |= cells
        text = io.StringIO()
        writer = csv.DictWriter(text, lines[0])
        writer.writeheader()
        writer.writerows(lines)
        self.finish(text.getvalue().encode(), decided)

    def audit_page(self, choose):
        """Decide on an audit's page: `choose` gives yes or no for each row with a suggestion."""
        table, earlier = self.laid()
        page = page_of(bb.audit(table, progress=False), "photos", earlier).decode()
        data = json.loads(re.search(r'id="findings">(.*?)</script>', page, re.DOTALL)[1])
        del data["pictures"]
        rows = {self.key(row): row for row in range(len(self.table))}
        findings = [each for kind in data["kinds"] for each in kind["findings"]]
        chosen = {
            each["key"]: choose(rows[each["key"]], each["suggested"])
            for each in findings
            if each["suggested"]
        }
        script = Path(audit_page.__file__).with_name("decisions.js").read_text()
        text = in_node(
            labels_csv.script() + script,
            """const made = makeDecisions(given.findings, "x", () => null);
            for (const each of given.findings) {
              if (given.chosen[each.key]) made.decide(each, given.chosen[each.key]);
            }
            process.stdout.write(decidedFile(made, given.data.columns, given.data.earlier));""",
            {"data": data, "findings": findings, "chosen": chosen},
        )
        labels = {
            rows[each["key"]]: each["suggested" if chosen[each["key"]] == "yes" else "label"]
            for each in findings
            if chosen.get(each["key"])
        }
        self.finish(text, labels)
        return labels

    def explorer(self, decided):
        """Label images in the explorer, with its own script."""
        table, earlier = self.laid()
        places = np.random.default_rng(1).normal(size=(len(table), 2))
        page = self.file.with_name("map.html")
        points = points_of(table, places, page, earlier=earlier, progress=False)
        write_explorer(points, page, title="t")
        parts = {
            name: gzip.decompress(base64.b64decode(text))
            for name, text in re.findall(r'id="part-(\w+)">([^<]*)<', page.read_text())
        }
        keys = [parts["keys"][32 * row :][:32].hex() for row in range(len(table))]
        assigned = [[keys.index(self.key(row)), label] for row, label in decided.items()]
        static = Path(bb.__file__).parent / "reports" / "explorer" / "static"
        text = in_node(
            labels_csv.script() + (static / "labels.js").read_text(),
            """const labels = Uint16Array.from(given.labels);
            const made = makeLabels(labels, given.classes);
            for (const [row, name] of given.assigned) {
              made.assign([row], name ? made.classOf(name) : LEFT_OUT);
            }
            process.stdout.write(labelsFile(made.changedRows(), {
              keyOf: (row) => given.keys[row],
              pathOf: (row) => `${row}`,
              labelOf: (row) => (labels[row] === LEFT_OUT ? "" : given.classes[labels[row]]),
            }, given.earlier));""",
            {
                "labels": np.frombuffer(parts["labels"], "<u2").tolist(),
                "classes": json.loads(parts["about"])["classes"],
                "earlier": json.loads(parts.get("earlier", "[]")),
                "keys": keys,
                "assigned": assigned,
            },
        )
        self.finish(text, decided)


def in_node(scripts, script, given):
    read = 'const given = JSON.parse(require("node:fs").readFileSync(0, "utf8"));\n'
    done = subprocess.run(
        [str(NODE), "-e", f"{scripts}\n{read}{script}"],
        input=json.dumps(given).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture
def rounds(tmp_path):
    """Images of three classes, five of them under a wrong one, and `without` a label."""

    def made(without=()):
        rows, codes = toy_rows(60, 3, width=24, spread=0.1)
        given = codes.copy()
        given[[2, 11, 20, 31, 41]] = (codes[[2, 11, 20, 31, 41]] + 1) % 3
        labels = NAMES[given].astype(object)
        labels[list(without)] = ""
        splits = ["train"] * 60
        table = toy_table(rows, labels.astype(str), tmp_path / "cache", splits=splits)
        return Rounds(table, tmp_path / "labels.csv"), NAMES[codes].tolist()

    return made


@pytest.mark.slow
@pytest.mark.parametrize("without", [[], [0, 1, 3, 4, 5, 6], range(60)])
def test_no_decision_is_lost_and_the_newest_wins(rounds, without):
    played, right = rounds(without)
    # A file of somebody's: an image left out, one labelled, one that is not in this dataset.
    rows = [(played.key(7), "7", ""), (played.key(8), "8", "new"), (ELSEWHERE, "x", "far away")]
    played.finish(write_labels(rows), {7: "", 8: "new", ELSEWHERE: "far away"})
    # Three of an audit's file: accepted, written by hand, and left out by hand.
    accepted = {} if len(without) == 60 else {2: right[2]}
    by_hand = {9: "by hand", 10: ""} if not without else {9: "by hand"}
    cells = {row: {"accept": "yes"} for row in accepted}
    played.audit_file(
        cells | {row: {"label": label} for row, label in by_hand.items()}, accepted | by_hand
    )
    chosen = played.audit_page(lambda row, _: {11: "yes", 20: "no"}.get(row))
    assert set(chosen) == (set() if len(without) == 60 else {11, 20})
    # The newest wins: what was labelled is left out, what was accepted has a third label.
    played.explorer({8: "", 2: "third", 9: "hat", 12: "new", 13: ""})
    played.audit_file({}, {})
    played.audit_page(lambda row, _: None)
    played.explorer({14: "'=1"})
    # Somebody puts images back.
    played.audit_file({7: {"label": "back"}, 13: {"label": "back"}}, {7: "back", 13: "back"})
    played.explorer({7: "hat"})


def test_a_download_for_a_part_of_the_images_keeps_what_the_others_are(rounds):
    """Of images that are not there, those without a label stay so, and are not left out by it."""
    played, _ = rounds([0, 1, 3])
    played.audit_file({40: {"label": ""}}, {40: ""})
    whole = played.table
    played.table = whole.some(np.arange(4, 40))
    played.was = whole.labels[4:40].tolist()
    played.decided = {}
    played.explorer({5: "part"})
    changes = relabel(whole, read_labels(played.file), keeps_unlabelled=True)
    assert changes.table.paths == [path for row, path in enumerate(whole.paths) if row != 40]
    assert changes.table.labels[[0, 1, 3, 9]].tolist() == ["", "", "", "part"]


def test_what_was_decided_is_marked_in_the_file_of_an_audit(rounds):
    played, _ = rounds()
    played.finish(
        write_labels([(played.key(7), "7", ""), (played.key(2), "2", "x")]), {7: "", 2: "x"}
    )
    table, earlier = played.laid()
    text = bb.audit(table, progress=False).labels_file(earlier).decode()
    kinds = {line["key"]: line["kind"] for line in csv.DictReader(text.splitlines())}
    assert kinds[played.key(7)] == "earlier"
    assert kinds[played.key(2)].split()[-1] == "earlier"
    assert sum(kind.endswith("earlier") for kind in kinds.values()) == 2

"""What a notebook shows of a result when a cell ends with it: a few lines, with the figures."""

import dataclasses
from html.parser import HTMLParser

import pytest

import bottlebank as bb
from bottlebank.formatting import with_interval
from bottlebank.training import evaluate_split
from bottlebank.training.learning_curve import learning_curve

TRICKS = "<script>alert('x')</script> & \x1b[2J\n"


class Html(HTMLParser):
    """The tags and words of a text, all tags closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = set(), [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def few_lines(shown: object, lines: int = 20, characters: int = 1500) -> str:
    text = repr(shown)
    assert text.count("\n") < lines, text
    assert len(text) < characters
    assert text.startswith("<")
    assert text.endswith(">")
    assert text.replace("\n", "").isprintable()
    return text


def test_what_train_head_returns(table, trained):
    text = few_lines(trained)
    for side in ("train", "validation", "test"):
        found = trained.evaluations[side]
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {side} ")]
        accuracy = with_interval(found.accuracy, found.intervals["accuracy"])
        assert line.split(maxsplit=1)[1].startswith(f"{found.images} images, ")
        assert f", accuracy {accuracy}, F1 " in line
    assert "split by content" in text
    assert trained.head.version in text
    sides = [line.split()[0] for line in text.splitlines() if "accuracy" in line]
    assert sides == ["train", "validation", "test"]  # each once, though the head has them too
    html = Html(trained._repr_html_())
    assert html.tags == {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert html.words.count("test") == 1
    found = trained.evaluations["validation"]
    assert with_interval(found.accuracy, found.intervals["accuracy"]) in html.words
    declared = bb.train_head(dataclasses.replace(table, splits=["train"] * len(table)))
    assert "split as declared" in few_lines(declared)
    assert "test       no images" in repr(declared)


def test_a_head_new_and_loaded(table, tmp_path):
    trained = bb.train_head(table, coverage=0.8)
    bb.save_head(trained, tmp_path / "h.h5")
    for head in (trained.head, bb.load_head(tmp_path / "h.h5")):
        text = few_lines(head)
        for words in (head.version, "logistic, 512 → 3", "3 classes: 'checks', 'disc', 'stripes'"):
            assert words in text
        assert "random" in text
        assert "80.0 % of images of its classes" in text
        assert head.version in " ".join(Html(head._repr_html_()).words)
    dense = bb.train_head(table, "dense", hidden=[8, 4]).head
    assert "dense, 512 → 8 → 4 → 3" in few_lines(dense)


@pytest.mark.parametrize("n_classes", [2, 1000])
def test_names_from_elsewhere_are_escaped_and_bounded(trained, n_classes):
    head = dataclasses.replace(
        trained.head,
        classes=tuple(f"{TRICKS}{number}" * 50 for number in range(n_classes)),
        recipe={"extractor": TRICKS * 100, "weights_sha256": ["x"] * 10_000},
        training={"train": [1], "test": {"images": "many", "accuracy": None}},
        created=TRICKS * 100,
        unknown=None,
    )
    text = few_lines(head)
    assert f"{n_classes:,} classes" in text
    html = head._repr_html_()
    assert Html(html).tags == {"p", "table", "tbody", "tr", "td"}
    assert len(html) < 3000
    assert "\x1b" not in html
    whole = dataclasses.replace(trained, head=head)
    few_lines(whole, characters=2000)
    assert "script" not in Html(whole._repr_html_()).tags


def test_the_parts(table, trained):
    evaluated = evaluate_split(trained.head, table)
    accuracy = f"{100 * evaluated.evaluation.accuracy:.1f} %"
    assert f"accuracy           {accuracy} [" in few_lines(evaluated.evaluation)
    assert accuracy in few_lines(evaluated)
    assert "'checks': " in few_lines(evaluated.evaluation.per_class[0], lines=1)
    counts = trained.split.counts()
    assert f"train {counts['train']}, " in few_lines(trained.split, lines=1)
    assert few_lines(trained.head.layers) == "<Layers 512 → 3>"
    rule = bb.train_head(table, coverage=0.8).head.unknown
    assert "× 512, threshold" in few_lines(rule, lines=1)
    assert "coverage 0.8>" in repr(rule)
    assert "3 images, " in few_lines(trained.head.golden, lines=1)
    assert f"{evaluated.evaluation.images} images, 3 classes" in few_lines(
        evaluated.answer, lines=1
    )
    assert "0 images, " in few_lines(evaluated.trained_on, lines=1)
    assert table.recipe.fingerprint[:12] in few_lines(table.recipe, lines=1)
    train, test = trained.split.rows("train"), evaluated.rows
    curve = learning_curve(
        lambda rows, labels: bb.LogisticHead(strengths=1e-3).fit(rows, labels),
        table.features[train], table.labels[train], table.features[test], table.labels[test],
        n_repeats=1,
    )  # fmt: skip
    assert "accuracy by images per class: " in few_lines(curve, lines=1)


def test_a_dataset_of_many_classes(tmp_path):
    for number in range(300):
        (tmp_path / f"class {number:03d}").mkdir()
        (tmp_path / f"class {number:03d}" / "a.png").touch()
    text = few_lines(bb.load_dataset(tmp_path), lines=1)
    assert "300 images in 300 classes: class 000 (1), " in text
    assert text.endswith("… 292 more>")

"""What the commands say of 8 images a class."""

import json
import shutil

import pytest

CROSS_VALIDATED = "cross-validated in 5 folds on all 24 images: a test split of "


@pytest.fixture
def few(photos, tmp_path):
    """8 images a class."""
    for kind in ("stripes", "checks", "disc"):
        for number in range(8, 20):
            (photos / kind / f"{number:02d}.png").unlink()
    return photos


def test_cross_validated_figures_come_first(bottlebank, few, options, cache, tmp_path):
    head = tmp_path / "head.h5"
    train = ["train", few, "--output", head, *options]
    assert bottlebank(*train).out.startswith(CROSS_VALIDATED)
    answer = bottlebank(*train, "--json").json
    assert next(iter(answer)) == "cross_validated"
    assert answer["cross_validated"]["images"] == 24
    assert answer["test"]["images"] < 10  # what it was before

    report = tmp_path / "report"
    evaluate = ["evaluate", few, "--head", head, "--cache", cache]
    said = bottlebank(*evaluate, "--report", report)
    assert said.out.startswith(CROSS_VALIDATED)
    assert "\ntest: " in said.out
    assert "too few validation images to call any unknown" in said.out
    found = bottlebank(*evaluate, "--json").json
    assert next(iter(found)) == "cross_validated"
    better = found["cross_validated"]
    assert (better["folds"], better["images"], better["not_judged"]) == (5, 24, [])
    assert better["accuracy"] == answer["cross_validated"]["accuracy"]
    assert len(better["mistakes"]) == round(24 * (1 - better["accuracy"]))
    assert (found["split"], found["images"]) == ("test", answer["test"]["images"])
    assert json.loads((report / "evaluation.json").read_text()) == found
    assert bottlebank(*evaluate, "--report", report).code == 0  # its own report is replaced

    page = (report / "report.html").read_text()
    assert page.index("Cross-validated in 5 folds on all 24 images") < page.index("<dl>")
    assert "24 (cross-validated)" in page
    assert "a learning curve needs 20 different images of each class" in page
    assert "never: there were too few validation images" in page
    assert not (report / "learning-curve.png").exists()

    alone = bottlebank(*evaluate, "--split", "test", "--json").json
    assert alone["cross_validated"] is None
    assert alone["accuracy"] == found["accuracy"]


def test_figures_that_say_nothing_say_so_first(bottlebank, few, options, cache, tmp_path):
    """One class can be judged, on two images; `disc` is not there and `checks` has one image."""
    shutil.rmtree(few / "disc")
    for kind, n_left in (("stripes", 2), ("checks", 1)):
        for path in sorted((few / kind).iterdir())[n_left:]:
            path.unlink()
    head, report = tmp_path / "head.h5", tmp_path / "report"
    begins = "figures of 2 images, too few to say anything and all of one class ('stripes'): cross-"
    said = bottlebank("train", few, "--output", head, *options)
    assert said.out.startswith(begins)
    assert "  train          2 images, too few to say anything: accuracy" in said.out
    place = ["--head", head, "--cache", cache]
    said = bottlebank("evaluate", few, *place, "--report", report)
    assert said.out.startswith(begins)
    assert "\ntest: 1 image, too few to say anything and all of one class (" in said.out
    page = (report / "report.html").read_text()
    lead = page.index("Figures of 2 images, too few to say anything and all of one class")
    assert lead < page.index("<dl>")
    one_side = bottlebank("evaluate", few, *place, "--split", "all", "--report", report)
    assert one_side.out.startswith("all: 3 images, too few to say anything: accuracy")
    page = (report / "report.html").read_text()
    assert page.index("Figures of 3 images, too few to say anything.") < page.index("<dl>")


def test_a_report_on_two_images_has_no_figure_from_nothing(
    bottlebank, few, options, cache, tmp_path
):
    declared = tmp_path / "declared"
    for kind in ("stripes", "checks", "disc"):
        shutil.copytree(few / kind, declared / "train" / kind)
    for kind in ("stripes", "checks"):
        (declared / "test" / kind).mkdir(parents=True)
        (declared / "train" / kind / "07.png").rename(declared / "test" / kind / "07.png")
    head, report = tmp_path / "head.h5", tmp_path / "report"
    assert bottlebank("train", declared, "--output", head, *options).code == 0
    place = ["--head", head, "--cache", cache]
    answer = bottlebank("evaluate", declared, *place, "--report", report, "--json").json
    assert answer["images"] == 2
    assert answer["cross_validated"] is None
    page = (report / "report.html").read_text()
    assert page.count("cannot be estimated from 2 images") == 2  # ROC AUC and calibration error
    assert "There are no figures for &#39;disc&#39;" in page
    row = page[page.index("<bdi>disc</bdi>") :].split("</tr>")[0]
    assert row.count("no images") == 4
    assert "%" not in row
    assert "means over the 2 of 3 classes that have images" in page
    assert page.count("too few images") == 2

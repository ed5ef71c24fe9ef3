"""Every command answers as the contract says."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from sklearn.utils import Bunch

from bottlebank.cache import CacheFolder, Stamp
from bottlebank.classifier.registry import HEADS
from bottlebank.reports.output_paths import HEAD, require_output


def test_a_class_folder_without_images_is_named_on_stderr(shell, photos, options, tmp_path):
    (photos / "empty").mkdir()
    done = shell("train", photos, *options, "--output", tmp_path / "head.h5", "--json")
    assert done.json["classes"] == ["checks", "disc", "stripes"]
    assert f"note: the folder {photos / 'empty'} holds no images and is left out\n" in done.err


def test_extract(bottlebank, photos, options, cache):
    (photos / "disc" / "notes.txt").touch()
    first = bottlebank("extract", photos, *options, "--json")
    assert first.code == 0
    answer = first.json
    assert list(answer)[:15] == [
        "images", "cached", "extracted", "duplicates", "rejected", "ignored", "seconds",
        "startup_seconds", "images_per_second", "extractor", "width", "engine", "precision",
        "fingerprint", "cache",
    ]  # fmt: skip
    assert (answer["images"], answer["extracted"], answer["ignored"]) == (60, 60, 1)
    assert (answer["extractor"], answer["width"]) == ("random", 512)
    assert (answer["engine"], answer["precision"]) == ("openvino", "float32")
    assert answer["cache"] == str(cache)
    assert len(answer["fingerprint"]) == 64
    assert 0 < answer["startup_seconds"] < answer["seconds"]
    second = bottlebank("extract", photos, *options, "--json").json
    assert (second["cached"], second["extracted"], second["images_per_second"]) == (60, 0, None)
    words = bottlebank("extract", photos, *options)
    assert "60 images: 0 extracted, 60 cached, 0 duplicates, 0 rejected; 1 other" in words.out
    assert words.err == ""


def test_extract_with_another_fit(bottlebank, photos, options):
    squashed = bottlebank("extract", photos, *options, "--json").json
    assert squashed["bottleneck"] in ("disk", "decode", "network")
    cropped = bottlebank("extract", photos, *options, "--fit", "crop")
    assert "60 images: 60 extracted, 0 cached" in cropped.out
    assert re.search(r"images/s, bottleneck: (the disk|decoding|the network)\), ", cropped.out)
    again = bottlebank("extract", photos, *options, "--fit", "crop", "--json").json
    assert (again["cached"], again["bottleneck"]) == (60, None)
    assert again["fingerprint"] != squashed["fingerprint"]
    wrong = bottlebank("extract", photos, *options, "--fit", "stretch")
    assert wrong.code == 2
    assert "--fit: expected one of squash, crop, pad, received 'stretch'" in wrong.err


def test_bad_images_are_listed_and_strict_fails(bottlebank, photos, options):
    (photos / "disc" / "empty.png").write_bytes(b"")
    (photos / "disc" / "words.jpg").write_text("words")
    lenient = bottlebank("extract", photos, *options, "--json")
    assert lenient.code == 0
    assert lenient.json["rejected"] == 2
    assert {os.path.basename(entry["path"]) for entry in lenient.json["rejections"]} == {
        "empty.png",
        "words.jpg",
    }
    assert f"rejected {photos}/disc/empty.png: the file is empty (0 bytes)\n" in lenient.err
    assert "words.jpg: not an image in a format that is read here" in lenient.err
    assert bottlebank("extract", photos, *options, "--strict").code == 1


def test_train_counts_near_duplicates_and_judges_without_them(
    bottlebank, photos, options, tmp_path
):
    for kind in ("stripes", "checks", "disc"):
        for number in range(20):
            with Image.open(photos / kind / f"{number:02d}.png") as picture:
                picture.resize((60, 60)).save(photos / kind / f"{number:02d}-again.png")
    done = bottlebank("train", photos, "--output", tmp_path / "h.h5", *options, "--json").json
    left_out = sum(found["images"] for found in done["near_duplicates"].values())
    assert left_out > 10
    judged = sum(done[side]["images"] for side in ("train", "validation", "test") if done[side])
    assert judged == 120 - left_out
    words = bottlebank("train", photos, "--output", tmp_path / "h.h5", *options).out
    assert "show nearly the same as one of another split and are left out: accuracy" in words


@pytest.mark.parametrize("kind", ["logistic", "dense"])
def test_train(bottlebank, photos, options, tmp_path, kind):
    output = tmp_path / "new folder" / "head.h5"
    done = bottlebank("train", photos, "--output", output, "--head", kind, *options, "--json")
    assert done.code == 0
    answer = done.json
    assert list(answer)[:6] == ["head", "classes", "train", "validation", "test", "seconds"]
    assert answer["head"] == str(output)
    assert answer["classes"] == ["checks", "disc", "stripes"]
    assert answer["test"]["accuracy"] > 0.8
    left_out = sum(found["images"] for found in answer["near_duplicates"].values())
    judged = sum(answer[side]["images"] for side in ("train", "validation", "test"))
    assert judged + left_out == 60
    with h5py.File(output) as file:
        assert json.loads(file.attrs["head"])["kind"] == kind


def test_train_reports_sides_without_images(bottlebank, photos, options, tmp_path):
    for kind in ("stripes", "checks", "disc"):
        for side, numbers in (("train", range(15)), ("validation", range(15, 20))):
            folder = tmp_path / "declared" / side / kind
            folder.mkdir(parents=True)
            for number in numbers:
                shutil.copy(photos / kind / f"{number:02d}.png", folder)
    output = tmp_path / "head.h5"
    answer = bottlebank("train", tmp_path / "declared", "--output", output, *options, "--json").json
    assert answer["test"] is None
    assert (answer["train"]["images"], answer["validation"]["images"]) == (45, 15)


def test_evaluate(bottlebank, photos, cache, head, tmp_path):
    report = tmp_path / "report"
    done = bottlebank(
        "evaluate", photos, "--head", head, "--cache", cache, "--report", report, "--json"
    )
    assert done.code == 0
    answer = done.json
    assert list(answer)[:8] == [
        "split", "images", "accuracy", "precision_macro", "recall_macro", "f1_macro", "classes",
        "confusion_matrix",
    ]  # fmt: skip
    low, high = answer["intervals"]["accuracy"]
    assert low < answer["accuracy"] <= high
    assert [figures["label"] for figures in answer["per_class"]] == answer["classes"]
    assert 0 <= answer["unknown"] <= answer["images"]
    assert answer["split"] == "test"
    assert np.sum(answer["confusion_matrix"]) == answer["images"]
    assert json.loads((report / "evaluation.json").read_text()) == answer
    for name in ("confusion-matrix", "mistakes", "reliability", "learning-curve"):
        with Image.open(report / f"{name}.png") as picture:
            assert min(picture.size) > 100
    page = (report / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 6  # three pictures, light and dark
    assert "Would more images help?" in page
    assert not re.search(r"(src|srcset|href)=.(?!data:|file://)", page)  # nothing from outside
    everything = bottlebank("evaluate", photos, "--head", head, "--cache", cache, "--split", "all")
    assert everything.out.startswith("all: 60 images, accuracy 9")


def test_predict(bottlebank, photos, cache, head, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("words")
    arguments = ["predict", photos / "disc", bad, "--head", head, "--cache", cache]
    done = bottlebank(*arguments, "--json", "--top", 2)
    assert done.code == 0
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert len(answers) == 21
    assert [list(answer) for answer in answers] == [
        ["path", "predictions", "error", "unknown", "note"]
    ] * 21
    right = [answer["predictions"][0]["label"] == "disc" for answer in answers[:20]]
    assert np.mean(right) > 0.8
    assert all(len(answer["predictions"]) == 2 for answer in answers[:20])
    assert answers[20]["predictions"] == []
    assert "looks like text" in answers[20]["error"]
    assert bottlebank(*arguments, "--strict").code == 1
    assert bottlebank("predict", bad, "--head", head, "--cache", cache).code == 1  # all failed


def test_predict_reads_standard_input(bottlebank, photos, cache, head, monkeypatch):
    arguments = ["--head", head, "--cache", cache, "--json"]
    image = photos / "disc" / "00.png"
    expected = bottlebank("predict", image, *arguments).json

    def predict(data, *images):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        done = bottlebank("predict", *images, *arguments)
        return [json.loads(line) for line in done.out.splitlines()]

    assert predict(image.read_bytes(), "-") == [{**expected, "path": "-"}]
    assert [answer["path"] for answer in predict(image.read_bytes(), image, "-")] == [
        str(image),
        "-",
    ]
    assert predict(b"", "-")[0]["error"] == "the file is empty (0 bytes)"
    assert "looks like text" in predict(b"words", "-")[0]["error"]


def test_predict_names_a_folder_that_cannot_be_listed(bottlebank, photos, cache, head, monkeypatch):
    real, locked = os.scandir, str(photos / "disc")

    def scandir(path="."):
        if os.fspath(path) == locked:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    arguments = ["--head", head, "--cache", cache]
    done = bottlebank("predict", photos, *arguments, "--json")
    first, *answers = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, len(answers)) == (0, 40)
    assert (first["path"], first["predictions"]) == (locked, [])
    assert first["error"] == "the folder cannot be listed: Permission denied"
    assert bottlebank("predict", photos, *arguments, "--strict").code == 1
    done = bottlebank("predict", locked, *arguments)
    assert (done.code, done.out) == (1, "")
    assert f"{locked}: the folder cannot be listed: Permission denied" in done.err


def test_predict_says_what_is_of_no_class(bottlebank, photos, cache, options, tmp_path):
    head = tmp_path / "careful.h5"
    bottlebank("train", photos, "--output", head, "--coverage", 0.8, *options)
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    arguments = [tmp_path / "noise.png", photos / "disc", "--head", head, "--cache", cache]
    lines = bottlebank("predict", *arguments, "--json").out.splitlines()
    answers = [json.loads(line) for line in lines]
    assert answers[0]["unknown"]
    assert sum(answer["unknown"] for answer in answers[1:]) < 10
    assert (
        "noise.png: unknown: resembles none of the classes, or several (best guess "
        in bottlebank("predict", *arguments).out
    )


@pytest.mark.slow
def test_a_dense_head_reports_its_training(bottlebank, photos, options, cache, tmp_path):
    head = tmp_path / "dense.h5"
    trained = bottlebank(
        "train", photos, "--output", head, "--head", "dense", "--hidden", "32,16", *options
    )
    assert trained.code == 0
    with h5py.File(head) as file:
        assert (file["kernel_0"].shape, file["kernel_1"].shape) == ((512, 32), (32, 16))
    report = tmp_path / "r"
    done = bottlebank("evaluate", photos, "--head", head, "--cache", cache, "--report", report)
    assert done.code == 0
    assert (report / "training-curves.png").exists()
    assert "The loss on held-out images was lowest in epoch" in (report / "report.html").read_text()


def test_compare(bottlebank, photos, options):
    settings = ["--heads", "knn,logistic", "--extractors", "random", "--folds", 3, *options[2:]]
    answer = bottlebank("compare", photos, *settings, "--json").json
    assert list(answer) == [
        "images",
        "folds",
        "candidates",
        "views",
        "view_rule",
        "seconds",
        "left_out",
    ]
    assert answer["images"] + answer["left_out"]["test"] == 60
    assert {candidate["head"] for candidate in answer["candidates"]} == {"knn", "logistic"}
    best = answer["candidates"][0]
    assert best["p_value"] is None
    assert best["interval"][0] < best["accuracy"] <= best["interval"][1]
    words = bottlebank("compare", photos, *settings)
    assert re.search(r"random +(knn|logistic) +\d+\.\d % .* the best", words.out)
    table = words.out.splitlines()[1:4]
    assert len({len(line) for line in table}) == 1, table
    assert table[0].index("against the best") == table[1].index("the best")
    wrong = bottlebank("compare", photos, "--heads", "logistic,svm", *options[2:])
    assert wrong.code == 2
    assert f"expected some of {', '.join(HEADS)}, received 'svm'" in wrong.err


def test_predict_answers_names_that_are_not_utf8_in_ascii(bottlebank, photos, cache, head):
    raw = os.fsencode(photos) + b"/disc/\xff.png"
    shutil.copy(os.fsencode(photos) + b"/disc/00.png", raw)
    done = bottlebank("predict", os.fsdecode(raw), "--head", head, "--cache", cache, "--json")
    assert done.out.isascii()
    assert os.fsencode(done.json["path"]) == raw


@pytest.mark.parametrize(("method", "ending"), [("pca", "png"), ("tsne", "svg")])
def test_plot(bottlebank, photos, options, tmp_path, method, ending):
    output = tmp_path / f"map.{ending}"
    done = bottlebank("plot", photos, "--output", output, "--method", method, *options)
    assert done.code == 0
    assert f"wrote {output}: 60 images" in done.out
    if ending == "svg":
        text = output.read_text()
        assert "disc (20)" in text
        assert "photos (random)" in text
    else:
        with Image.open(output) as picture:
            assert min(picture.size) > 500


def test_plot_of_one_image_draws_its_transfer_values(bottlebank, photos, options, tmp_path):
    output = tmp_path / "values.svg"
    done = bottlebank("plot", photos / "disc" / "00.png", "--output", output, *options, "--json")
    assert done.code == 0
    assert done.json["images"] == 1
    assert "512 transfer values of random" in output.read_text()


def test_cache_info_verify_export(bottlebank, photos, options, cache, tmp_path):
    (photos / "disc" / "bad.jpg").write_text("words")
    bottlebank("extract", photos, *options)
    info = bottlebank("cache", "info", "--cache", cache, "--json").json
    (entry,) = info["recipes"]
    assert (entry["rows"], entry["shards"], len(entry["rejected"])) == (60, 1, 1)
    words = bottlebank("cache", "info", "--cache", cache).out
    assert "float32: 60 rows" in words
    assert "bad.jpg: not an image" in words

    assert bottlebank("cache", "verify", "--cache", cache, "--json").json["damaged"] == []
    output = tmp_path / "features.h5"
    exported = bottlebank("cache", "export", output, "--cache", cache, "--data", photos, "--json")
    assert (exported.code, exported.json["rows"], exported.json["missing"]) == (0, 60, 1)
    assert "bad.jpg" in exported.err
    with h5py.File(output) as file:
        assert file["features"].shape == (60, 512)

    (shard,) = cache.glob("*/float32/*.h5")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    damaged = bottlebank("cache", "verify", "--cache", cache)
    assert damaged.code == 1
    assert shard.name in damaged.out
    assert "1 shard checked, 1 damaged" in damaged.out


def test_cache_prune_import_and_deep_verify(bottlebank, photos, options, cache, tmp_path):
    bottlebank("extract", photos, *options)
    image = photos / "disc" / "00.png"
    status, data = image.stat(), bytearray(image.read_bytes())
    data[-1] ^= 1
    before = hashlib.sha256(image.read_bytes()).digest()
    image.write_bytes(data)  # the same size and inode, and times as if nothing had happened
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    with CacheFolder(cache) as folder:
        folder.remember_files([(str(image), Stamp.of(image.stat()), before)])
    assert bottlebank("cache", "verify", "--cache", cache).code == 0
    deep = bottlebank("cache", "verify", "--deep", "--cache", cache, "--json")
    assert deep.code == 1
    assert [entry["path"] for entry in deep.json["changed"]] == [str(image)]
    assert bottlebank("extract", photos, *options, "--json").json["cached"] == 59

    brought = bottlebank("cache", "import", cache, "--cache", tmp_path / "copy", "--json")
    assert (brought.code, brought.json["shards"]) == (0, 2)
    (photos / "disc" / "01.png").unlink()
    kept = bottlebank("cache", "prune", "--cache", tmp_path / "copy", "--yes")
    assert "kept: 1 row, 0 rejections, whose images are not found" in kept.out
    again = bottlebank("cache", "prune", "--cache", tmp_path / "copy").out
    assert again.endswith("their folder is not there or was replaced\nnothing to prune\n")
    (entry,) = bottlebank("cache", "prune", "--cache", tmp_path / "copy", "--json").json["recipes"]
    assert (entry["rows_removed"], entry["rows_kept"], entry["rejections_kept"]) == (0, 1, 0)
    looked = bottlebank("cache", "prune", "--cache", cache)
    assert "would be removed: 1 row, 0 rejections" in looked.out
    assert "add --yes to do this" in looked.out
    done = bottlebank("cache", "prune", "--cache", cache, "--yes", "--json").json
    assert done["done"] is True
    assert done["recipes"][0]["rows_removed"] == 1
    assert bottlebank("cache", "prune", "--cache", cache).out == "nothing to prune\n"
    assert "name it with --fingerprint" in bottlebank("cache", "prune", "--whole").err
    missing = bottlebank("cache", "import", tmp_path / "nowhere")
    assert (missing.code, "no such folder or file" in missing.err) == (2, True)


def test_cache_info_of_an_empty_cache(bottlebank, tmp_path):
    assert "fill it with `bottlebank extract DATA`" in bottlebank("cache", "info").out
    assert bottlebank("cache", "export", tmp_path / "f.h5").code == 2


def test_extractors(bottlebank, tmp_path):
    answer = bottlebank("extractors", "--json").json["extractors"]
    lite = next(each for each in answer if each["name"] == "efficientnet_lite0")
    assert lite == {
        "name": "efficientnet_lite0", "input_size_px": 224, "width": 1280, "weights_mb": 19,
        "licence": "Apache-2.0", "state": "here", "images_per_second": None,
    }  # fmt: skip
    lines = bottlebank("extractors").out.splitlines()
    assert len(lines) == 1 + len(answer) + 2
    assert lines[1].split() == ["inception_v3", "299", "px", "2,048", "87", "MB", "download"]


def test_the_layers_of_a_network_are_listed(bottlebank):
    first, head, *rows, _ = bottlebank("extractors", "mobilenet_v2").out.splitlines()
    assert first.endswith("MobileNetV2; pictures of 224 px; RGB * (0.007843) + (-1)")
    assert head.split() == ["layer", "kind", "for", "one", "image", "pooling"]
    at = head.index("pooling")
    assert {row[at - 2 : at] for row in rows} == {"  "}
    assert {row[at:] for row in rows} == {"mean over height and width", "none"}
    lite = bottlebank("extractors", "efficientnet_lite0").out.splitlines()
    assert lite[2].split() == ["*", "(the", "only", "one)", "1280", "global", "average"]
    answer = bottlebank("extractors", "efficientnet_lite0", "--json").json
    assert (answer["input_size_px"], answer["size_is_assumed"]) == (224, False)


def test_demo(bottlebank, tmp_path, monkeypatch):
    """On a tenth of the digits, with one map: the whole is `make demo`."""
    from bottlebank.datasets import digits
    from bottlebank.reports import demo

    own = tmp_path / "a person's own cache"
    monkeypatch.setenv("BOTTLEBANK_CACHE", str(own))
    few = Bunch(**{name: digits.load_digits()[name][:180] for name in ("images", "target")})
    monkeypatch.setattr(digits, "load_digits", lambda: few)
    monkeypatch.setattr(demo, "METHODS", ["pca"])
    output = tmp_path / "demo"
    first = bottlebank("demo", "--output", output, "--json")
    assert first.code == 0
    assert "with efficientnet_lite0" in first.err
    answer = first.json
    assert answer["extracted"] == 180
    assert answer["extractor"] == "efficientnet_lite0"
    assert answer["trained_weights"] is True
    assert answer["test"]["accuracy"] > 0.7
    for path in [*answer["maps"], answer["confusion_matrix"], answer["transfer_values"]]:
        with Image.open(path) as picture:
            assert len(picture.convert("L").getcolors(256)) > 20  # something is drawn
    strangers = [Path(each["path"]).relative_to(output) for each in answer["strangers"]]
    assert {path.parent.name for path in strangers} == {"strangers"}
    assert [path.name for path in strangers] == [
        *("temple.jpg", "flower.jpg", "noise.png", "chart.png")
    ]
    assert answer["serve"] == f"bottlebank serve --head {output}/head.h5 --cache {output}/cache"
    monkeypatch.setattr(demo, "write_report", lambda folder, *_: [folder / "report.html"])
    again = bottlebank("demo", "--output", output)
    assert "180 images, 180 cached, 0 extracted" in again.out
    assert re.search(r"\n +a photograph of a temple +\w+", again.out)
    assert answer["serve"] in again.out
    assert "bottlebank train photos/ --output head.h5 --extractor efficientnet_lite0" in again.out
    assert not own.exists()


@pytest.mark.slow
def test_the_whole_demo(tmp_path):
    """What a person sees: real features, without TensorFlow, and signs of life."""
    code = (
        "import sys; from bottlebank.cli import main; code = main(sys.argv[1:])\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules]); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "demo", "--output", str(tmp_path / "demo")]
    longest_s, lines, before = 0.0, [], time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        for line in demo.stdout:
            longest_s, before = max(longest_s, time.monotonic() - before), time.monotonic()
            lines.append(line)
    assert demo.returncode == 0
    assert lines[-1] == "[]\n", "no step needs TensorFlow"
    [accuracy] = re.findall(r"evaluate: accuracy ([\d.]+) %", "".join(lines))
    assert float(accuracy) >= 93
    assert longest_s < 6  # 2, but for a machine that others keep busy


def test_serve_and_predict_agree(bottlebank, photos, cache, head):
    """The same photograph through curl's multipart and through `bottlebank predict`."""
    image = photos / "disc" / "03.png"
    command = [sys.executable, "-m", "bottlebank", "serve", "--head", str(head)]
    command += ["--cache", str(cache), "--port", "0", "--precision", "float32"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = re.search(r"at (http://127\.0\.0\.1:\d+/)", server.stdout.readline())[1]
            body = (
                b'--cut\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n'
                b"Content-Type: image/png\r\n\r\n" + image.read_bytes() + b"\r\n--cut--\r\n"
            )
            request = urllib.request.Request(
                f"{url}predict",
                body,
                {"Content-Type": "multipart/form-data; boundary=cut"},
            )
            with urllib.request.urlopen(request, timeout=20) as response:
                served = json.load(response)
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) == 0
    arguments = ["--head", head, "--cache", cache, "--precision", "float32", "--json"]
    said = bottlebank("predict", image, *arguments).json
    best = said["predictions"][0]
    assert served["predictions"][0]["label"] == best["label"]
    assert served["predictions"][0]["probability"] == pytest.approx(best["probability"], abs=1e-4)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_a_stopped_extraction_keeps_what_it_has(photos, options, cache, bottlebank, number):
    """A signal in the middle of a real run: one line, and the next run goes on."""
    script = (
        "import sys, time\n"
        "from bottlebank.extraction.ledger import Ledger\n"
        "real = Ledger.keep\n"
        "def keep(self, images):\n"
        "    real(self, images)\n"
        "    print(len(self.extracted), flush=True)\n"
        "    time.sleep(0.02)\n"
        "Ledger.keep = keep\n"
        "from bottlebank.cli import main\n"
        "sys.exit(main())\n"
    )
    command = [sys.executable, "-c", script, "extract", str(photos), *map(str, options)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def listen():  # what a shell starts in the background ignores Ctrl-C, and its children too
        signal.signal(number, signal.SIG_DFL)

    with subprocess.Popen(command, **pipes, preexec_fn=listen) as process:
        first = process.stdout.readline()
        assert 0 < int(first) < 60
        process.send_signal(number)
        said, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complaint == (
        "bottlebank: interrupted; what was committed is kept: run the command again to continue\n"
    )
    n_kept = int((first + said).split()[-1])
    answer = bottlebank("extract", photos, *options, "--json").json
    assert n_kept <= answer["cached"] <= n_kept + 32, "a batch may be kept and not told"
    assert answer["cached"] + answer["extracted"] == 60


def test_options_that_say_how_data_is_read(bottlebank, photos, options, tmp_path):
    """On every command that takes DATA, `cache export --data` included."""
    ids = [path.relative_to(photos).with_suffix("") for path in sorted(photos.rglob("*.png"))]
    listed = tmp_path / "listed.csv"
    listed.write_text("nr;dx\n" + "".join(f"{name};{name.parent}\n" for name in ids))
    reading = ["--path-column", "nr", "--label-column", "dx", "--image-root", photos]
    assert bottlebank("extract", listed, *options, *reading, "--json").json["extracted"] == 60
    head = tmp_path / "h.h5"
    trained = bottlebank("train", listed, *options, *reading, "--output", head, "--json").json
    assert trained["classes"] == ["checks", "disc", "stripes"]
    for command in (
        ["evaluate", listed, "--head", head, *options[-2:], "--split", "all"],
        ["compare", listed, "--extractors", "random", *options[2:], "--heads", "knn"],
        ["plot", listed, "--output", tmp_path / "map.png", *options],
        ["cache", "export", tmp_path / "rows.h5", *options[-2:], "--data", listed],
    ):
        assert bottlebank(*command, *reading, "--json").code == 0
        assert bottlebank(*command, "--json").code == 2


def test_what_was_passed_over_is_named(bottlebank, photos, options):
    for name in ("a.txt", "b.txt", "c.json", "LICENSE"):
        (photos / name).touch()
    done = bottlebank("extract", photos, *options)
    assert "4 other files ignored: .txt (2), .json (1), no extension (1)" in done.out
    kinds = bottlebank("extract", photos, *options, "--json").json["ignored_kinds"]
    assert kinds == {".txt": 2, ".json": 1, "no extension": 1}


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_predictions_are_written_to_a_file(bottlebank, photos, cache, head, tmp_path, ending):
    odd = tmp_path / "odd"
    odd.mkdir()
    names = [
        "=cmd.png",
        "a,b.png",
        'say "x".png',
        "line\nbreak.png",
        "été.png",
        os.fsdecode(b"\xff.png"),
    ]
    for name in names:
        shutil.copy(photos / "disc" / "00.png", odd / name)
    (odd / "bad.png").write_text("words")
    output = tmp_path / f"predictions{ending}"
    done = bottlebank(
        "predict", odd, "--head", head, "--cache", cache, "--output", output, "--top", 2
    )
    assert done.code == 0
    assert done.out.endswith("7 images, 0 unknown, 1 failed\n")
    text = output.read_text(encoding="utf-8")
    if ending == ".jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
        assert {row["path"] for row in rows} == {str(odd / name) for name in [*names, "bad.png"]}
        assert sum(row["error"] is None for row in rows) == 6
    else:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert list(rows[0]) == [
            "path", "label", "probability", "unknown", "label_2", "probability_2", "error"
        ]  # fmt: skip
        assert {row["path"] for row in rows} >= {str(odd / name) for name in names[:5]}
        assert [row["error"] for row in rows if not row["label"]] != [""]
    again = bottlebank(
        "predict", odd, "--head", head, "--cache", cache, "--output", output, "--json"
    )
    assert again.json == {"output": str(output), "images": 7, "unknown": 0, "failed": 1}
    refused = bottlebank("predict", odd, "--head", head, "--output", tmp_path / "x.txt")
    assert refused.code == 2
    (tmp_path / f"mine{ending}").write_text("a,b\n1,2\n")
    refused = bottlebank("predict", odd, "--head", head, "--output", tmp_path / f"mine{ending}")
    assert refused.code == 2
    assert "is not overwritten" in refused.err


@pytest.mark.parametrize(
    ("make", "is_suggested"),
    [
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000)), False),  # an export
        (lambda path: path.write_text("words"), False),
        (lambda path: path.mkdir(), False),
        (lambda path: os.mkfifo(path), False),
        (lambda path: path.touch(), True),
        (lambda path: None, True),
    ],
)
def test_an_output_that_is_suggested_is_one_that_is_not_refused(
    bottlebank, photos, tmp_path, make, is_suggested
):
    path = tmp_path / "it.h5"
    make(path)
    done = bottlebank("predict", photos / "disc" / "00.png", "--head", path)
    assert done.code == 1
    assert (f"--output {path}`" in done.err) == is_suggested
    if is_suggested:
        require_output(str(path), HEAD)


def test_a_head_that_is_a_photograph_is_not_to_be_overwritten(bottlebank, photos, tmp_path):
    image = photos / "disc" / "00.png"
    done = bottlebank("predict", image, "--head", image)
    assert done.code == 1
    assert f"--output {image}" not in done.err
    assert "name a head file; `bottlebank train DATA --output NEW.h5` makes one" in done.err


def test_plot_kinds_of_a_dataset_and_two_images(bottlebank, photos, options, tmp_path):
    samples = bottlebank("plot", photos, "--kind", "samples", "-o", tmp_path / "s.svg", "--json")
    assert samples.code == 0
    assert samples.json["images"] == 60
    assert "disc (20)" in (tmp_path / "s.svg").read_text()
    units = bottlebank("plot", photos, "--kind", "units", "-o", tmp_path / "u.svg", *options)
    assert "of the 512 units of random" in units.out
    one, other = photos / "disc" / "00.png", photos / "checks" / "01.png"
    pair = bottlebank(
        *("plot", one, "--beside", other, "-o", tmp_path / "p.svg", "--theme", "dark"), *options
    )
    assert "cosine similarity" in pair.out
    text = (tmp_path / "p.svg").read_text()
    assert "second less first" in text
    assert "#1b211e" in text
    for more, why in (
        ([photos, "--beside", one], "--beside is for an image as DATA"),
        ([one, "--kind", "balance"], "--kind balance is for a dataset"),
        ([photos, "--color", "split", "--head", one], "a head predicts, and the map is coloured"),
    ):
        refused = bottlebank("plot", *more, "-o", tmp_path / "x.png", *options)
        assert (refused.code, refused.out) == (2, "")
        assert why in refused.err

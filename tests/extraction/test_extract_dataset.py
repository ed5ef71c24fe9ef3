import contextlib
import io
import os
import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import bottlebank as bb
from bottlebank.cache import CacheFolder, Key, Stamp, content_of_bytes
from bottlebank.cache import index as index_module
from bottlebank.errors import (
    CacheLockedError,
    EngineError,
    UsageError,
    WeightsNotFoundError,
)
from bottlebank.extraction import careful_worker, network
from bottlebank.extraction import extract_dataset as extraction
from bottlebank.extraction import run as run_module
from bottlebank.extraction.groups import Group
from bottlebank.extraction.image_files import HashedFile, Pixels
from bottlebank.extraction.ledger import Ledger
from bottlebank.extraction.maintenance import import_from
from bottlebank.extraction.worker import Worker
from bottlebank.features import Extractor
from bottlebank.features.backbones.keras import applications
from bottlebank.features.images.fit import Preprocessing, decode_and_resize


def extract(data, cache, **settings):
    settings = {"engine": "openvino", "precision": "float32", **settings}
    return bb.extract(bb.load_dataset(data), "random", cache=cache, **settings)


def counts(table) -> dict[str, int]:
    report = table.report
    names = ("images", "cached", "extracted", "duplicates", "rejected", "ignored")
    found = {name: getattr(report, name) for name in names}
    assert report.images == report.cached + report.extracted + report.duplicates + report.rejected
    return found


def test_the_first_run_extracts_and_the_second_does_not_even_read(photos, cache, monkeypatch):
    first = extract(photos, cache)
    assert counts(first) == {
        "images": 60, "cached": 0, "extracted": 60, "duplicates": 0, "rejected": 0, "ignored": 0,
    }  # fmt: skip
    assert first.features.shape == (60, 512)
    assert first.features.dtype == np.float32
    assert first.report.images_per_second > 0

    def refuse(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(careful_worker, "read", refuse)
    monkeypatch.setattr(Worker, "start", refuse)
    second = extract(photos, cache)
    assert counts(second)["cached"] == 60
    assert counts(second)["extracted"] == 0
    assert second.report.images_per_second is None
    assert np.array_equal(second.features, first.features)
    assert list(second.paths) == list(first.paths)


def test_rows_belong_to_their_images(photos, cache):
    """Each row is what the extractor says of that file alone."""
    from bottlebank.features import ExtractorSpec, open_extractor, recipe_for

    table = extract(photos, cache, commit_every=7)
    recipe, found = recipe_for(ExtractorSpec("random"))
    extractor = open_extractor(
        recipe, lambda: found, precisions=["float32"], networks=cache / "networks"
    )
    for position in (0, 13, 31, 59):
        with open(table.paths[position], "rb") as file:
            pixels = decode_and_resize(file.read(), Preprocessing((64, 64))).pixels
        alone = extractor.transfer_values(pixels[None])[0]
        np.testing.assert_allclose(table.features[position], alone, rtol=1e-5, atol=1e-6)
        assert table.labels[position] in table.paths[position]


def test_moved_and_renamed_images_cost_nothing(photos, cache, tmp_path, monkeypatch):
    first = extract(photos, cache)
    moved = tmp_path / "elsewhere"
    shutil.copytree(photos, moved)
    os.rename(moved / "disc" / "03.png", moved / "disc" / "another name.png")
    monkeypatch.setattr(network, "open_extractor", None)  # would fail if it were started
    second = extract(moved, cache)
    assert counts(second)["cached"] == 60
    assert sorted(second.keys) == sorted(first.keys)


def test_one_changed_byte_costs_one_extraction(photos, cache):
    extract(photos, cache)
    path = photos / "disc" / "05.png"
    Image.open(path).point(lambda value: 255 - value).save(path)
    again = extract(photos, cache)
    assert (counts(again)["cached"], counts(again)["extracted"]) == (59, 1)


def test_equal_bytes_share_a_row_and_are_counted(photos, cache):
    shutil.copy(photos / "disc" / "00.png", photos / "disc" / "copy.png")
    shutil.copy(photos / "disc" / "00.png", photos / "checks" / "copy.png")
    table = extract(photos, cache)
    assert (counts(table)["extracted"], counts(table)["duplicates"]) == (60, 2)
    assert len(table) == 62
    by_path = dict(zip(table.paths, table.features, strict=True))
    assert np.array_equal(
        by_path[str(photos / "disc" / "copy.png")], by_path[str(photos / "checks" / "copy.png")]
    )
    again = extract(photos, cache)
    assert (counts(again)["cached"], counts(again)["duplicates"]) == (60, 2)


@pytest.fixture
def bad_photos(photos):
    """Three files that are not images, in a folder of good ones."""
    good = (photos / "disc" / "00.png").read_bytes()
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    (photos / "disc" / "torn.jpg").write_bytes(buffer.getvalue()[:1500])
    (photos / "disc" / "empty.png").write_bytes(b"")
    (photos / "disc" / "words.jpg").write_text("this is a letter, not a photograph\n")
    (photos / "disc" / "notes.txt").write_bytes(good)
    return photos


def test_bad_images_are_rejected_with_their_reason_and_remembered(bad_photos, cache, monkeypatch):
    table = extract(bad_photos, cache)
    assert counts(table) == {
        "images": 63, "cached": 0, "extracted": 60, "duplicates": 0, "rejected": 3, "ignored": 1,
    }  # fmt: skip
    reasons = {os.path.basename(path): reason for path, reason in table.rejected}
    assert "truncated" in reasons["torn.jpg"]
    assert "empty" in reasons["empty.png"]
    assert "looks like text" in reasons["words.jpg"]
    assert table.features.any(axis=1).all()  # no row of zeros

    monkeypatch.setattr(Worker, "start", None)  # would fail if one were decoded again
    again = extract(bad_photos, cache)
    assert counts(again) == {**counts(table), "cached": 60, "extracted": 0}
    assert again.rejected == table.rejected


def test_only_bad_images(tmp_path, cache):
    (tmp_path / "d" / "a").mkdir(parents=True)
    (tmp_path / "d" / "a" / "x.jpg").write_bytes(b"no")
    table = extract(tmp_path / "d", cache)
    assert (counts(table)["rejected"], len(table)) == (1, 0)
    assert table.features.shape == (0, 512)


def test_a_mended_image_is_tried_again(bad_photos, cache):
    extract(bad_photos, cache)
    Image.new("RGB", (9, 9), "red").save(bad_photos / "disc" / "empty.png")
    again = extract(bad_photos, cache)
    assert (counts(again)["extracted"], counts(again)["rejected"]) == (1, 2)


PROCESS = "it crashes the decoder: its process"
OF_THE_MACHINE = [
    "too little memory to decode it",
    f"{PROCESS} was killed (SIGKILL), most likely for want of memory",
    f"{PROCESS} did not answer within 40 s and was ended",
    f"{PROCESS} was killed by SIGSEGV",
    "decoding it took more than 10 s",
]


def test_what_another_run_or_machine_lacked_is_tried_again(photos, cache):
    """As other versions have kept it in shards, and as it comes with an import."""
    temporary = [
        *OF_THE_MACHINE,
        "300×300 pixels, more than the 9 in all that are read; --max-pixels raises the limit",
        "damaged or truncated: '>' not supported between instances of 'int' and 'NoneType'",
    ]
    lasting = ["the file is truncated or damaged", "the file is empty"]
    recipe = extract(photos, cache).recipe.as_dict()
    with CacheFolder(cache) as folder:
        (rows,) = folder.all()
        for path in (rows.folder / name for name in rows.shard_names()):
            path.unlink()
        with rows.writer(recipe) as writer:
            for number, reason in enumerate(temporary + lasting):
                image = photos / "disc" / f"{number:02d}.png"
                writer.reject(
                    bytes.fromhex(folder.sha256_of_file(image)), os.fsencode(image), reason
                )
    found = counts(extract(photos, cache))
    assert (found["extracted"], found["rejected"]) == (58, 2)
    with CacheFolder(cache) as folder:
        (rows,) = folder.all()
        assert [why for _, why in rows.rejections()] == lasting


@pytest.fixture
def decoding(monkeypatch):
    """What becomes of some images: ``decoding[content] = reason``; and how many are decoded."""
    real = Group.finish
    told = SimpleNamespace(reasons={}, n_decoded=0)

    def finish(self, reasons, brightest, pixels):
        told.n_decoded += len(reasons)
        data = [Path(self.files[position].path).read_bytes() for position in self.new]
        assert not any(reasons)
        reasons = [told.reasons.get(each, "") for each in data]
        return real(self, reasons, brightest, pixels[[not reason for reason in reasons]])

    monkeypatch.setattr(Group, "finish", finish)
    return told


@pytest.mark.parametrize(
    "reason",
    [
        *OF_THE_MACHINE[:2],
        *(pytest.param(reason, marks=pytest.mark.slow) for reason in OF_THE_MACHINE[2:]),
    ],
)
def test_what_this_machine_lacked_is_tried_again_when_asked_for_and_on_another_machine(
    photos, cache, tmp_path, decoding, monkeypatch, reason
):
    bad = photos / "disc" / "03.png"
    decoding.reasons[bad.read_bytes()] = reason
    first = extract(photos, cache)
    assert first.rejected == [(str(bad), reason)]
    decoding.n_decoded = 0
    assert extract(photos, cache).rejected == first.rejected
    assert decoding.n_decoded == 0
    assert extract(photos, cache, retry_rejected=True).rejected == first.rejected
    assert decoding.n_decoded == 1
    with CacheFolder(cache) as folder:
        (rows,) = folder.all()
        assert rows.rejections() == []  # which shards hold, and an import brings
        assert rows.failures() == [(os.fsencode(bad), reason)]
    shutil.copytree(cache, tmp_path / "copy")
    shutil.copytree(cache, tmp_path / "retried")
    decoding.reasons.clear()
    assert counts(extract(photos, cache))["rejected"] == 1
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "this_machine", lambda: b"another machine!")
        found = counts(extract(photos, tmp_path / "copy"))
        assert (found["extracted"], found["rejected"]) == (1, 0)
    found = counts(extract(photos, tmp_path / "retried", retry_rejected=True))
    assert (found["extracted"], found["rejected"]) == (1, 0)
    with CacheFolder(tmp_path / "retried") as folder:
        assert next(folder.all()).failures() == []


def test_an_import_brings_no_failure_of_another_machine(photos, cache, tmp_path, decoding):
    bad = photos / "disc" / "03.png"
    decoding.reasons[bad.read_bytes()] = "decoding it took more than 10 s"
    extract(photos, cache)
    decoding.reasons.clear()
    with CacheFolder(tmp_path / "mine", create=True) as folder:
        import_from(folder, cache)
    found = counts(extract(photos, tmp_path / "mine"))
    assert (found["cached"], found["extracted"], found["rejected"]) == (59, 1, 0)


def test_files_that_cannot_be_read_are_rejected_but_not_remembered(
    photos, cache, tmp_path, monkeypatch
):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os\n"
        "real = os.open\n"
        "def open_(path, *arguments, **settings):\n"
        "    if str(path).endswith('07.png'):\n"
        "        raise PermissionError(13, 'Permission denied')\n"
        "    return real(path, *arguments, **settings)\n"
        "os.open = open_\n"
    )
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path / "site"))
        table = extract(photos, cache)
    assert counts(table)["rejected"] == 3
    assert {reason for _, reason in table.rejected} == {"cannot be read: Permission denied"}
    assert counts(extract(photos, cache)) == {
        "images": 60, "cached": 57, "extracted": 3, "duplicates": 0, "rejected": 0, "ignored": 0,
    }  # fmt: skip


def test_folders_that_cannot_be_listed_count_as_rejected(photos, cache):
    from dataclasses import replace

    dataset = replace(bb.load_dataset(photos), unreadable=[("photos/x", "Permission denied")])
    table = bb.extract(dataset, "random", cache=cache, precision="float32")
    assert (counts(table)["images"], counts(table)["rejected"]) == (61, 1)
    assert table.rejected == [("photos/x", "Permission denied")]


def test_an_interrupted_run_is_resumed(photos, cache, monkeypatch):
    real = Ledger.keep
    kept = []

    def keep(self, images):
        if len(kept) == 2:
            raise KeyboardInterrupt
        kept.append(images)
        real(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "keep", keep)
        with pytest.raises(KeyboardInterrupt):
            extract(photos, cache)
    n_kept = sum(len(images.keys) for images in kept)
    table = extract(photos, cache)
    assert 0 < n_kept < 60
    assert (counts(table)["cached"], counts(table)["extracted"]) == (n_kept, 60 - n_kept)


def test_a_second_writer_is_told_and_a_reader_is_not_disturbed(photos, cache):
    extract(photos, cache)
    with CacheFolder(cache) as folder:
        store = next(folder.all())
        with store.writer({}):
            assert counts(extract(photos, cache))["cached"] == 60
            Image.new("RGB", (9, 9), "red").save(photos / "disc" / "new.png")
            with pytest.raises(CacheLockedError, match=f"process {os.getpid()}"):
                extract(photos, cache)


def test_auto_goes_on_with_the_variant_that_is_there(photos, cache):
    extract(photos, cache, precision="float32")
    again = extract(photos, cache, precision="auto", engine="auto")
    assert again.report.precision == "float32"
    assert counts(again)["cached"] == 60


def test_auto_starts_its_own_variant_and_says_so(photos, cache, monkeypatch, caplog):
    """A cache from a machine with bfloat16, continued on one without."""
    extract(photos, cache, precision="float32")
    with CacheFolder(cache) as folder:
        fingerprint = folder.fingerprints()[0]
    os.rename(cache / fingerprint / "float32", cache / fingerprint / "bfloat16")
    monkeypatch.setattr(extraction, "preferences", lambda engine: [(engine, "float32")])
    real = network.open_extractor

    def open_extractor(*arguments, precisions, **settings):
        if precisions == ["bfloat16"]:
            raise EngineError("this CPU does not compute in bfloat16")
        return real(*arguments, precisions=precisions, **settings)

    monkeypatch.setattr(network, "open_extractor", open_extractor)
    assert counts(extract(photos, cache, precision="auto"))["cached"] == 60  # nothing to compute
    Image.new("RGB", (9, 9), "red").save(photos / "disc" / "new.png")
    table = extract(photos, cache, precision="auto")
    assert table.report.precision == "float32"
    assert counts(table)["extracted"] == 61
    assert "all images are computed in float32: the cache's rows in bfloat16" in caplog.text


def test_half_precision_storage_is_a_variant_of_its_own(photos, cache):
    whole = extract(photos, cache)
    half = extract(photos, cache, store="float16")
    assert counts(half)["extracted"] == 60
    assert half.report.store == "float16"
    np.testing.assert_allclose(half.features, whole.features, rtol=2**-10, atol=1e-6)
    assert counts(extract(photos, cache, store="float16"))["cached"] == 60
    assert counts(extract(photos, cache, store="float32"))["cached"] == 60
    with pytest.raises(UsageError, match="unknown storage 'int8'"):
        extract(photos, cache, store="int8")


def test_auto_goes_on_with_the_storage_that_is_there(photos, cache):
    extract(photos, cache, store="float16")
    again = extract(photos, cache)
    assert (again.report.store, counts(again)["cached"]) == ("float16", 60)


def test_what_is_no_file_is_told_and_never_waited_for(photos, cache):
    folder = photos / "disc"
    os.mkfifo(folder / "pipe.jpg")
    os.symlink(folder, folder / "loop")
    os.symlink("self.jpg", folder / "self.jpg")
    os.symlink("gone.jpg", folder / "dangling.jpg")
    os.mkdir(folder / "folder.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.jpg"))
        table = extract(photos, cache)
    assert (counts(table)["extracted"], counts(table)["ignored"]) == (60, 3)
    told = {os.path.basename(path): reason for path, reason in table.rejected}
    assert told == {
        "self.jpg": "cannot be read: Too many levels of symbolic links",
        "dangling.jpg": "cannot be read: No such file or directory",
    }


def test_odd_names_survive(tmp_path, cache):
    root = tmp_path / "odd"
    raw = os.fsencode(root / "clé 🎩")
    os.makedirs(raw)
    for number, name in enumerate([b"new\nline.png", b"\xff\xfe.png", b"x" * 250 + b".png"]):
        with open(raw + b"/" + name, "wb") as file:
            Image.new("RGB", (9, 9), (number, 0, 0)).save(file, "PNG")
    table = extract(root, cache)
    assert counts(table)["extracted"] == 3
    assert raw + b"/\xff\xfe.png" in [os.fsencode(path) for path in table.paths]
    with CacheFolder(cache) as folder:
        assert raw + b"/new\nline.png" in next(folder.all()).paths().values()


def test_unknown_names_are_refused_before_any_work(photos, tmp_path):
    dataset = bb.load_dataset(photos)
    with pytest.raises(UsageError, match="unknown engine 'torch': expected auto"):
        bb.extract(dataset, "random", engine="torch", cache=tmp_path / "c")
    with pytest.raises(UsageError, match="unknown precision 'int8'"):
        bb.extract(dataset, "random", precision="int8", cache=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_without_weights_nothing_is_left_behind(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(applications, "_DOWNLOAD", "raise OSError('no network')")
    with pytest.raises(WeightsNotFoundError, match="no network"):
        bb.extract(bb.load_dataset(photos), "mobilenet_v2", cache=tmp_path / "c")
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["index.sqlite"]


def test_the_table_tells_about_itself(photos, cache):
    table = extract(photos, cache)
    assert repr(table) == "<FeatureTable 60 × 512 (random), 3 classes, 0 rejected>"
    assert "<td>stripes</td><td>20</td>" in table._repr_html_()


def test_an_image_that_kills_its_decoder_costs_one_image(photos, cache, tmp_path, monkeypatch):
    """Simulated: a decoder that crashes on what this file says of itself."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import ctypes\n"
        "import PIL.Image\n"
        "real = PIL.Image.open\n"
        "def open(file, *arguments, **settings):\n"
        "    if b'deadly' in file.getvalue():\n"
        "        ctypes.string_at(0)\n"
        "    return real(file, *arguments, **settings)\n"
        "PIL.Image.open = open\n"
    )
    good = (photos / "disc" / "00.png").read_bytes()
    (photos / "disc" / "00 deadly.png").write_bytes(good + b"deadly")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path / "site"))
        table = extract(photos, cache)
        assert (counts(table)["extracted"], counts(table)["rejected"]) == (60, 1)
        ((path, reason),) = table.rejected
        assert path.endswith("00 deadly.png")
        assert reason == "it crashes the decoder: its process was killed by SIGSEGV"
        monkeypatch.setattr(Worker, "start", None)  # would fail if it were tried again
        again = extract(photos, cache)
    assert again.rejected == table.rejected
    assert np.array_equal(again.features, table.features)


def test_what_holds_the_job_up_is_told(photos, cache, tmp_path, monkeypatch):
    assert extract(photos, cache).report.bottleneck in ("disk", "decode", "network")
    assert extract(photos, cache).report.bottleneck is None

    def transfer_values(self, images, real=Extractor.transfer_values):
        time.sleep(0.4)
        return real(self, images)

    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, time\n"
        "import PIL.Image\n"
        "def slow(owner, name):\n"
        "    real = getattr(owner, name)\n"
        "    def call(*arguments, **settings):\n"
        "        time.sleep(0.03)\n"
        "        return real(*arguments, **settings)\n"
        "    setattr(owner, name, call)\n"
        "slow(os, 'fstat') if os.environ['SLOW'] == 'disk' else slow(PIL.Image, 'open')\n"
    )
    for number, stage in enumerate(("disk", "decode", "network")):
        data = photos.parent / stage
        shutil.copytree(photos, data)
        for path in data.rglob("*.png"):  # new contents, the same pictures
            path.write_bytes(path.read_bytes() + bytes([number]))
        with monkeypatch.context() as patch:
            if stage == "network":
                patch.setattr(Extractor, "transfer_values", transfer_values)
            else:
                patch.setenv("PYTHONPATH", str(tmp_path / "site"))
                patch.setenv("SLOW", stage)
            assert extract(data, cache).report.bottleneck == stage


class ReadsHere(contextlib.AbstractContextManager):
    """A worker that reads, hashes and decodes where it is called, one file at a time."""

    def __init__(self, recipe, max_pixels, waiting, allowed, most_views):
        self._size_px = (recipe.input_size_px, recipe.input_size_px)

    def __exit__(self, *exception):
        pass

    def start(self):
        pass

    def pixels(self, files, n_files, is_known, new_views, begin):
        begin()
        for position, path, *_ in files:
            data, stamp = Path(path).read_bytes(), Stamp.of(os.stat(path))
            file = HashedFile(position, path, content_of_bytes(data), stamp, True)
            if new_views([file]) == [[0]]:
                pixels = decode_and_resize(data, Preprocessing(self._size_px)).pixels[np.newaxis]
                yield Pixels([Key(file.content)], [os.fsencode(path)], pixels, [None], [])


def test_where_files_are_read_is_known_to_the_worker_alone(photos, cache, tmp_path, monkeypatch):
    shutil.copy(photos / "disc" / "00.png", photos / "disc" / "copy.png")
    expected = extract(photos, cache)
    monkeypatch.setattr(run_module, "Workers", ReadsHere)
    found = extract(photos, tmp_path / "another")
    assert counts(found) == counts(expected)
    np.testing.assert_allclose(found.features, expected.features, rtol=1e-5, atol=1e-6)


def test_groups_of_batches_reach_an_engine_that_wants_more(photos, cache, monkeypatch):
    expected = extract(photos, cache).features
    for path in cache.glob("*/*/*.h5"):
        path.unlink()
    sizes = []
    real = Extractor.transfer_values

    def transfer_values(self, images):
        sizes.append(len(images))
        return real(self, images)

    monkeypatch.setattr(Extractor, "transfer_values", transfer_values)
    monkeypatch.setattr(Extractor, "batch_size", 32)
    found = extract(photos, cache)
    assert sorted(sizes) == [28, 32]
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-6)


def test_what_extract_takes(photos, cache):
    """A folder's name, a Path, a dataset, or a list of image files and folders."""
    settings = {"cache": cache, "precision": "float32"}
    for data in (str(photos), photos, bb.load_dataset(photos)):
        assert len(bb.extract(data, "random", **settings)) == 60
    table = bb.extract([photos / "disc" / "00.png", str(photos / "checks")], "random", **settings)
    assert (len(table), set(table.labels)) == (21, {""})
    for wrong in (7, [7], None):
        with pytest.raises(bb.BottlebankError, match="expected a Dataset, a folder, a CSV file"):
            bb.extract(wrong, "random", **settings)
    with pytest.raises(bb.BottlebankError, match="the list holds no images"):
        bb.extract([], "random", **settings)

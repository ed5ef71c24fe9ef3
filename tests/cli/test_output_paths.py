"""What is there already is replaced only by a file of its kind, and nothing is made too early."""

import resource
import shutil
from pathlib import Path

import h5py
import pytest
from PIL import Image

from bottlebank.classifier import load_head
from bottlebank.errors import HeadFileError, UsageError
from bottlebank.reports.output_paths import (
    EXPORT,
    HEAD,
    PICTURE,
    require_output,
    require_report_folder,
)

from .test_usage import one_line


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def foreign(tmp_path):
    """Files of others under the names that outputs have."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / "photo.png")
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n and what follows")
    (folder / "words.hdf5").write_text("words")
    Image.new("RGB", (9, 9)).save(folder / "photo.jpg")
    return folder


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("weights.h5", ["train", "DATA", "-o"], "exists and is not a head file, so it is not"),
        ("words.hdf5", ["train", "DATA", "-o"], "exists and is not a head file, so it is not"),
        ("photo.jpg", ["train", "DATA", "-o"], "expected a name that ends in .h5 or .hdf5"),
        ("photo.png", ["plot", "DATA", "-o"], "exists and is not a picture that bottlebank has dr"),
        ("drawing.svg", ["plot", "DATA", "-o"], "exists and is not a picture that bottlebank has"),
        ("photo.jpg", ["plot", "DATA", "-o"], "expected a name that ends in .png or .svg"),
        ("weights.h5", ["cache", "export"], "exists and is not an export of bottlebank"),
    ],
)
def test_files_of_others_are_not_overwritten(
    bottlebank, photos, foreign, name, arguments, complaint
):
    before = contents(foreign)
    typed = [photos if argument == "DATA" else argument for argument in arguments]
    done = bottlebank(*typed, foreign / name)
    assert done.code == 2
    assert complaint in one_line(done)
    assert str(foreign / name) in done.err
    assert contents(foreign) == before


def test_an_input_is_not_overwritten(bottlebank, photos, options, head, tmp_path):
    shutil.copy(head, tmp_path / "mine.h5")
    (tmp_path / "link.h5").symlink_to(tmp_path / "mine.h5")
    done = bottlebank(
        "train", photos, "--weights", tmp_path / "mine.h5", "-o", tmp_path / "link.h5"
    )
    assert done.code == 2
    assert "it is also the input" in one_line(done)


def test_a_labels_file_is_not_overwritten_by_the_map_that_it_corrects(
    bottlebank, photos, options, tmp_path
):
    file = tmp_path / "m.csv"
    file.write_text(f"key,path,label,split,x,y\r\n{'0' * 64},a,cat,,1,2\r\n")
    before = file.read_bytes()
    given = ["plot", photos, "--labels", file, *options, "--output", file]
    for more in (["--format", "csv"], ["--kind", "balance"], []):
        done = bottlebank(*given, *more)
        assert (done.code, done.out) == (2, "")
        assert file.read_bytes() == before
    assert "it is also the input" in one_line(bottlebank(*given, "--format", "csv"))
    audited = bottlebank("audit", photos, "--labels", file, *options, "--output", file)
    assert "it is also the input" in one_line(audited)


def test_what_bottlebank_wrote_is_replaced(bottlebank, photos, options, head, cache, tmp_path):
    for output in (tmp_path / "map.png", tmp_path / "map.svg"):
        for _ in range(2):
            assert bottlebank("plot", photos, "-o", output, *options).code == 0
    for _ in range(2):
        done = bottlebank("cache", "export", tmp_path / "rows.h5", "--cache", cache)
        assert done.code == 0, done.err
    assert bottlebank("train", photos, "-o", head, *options).code == 0
    (tmp_path / "empty.png").touch()
    assert bottlebank("plot", photos, "-o", tmp_path / "empty.png", *options).code == 0
    report = ["evaluate", photos, "--head", head, "--cache", cache, "--report", tmp_path / "r"]
    for _ in range(2):
        assert bottlebank(*report).code == 0
    (tmp_path / "r" / "mistakes.png").write_bytes((photos / "disc" / "00.png").read_bytes())
    done = bottlebank(*report)
    assert done.code == 2
    assert "mistakes.png exists and is not a picture that bottlebank has drawn" in one_line(done)


def test_a_head_is_no_export_and_an_export_no_head(head, tmp_path, bottlebank, cache):
    rows = tmp_path / "rows.h5"
    assert bottlebank("cache", "export", rows, "--cache", cache).code == 0
    with pytest.raises(UsageError, match=r"is not an export of bottlebank"):
        require_output(str(head), EXPORT)
    with pytest.raises(UsageError, match=r"is not a head file"):
        require_output(str(rows), HEAD)


def test_outputs_that_cannot_be_files(tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match=r"it is a folder; name a file in it"):
        require_output(str(tmp_path / "folder.png"), PICTURE)
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"it exists and is not a regular file"):
        require_output(str(tmp_path / "nowhere.png"), PICTURE)
    (tmp_path / "file").touch()
    for below in ("file/map.png", "file/deep/map.png"):
        with pytest.raises(UsageError, match=r"the folder \S+ cannot be made: "):
            require_output(str(tmp_path / below), PICTURE)


@pytest.mark.parametrize("where", ["report", "disc/report", "disc"])
def test_a_report_does_not_become_part_of_the_dataset(bottlebank, photos, head, cache, where):
    before = contents(photos)
    report = ["--report", photos / where]
    done = bottlebank("evaluate", photos, "--head", head, "--cache", cache, *report)
    assert done.code == 2
    assert "lies inside the dataset" in one_line(done)
    assert contents(photos) == before


def test_a_map_does_not_become_part_of_the_dataset(bottlebank, photos, options, monkeypatch):
    done = bottlebank("plot", photos, "-o", photos / "disc" / "map.png", *options)
    assert done.code == 2
    assert "lies inside the dataset" in one_line(done)
    monkeypatch.chdir(photos)
    assert bottlebank("plot", ".", "-o", "maps/map.png", *options).code == 2
    # Beside the folders of the classes it is not an image of the dataset.
    assert bottlebank("plot", ".", "-o", "map.png", *options).code == 0
    assert bottlebank("extract", ".", *options, "--json").json["images"] == 60


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "nowhere", "-o", "new/head.h5"],
        ["plot", "nowhere", "-o", "new/map.png"],
        ["evaluate", "nowhere", "--head", "gone.h5", "--report", "new"],
        ["cache", "export", "new/rows.h5", "--data", "nowhere"],
    ],
)
def test_a_command_that_fails_leaves_no_folder(bottlebank, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert bottlebank(*arguments).code != 0
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_an_earlier_version_is_replaced(bottlebank, photos, head, cache, tmp_path):
    folder = tmp_path / "r"
    report = ["evaluate", photos, "--head", head, "--cache", cache, "--report", folder]
    assert bottlebank(*report).code == 0
    page = (folder / "report.html").read_bytes()
    marked = b'  <meta name="generator" content="bottlebank">\n'
    assert page.count(marked) == 1
    (folder / "report.html").write_bytes(page.replace(marked, b""))
    many = ", ".join(f'"class {number}"' for number in range(1000))
    numbers = f'{{"split": "test", "images": 9, "accuracy": 0.5, "classes": [{many}]}}'
    (folder / "evaluation.json").write_text(numbers)
    require_report_folder(str(folder), str(photos))
    (folder / "evaluation.json").write_text('{"accuracy": 0.5, "confusion_matrix": []}')
    with pytest.raises(UsageError, match=r"is not an evaluation of bottlebank"):
        require_report_folder(str(folder), str(photos))
    (folder / "evaluation.json").unlink()
    (folder / "report.html").write_text("<!doctype html><html lang='en'><title>Mine</title>")
    with pytest.raises(UsageError, match=r"is not a report of bottlebank"):
        require_report_folder(str(folder), str(photos))


@pytest.mark.parametrize("left", [0.1, 0.5, 0.99])
def test_a_torn_head_is_replaced_and_data_of_others_is_not(head, tmp_path, left):
    whole = head.read_bytes()
    torn = tmp_path / "torn.h5"
    torn.write_bytes(whole[: int(len(whole) * left)])
    assert require_output(str(torn), HEAD) == torn
    with h5py.File(tmp_path / "data.h5", "w", libver="latest") as file:
        file["mean"], file["kernel"], file["bias"] = [1.0], [2.0], [3.0]
    with pytest.raises(UsageError, match=r"is not a head file"):
        require_output(str(tmp_path / "data.h5"), HEAD)


def test_only_what_tells_is_read_of_what_is_there(head, tmp_path, bottlebank, cache, monkeypatch):
    """Heads and exports may have many GB: which they are is read, their numbers are not."""
    rows = tmp_path / "rows.h5"
    assert bottlebank("cache", "export", rows, "--cache", cache).code == 0
    for path, kind, name in ((head, HEAD, "kernel_0"), (rows, EXPORT, "features")):
        with h5py.File(path) as file:
            offset, n_bytes = file[name].id.get_offset(), file[name].nbytes
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(b"\xff" * n_bytes)  # not a number: whoever reads them refuses
        assert require_output(str(path), kind) == path
    with pytest.raises(HeadFileError, match="not finite"):
        load_head(head)
    # As if names came later.
    monkeypatch.setattr("bottlebank.reports.output_paths._BEGINNING_BYTES", 8)
    assert require_output(str(head), HEAD) == head


@pytest.mark.parametrize("n_bytes", [1 << 20, 1 << 40])
def test_large_files_of_others_are_refused_at_once(tmp_path, n_bytes):
    for name in ("a.h5", "b.h5"):
        with (tmp_path / name).open("wb") as file:
            if name == "a.h5":
                file.write(b"\x89HDF\r\n\x1a\n")
            file.truncate(n_bytes)
        for kind in (HEAD, EXPORT):
            with pytest.raises(UsageError, match="so it is not overwritten"):
                require_output(str(tmp_path / name), kind)


@pytest.fixture
def small_files():
    """Files can have 8 kB at most in this process, as on a disk that is nearly full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_report_without_room_leaves_nothing(
    bottlebank, photos, head, cache, tmp_path, small_files
):
    there, new = tmp_path / "there", tmp_path / "deep" / "new"
    there.mkdir()
    before = contents(tmp_path)
    for report in (there, new):
        place = ["--head", head, "--cache", cache, "--split", "test", "--report", report]
        done = bottlebank("evaluate", photos, *place)
        assert done.code == 1
        assert f"{report} cannot be written: File too large" in one_line(done)
    assert contents(tmp_path) == before
    assert not new.parent.exists()


def test_a_folder_that_cannot_be_made_is_named(
    bottlebank, photos, options, head, cache, monkeypatch
):
    """By root, too, who may write anywhere as far as permissions tell."""
    if not Path("/proc/self").exists():
        pytest.skip("this system has no /proc")
    monkeypatch.setenv("BOTTLEBANK_CACHE", str(cache))
    image = photos / "disc" / "00.png"
    for command in (
        ["evaluate", photos, "--head", head, "--report", "/proc/new"],
        ["train", photos, "--output", "/proc/new/head.h5", *options],
        ["plot", image, "--output", "/proc/new/values.png", *options],
        ["predict", image, "--head", head, "--output", "/proc/new/answers.csv"],
        ["cache", "export", "/proc/new/rows.h5", "--cache", cache],
        ["demo", "--output", "/proc/new", "--extractor", "random"],
    ):
        done = bottlebank(*command)
        assert done.code != 0
        last = done.err.strip().splitlines()[-1]
        assert last.startswith("bottlebank: ")
        assert "/proc/new" in last
        assert "cannot be" in last
        assert "unexpected" not in last


def test_a_report_is_not_put_among_the_folders_of_the_dataset(bottlebank, photos, head, cache):
    before = contents(photos)
    for where in ("", ".", "disc/.."):
        place = ["--head", head, "--cache", cache, "--report", f"{photos}/{where}"]
        done = bottlebank("evaluate", photos, *place)
        assert done.code == 2
        assert "is the dataset itself" in one_line(done)
    assert contents(photos) == before

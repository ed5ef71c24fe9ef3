"""What a plan of parts holds, and what it makes of what was remembered."""

import gc
import os
import tarfile
import time
import weakref
from io import BytesIO
from types import SimpleNamespace

import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.datasets.parts import Part, Parts, lists, part, parts_of
from bottlebank.extraction.image_files import UnreadableFile
from bottlebank.extraction.in_parts import extract_in_parts
from bottlebank.extraction.parts.memory import IndexMemory
from bottlebank.extraction.parts.plan import PlanInParts

from ...conftest import picture

SETTINGS = {"extractor": "random", "engine": "openvino", "precision": "float32"}


class Named(Part):
    def __init__(self, name):
        self.name = name

    def files(self):
        return iter([(self.name, None)])


class NamedParts(Parts):
    def __iter__(self):
        return map(Named, ("first", "second", "third"))


def test_a_part_whose_images_are_done_is_let_go(monkeypatch):
    """Also while one before it is not, as what is rejected is in their order."""
    made = []
    init = Named.__init__

    def note(each, name):
        init(each, name)
        made.append(weakref.ref(each))

    monkeypatch.setattr(Named, "__init__", note)
    folder = SimpleNamespace(
        known_contents=lambda files: [None] * len(files), remember_folders=lambda paths: None
    )
    plan = PlanInParts(NamedParts("here", 3), folder, SimpleNamespace())
    files = plan.files()
    first, second, third = next(files), next(files), next(files)
    plan.new_views([UnreadableFile(second.position, "gone")])
    gc.collect()
    assert [each() is not None for each in made] == [True, False, True]
    assert list(plan.rejected) == []
    plan.new_views([UnreadableFile(each.position, "gone") for each in (third, first)])
    assert next(files, None) is None
    assert [path for path, _ in plan.rejected] == ["first", "second", "third"]


@pytest.fixture
def folder(tmp_path, photos):
    """A folder with an archive of pictures and one that is none, and a list of both."""
    import pyarrow
    import pyarrow.parquet

    pictures = [file.read_bytes() for file in sorted(photos.rglob("*.png"))[:4]]
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for at, data in enumerate([*pictures, b"broken"]):
            member = tarfile.TarInfo(f"a/{at}.png")
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    table = pyarrow.table({"path": [f"x.tar/a/{at}.png" for at in range(5)], "label": ["a"] * 5})
    pyarrow.parquet.write_table(table, tmp_path / "list.parquet")
    time.sleep(0.03)
    return tmp_path


@pytest.fixture
def extract(cache, monkeypatch):
    monkeypatch.setattr(lists, "_SETTLED_NS", 20_000_000)
    return lambda data: extract_in_parts(data, {}, cache=cache, **SETTINGS)


@pytest.fixture
def recalled(monkeypatch):
    """How many parts were known."""
    found = []
    recall = IndexMemory.recall

    def counted(memory, place):
        remembered = recall(memory, place)
        if remembered is not None and place.start != part.WHOLE:
            found.append(place)
        return remembered

    monkeypatch.setattr(IndexMemory, "recall", counted)
    return found


@pytest.mark.parametrize("name", ["x.tar", "list.parquet"])
def test_rejected_images_are_named_from_where_one_is(folder, extract, monkeypatch, recalled, name):
    monkeypatch.chdir(folder)
    [(path, reason)] = extract(name).rejected
    assert path.removeprefix("./") == "x.tar/a/4.png"
    (folder / "two").mkdir()
    monkeypatch.chdir(folder / "two")
    assert list(extract(f"../{name}").rejected) == [("../x.tar/a/4.png", reason)]
    [(path, _)] = extract(folder / name).rejected
    assert os.path.abspath(path) == f"{folder}/x.tar/a/4.png"
    if name == "x.tar":
        assert path == f"{folder}/x.tar/a/4.png"
        assert len(recalled) == 2


BROKEN = {
    "empty": lambda about: {},
    "no object": lambda about: [about],
    "other types": lambda about: dict.fromkeys(about, 7),
    "nothing": lambda about: dict.fromkeys(about),
    "texts": lambda about: dict.fromkeys(about, "x"),
    "lists": lambda about: {key: [[1]] for key in about},
}


@pytest.mark.parametrize("name", ["x.tar", "list.parquet"])
@pytest.mark.parametrize("what", BROKEN)
def test_what_is_remembered_in_another_form_is_unknown(
    folder, extract, cache, monkeypatch, name, what
):
    first = extract(folder / name)
    remember = IndexMemory.remember

    def broken(memory, place, about, contents=b""):
        remember(memory, place, BROKEN[what](about), contents)

    monkeypatch.setattr(IndexMemory, "remember", broken)
    forget(cache)
    extract(folder / name)
    monkeypatch.setattr(IndexMemory, "remember", remember)
    for _ in range(2):
        done = extract(folder / name)
        assert (done.report.cached, list(done.rejected)) == (4, list(first.rejected))


@pytest.mark.parametrize("name", ["x.tar", "list.parquet"])
def test_what_another_version_has_remembered_is_unknown(
    folder, extract, monkeypatch, recalled, name
):
    monkeypatch.setattr(part, "_VERSION", 0)
    extract(folder / name)
    extract(folder / name)
    assert len(recalled) == 1
    monkeypatch.setattr(part, "_VERSION", 1)
    extract(folder / name)
    assert len(recalled) == 1
    extract(folder / name)
    assert len(recalled) == 2


def forget(cache):
    with CacheFolder(cache) as folder:
        folder.index._database.change("DELETE FROM part", [()])


@pytest.mark.parametrize("n_kept", [0.5, 0.0])
def test_an_archive_that_is_cut_meanwhile_is_named(tmp_path, cache, n_kept):
    data = tmp_path / "mid"
    data.mkdir()
    for number in range(3):
        with tarfile.open(data / f"t{number}.tar", "w") as tar:
            for image in range(10):
                buffer = BytesIO()
                picture("disc", 100 * number + image).save(buffer, "PNG")
                member = tarfile.TarInfo(f"c{image % 2}/{image}.png")
                member.size = buffer.tell()
                buffer.seek(0)
                tar.addfile(member, buffer)
    parts = parts_of(data, class_level=2)
    cut = data / "t1.tar"
    os.truncate(cut, int(cut.stat().st_size * n_kept))
    found = bb.extract(parts, "random", cache=cache, engine="openvino", precision="float32")
    assert 20 <= found.report.images < 31
    assert [path for path, _ in found.rejected] == [str(cut)]
    [(_, reason)] = found.rejected
    assert reason.startswith(("of the archive, not all is read: ", "the archive cannot be read"))

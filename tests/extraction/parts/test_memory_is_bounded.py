"""What is held while a dataset in parts is gone through does not grow with it."""

import tarfile
import time
import tracemalloc
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key, Variant, content_of_bytes
from bottlebank.datasets import path_list
from bottlebank.datasets.parts import archives, lists, parts_of, tree
from bottlebank.datasets.tables import text_file
from bottlebank.extraction.image_files import HashedFile, UnreadableFile
from bottlebank.extraction.parts.memory import IndexMemory
from bottlebank.extraction.parts.plan import PlanInParts
from bottlebank.extraction.parts.rolling_ledger import RollingLedger
from bottlebank.features import ExtractorSpec, recipe_for

IN_PART = 50


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(tree, "FILES_AT_ONCE", IN_PART)
    monkeypatch.setattr(archives, "MEMBERS_AT_ONCE", IN_PART)
    monkeypatch.setattr(lists, "ROWS_AT_ONCE", IN_PART)
    monkeypatch.setattr(text_file, "_BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(path_list, "_BLOCK_BYTES", 1 << 14)


def make_tars(folder, n_archives):
    folder.mkdir()
    for number in range(n_archives):
        with tarfile.open(folder / f"{number:03d}.tar", "w") as archive:
            for at in range(100):
                data = b"%d %d" % (number, at)
                member = tarfile.TarInfo(f"{at:03d}.jpg")
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
    return folder


def make_table(folder, n_archives):
    tars = make_tars(folder, 2)
    rows = [f"{at % 2:03d}.tar/{at % 100:03d}.jpg,cat" for at in range(400 * n_archives)]
    (tars / "list.csv").write_text("\n".join(["path,label", *rows]))
    return tars / "list.csv"


def make_list(folder, n_archives):
    tars = make_tars(folder, 2)
    rows = [f"{at % 2:03d}.tar/{at % 100:03d}.jpg" for at in range(400 * n_archives)]
    (tars / "list.txt").write_text("\n".join(rows))
    return tars / "list.txt"


def make_folders(folder, n_folders):
    for number in range(n_folders):
        (folder / f"{number:03d}").mkdir(parents=True)
        for at in range(100):
            (folder / f"{number:03d}" / f"{at:03d}.jpg").touch()
    return folder


def peak_of(data):
    """Bytes that looking through and going through DATA takes."""
    for _ in range(2):  # the first time fills caches, such as those of imports
        tracemalloc.start()
        n_images = sum(1 for part in parts_of(data) for _ in part.files())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak, n_images


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_tars, make_table, make_list, make_folders])
def test_naming_images_takes_no_more_for_many(make, tmp_path):
    few, n_few = peak_of(make(tmp_path / "few", 15))
    many, n_many = peak_of(make(tmp_path / "many", 60))
    if make is not make_list:  # in which an image counts once
        assert n_many == 4 * n_few
    # For each archive or folder, its path and how many images it has.
    assert many - few < 45 * 1500


@pytest.fixture
def folder(cache):
    with CacheFolder(cache, create=True) as opened:
        yield opened


def drive(plan, ledger, ahead):
    """Go through a plan as a run does, reading `ahead` images; the most that it holds."""
    most, waiting = 0, []
    stamps = SimpleNamespace(rows=0)

    def advance():
        file = waiting.pop(0)
        data = file.member.read()
        content = content_of_bytes(data)
        hashed = HashedFile(file.position, file.path.encode(), content, None, False)
        [views] = plan.new_views([hashed])
        keys = [Key(content, view) for view in views]
        if keys:
            rows = np.zeros((len(keys), 512), np.float32)
            ledger.keep(
                SimpleNamespace(
                    keys=keys, paths=[hashed.path] * len(keys), features=rows, rejections=[]
                )
            )
            plan.n_done(keys)
            stamps.rows += len(keys)

    with ledger:
        ledger.writer()
        for file in plan.files():
            waiting.append(file)
            if len(waiting) > ahead:
                advance()
            held = sum(len(each.paths) for each in plan._in_hand)
            most = max(most, held, len(plan._reading), len(plan._in_work), len(ledger.extracted))
        while waiting:
            advance()
    return most, stamps.rows


@pytest.mark.parametrize("n_views", [0, 2])
def test_a_plan_forgets_what_is_done(folder, tmp_path, n_views):
    data = make_tars(tmp_path / "tars", 20)
    time.sleep(0.03)
    recipe, _ = recipe_for(ExtractorSpec("random"))
    numbers = tuple(range(n_views + 1))
    for run in range(2):
        memory = IndexMemory()
        memory.open(folder)
        parts = parts_of(data, memory=memory)
        ledger = RollingLedger(folder, recipe, Variant("float32"), 100, False, numbers)
        plan = PlanInParts(parts, folder, ledger)
        most, n_rows = drive(plan, ledger, ahead=30)
        memory.write()
        assert (plan.n_images, plan.n_rows, plan.n_different) == (2000, 2000, 2000)
        assert n_rows == (0 if run else 2000 * (n_views + 1))
        assert plan.n_extracted == (0 if run else 2000)
        assert not plan._in_hand
        assert not plan._reading
        assert not plan._in_work
        assert most <= 2 * 100 * (n_views + 1)


def test_what_cannot_be_read_counts_and_is_not_remembered(folder, tmp_path):
    data = make_tars(tmp_path / "tars", 1)
    time.sleep(0.03)
    recipe, _ = recipe_for(ExtractorSpec("random"))
    memory = IndexMemory()
    memory.open(folder)
    ledger = RollingLedger(folder, recipe, Variant("float32"), 100, False)
    plan = PlanInParts(parts_of(data, memory=memory), folder, ledger)
    for file in plan.files():
        plan.new_views([UnreadableFile(file.position, "it burns")])
    assert (plan.n_images, plan.n_rows, len(plan.rejected)) == (100, 0, 100)
    assert {reason for _, reason in plan.rejected} == {"it burns"}
    assert not [key for key in memory._new if key[2] >= 0]

"""A power cut at any moment of a run: what the disk may hold then, built and opened.

Method of ALICE (OSDI '14): the calls of a run are logged; for every prefix of them, bytes that no
fsync has covered are dropped, torn, zeros or kept, and names that no fsync of their folder has
covered are there or not, each on its own.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from bottlebank import atomic_file as atomic
from bottlebank.atomic_file import TEMPORARY_PREFIX
from bottlebank.cache import CacheFolder
from bottlebank.errors import MissingRowsError

from .faults import (
    N_ROWS,
    PRINT,
    Call,
    FaultyOs,
    assert_complete,
    assert_sound,
    fill,
    key,
    rows,
)

BYTES = {
    "dropped": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "kept": lambda data: data,
}


def logging_mkdir(shim, real=Path.mkdir):
    def mkdir(path, *arguments, **settings):
        real(path, *arguments, **settings)
        shim.log.append(Call("mkdir", path))

    return mkdir


@pytest.fixture
def logged(tmp_path, monkeypatch):
    """The calls of a three-shard run in `tmp_path/"run"`, with `ack` where a row was promised."""
    shim = FaultyOs()
    (tmp_path / "run").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", logging_mkdir(shim))
        patch.setattr(atomic, "os", shim)
        fill(
            tmp_path / "run" / "cache",
            acknowledge=lambda number: shim.log.append(Call("ack", Path(str(number)))),
        )
    return shim.log


def states(log: list[Call], bytes_of_late_writes):
    """What a disk may hold after `log`: {path: bytes, or None for a folder}, every choice."""
    entries: dict[Path, list[Call]] = {}  # by folder: names that no fsync has covered
    names: dict[Path, Path] = {}  # file as it was created, by the name it has
    durable: dict[Path, bytes] = {}
    late: dict[Path, bytes] = {}
    settled: list[Call] = []
    for call in log:
        if call.name == "write":
            first = names[call.path]
            late[first] = late.get(first, b"") + call.data
        elif call.name in ("open", "mkdir", "replace", "link"):
            entries.setdefault((call.target or call.path).parent, []).append(call)
            if call.name == "open":
                names[call.path] = call.path
            elif call.name in ("replace", "link"):
                names[call.target] = names.pop(call.path)
        elif call.name == "fsync" and call.path in names:
            first = names[call.path]
            durable[first] = durable.get(first, b"") + late.pop(first, b"")
        elif call.name == "fsync":
            settled += entries.pop(call.path, [])
    pending = list(itertools.chain(*entries.values()))
    order = {id(call): position for position, call in enumerate(log)}
    for chosen in itertools.product([False, True], repeat=len(pending)):
        done = settled + [call for call, kept in zip(pending, chosen, strict=True) if kept]
        disk: dict[Path, bytes | None] = {}
        created: dict[Path, Path] = {}
        for call in sorted(done, key=lambda call: order[id(call)]):
            if call.name == "mkdir":
                disk[call.path] = None
            elif call.name == "open":
                created[call.path] = call.path
            else:
                if call.name == "replace":  # a link leaves its first name to the next writer
                    created.pop(call.path, None)
                created[call.target] = call.path
        for path, first in created.items():
            disk[path] = durable.get(first, b"") + bytes_of_late_writes(late.get(first, b""))
        yield disk


def build(disk, run: Path, root: Path) -> None:
    """Make a folder that holds `disk`; what lies in a folder that is not there is not there."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path in sorted(disk):
        place = root / path.relative_to(run)
        if place.parent.is_dir():
            if disk[path] is None:
                place.mkdir()
            else:
                place.write_bytes(disk[path])


def check(root: Path, promised: list[int]) -> None:
    """P1 and P2: what has a shard's name is whole, and what was promised is there."""
    with CacheFolder(root / "cache") as folder:
        cache = folder.open(PRINT, "float32")
        assert_sound(folder, cache)
        if promised:
            found = cache.rows([key(number) for number in promised])
            assert np.array_equal(found, rows(promised)), "rows are not what was added"
            assert folder.fingerprints() == [PRINT], "recipe.json is gone"


def replay(log, tmp_path, finish_every):
    """Check every state of every prefix; finish the run in some. Returns the number of states."""
    n_states = 0
    seen = set()
    for end in range(len(log) + 1):
        promised = [int(call.path.name) for call in log[:end] if call.name == "ack"]
        for bytes_of_late_writes in BYTES.values():
            for disk in states(log[:end], bytes_of_late_writes):
                state = (*sorted(disk.items(), key=str), len(promised))
                if state in seen:
                    continue
                seen.add(state)
                build(disk, tmp_path / "run", tmp_path / "after")
                check(tmp_path / "after", promised)
                n_states += 1
                if n_states % finish_every == 0:
                    fill(tmp_path / "after" / "cache")
                    assert_complete(tmp_path / "after" / "cache")
    return n_states


def test_no_power_cut_costs_a_promised_row_or_leaves_half_a_shard(
    logged, tmp_path, record_property
):
    names = [call.name for call in logged]
    assert (names.count("replace"), names.count("link")) == (1, 3)  # recipe.json, and three shards
    n_states = replay(logged, tmp_path, finish_every=5)
    record_property("states of the disk", n_states)
    assert n_states > 40


def test_an_index_that_is_ahead_of_the_shards_is_no_harm(logged, tmp_path):
    """SQLite syncs on its own: after a power cut, the index may know shards that are not there."""
    index = (tmp_path / "run" / "cache" / "index.sqlite").read_bytes()
    for end in range(0, len(logged) + 1, 4):
        promised = [int(call.path.name) for call in logged[:end] if call.name == "ack"]
        *_, disk = states(logged[:end], BYTES["dropped"])
        build(disk, tmp_path / "run", tmp_path / "after")
        if (tmp_path / "after" / "cache").is_dir():
            (tmp_path / "after" / "cache" / "index.sqlite").write_bytes(index)
        check(tmp_path / "after", promised)
        fill(tmp_path / "after" / "cache")
        assert_complete(tmp_path / "after" / "cache")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_replay_notices_a_missing_fsync(logged, tmp_path, kind):
    careless = [
        call
        for call in logged
        if call.name != "fsync" or call.path.name.startswith(TEMPORARY_PREFIX) == (kind == "folder")
    ]
    with pytest.raises((AssertionError, MissingRowsError), match="damaged|(is|are) not in"):
        replay(careless, tmp_path, finish_every=1000)


def test_no_power_cut_after_a_kill_and_a_second_run_costs_a_promised_row(
    logged, tmp_path, monkeypatch
):
    """What the killed run left in memory only, the next run finds there and builds on."""
    run = tmp_path / "run"
    lost_after = []
    for end in range(1, len(logged)):
        shim = FaultyOs()
        shim.log = logged[:end]
        *_, seen_by_the_next_run = states(shim.log, BYTES["kept"])
        build(seen_by_the_next_run, run, tmp_path / "next")
        shutil.rmtree(run)
        shutil.move(tmp_path / "next", run)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "mkdir", logging_mkdir(shim))
            patch.setattr(atomic, "os", shim)
            fill(run / "cache")
        for disk in states(shim.log, BYTES["dropped"]):
            build(disk, run, tmp_path / "after")
            try:
                check(tmp_path / "after", list(range(N_ROWS)))
            except (AssertionError, MissingRowsError):
                lost_after.append(f"{logged[end - 1].name} {logged[end - 1].path.name}")
    assert lost_after == []

"""Files and folders that are handed over as a cache: what is not what bottlebank writes is refused.

Each goes through the command: nothing outside the cache is changed, nothing is read from
elsewhere, and the error is one line.
"""

import json
import os
import shutil
import socket
import time

import h5py
import numpy as np
import pytest

from bottlebank.cache import CacheFolder, Key
from bottlebank.cache.import_export import export_rows
from bottlebank.cli import main
from bottlebank.features import ExtractorSpec, recipe_for

SECRET = b"root:x:0:0:" * 400


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(an export, a cache folder, the fingerprint)."""
    base = tmp_path_factory.mktemp("made")
    recipe, _ = recipe_for(ExtractorSpec("random"))
    rows = np.random.default_rng(0).normal(size=(6, recipe.width)).astype("f4")
    keys = [Key(bytes([number + 1]) * 32) for number in range(6)]
    paths = [b"/photos/\xff%d.jpg" % number for number in range(6)]
    with CacheFolder(base / "cache", create=True) as folder:
        cache = folder.open(recipe.fingerprint, "float32")
        with cache.writer(recipe.as_dict()) as writer:
            writer.extend(keys, paths, rows)
        about = {"fingerprint": recipe.fingerprint, "variant": "float32"}
        about["recipe"] = json.dumps(recipe.as_dict())
        export_rows(cache, base / "rows.h5", keys, paths, {"labels": list("abcdef")}, about)
    return base / "rows.h5", base / "cache", recipe.fingerprint


@pytest.fixture
def place(tmp_path, made):
    """A folder with a secret, an export to spoil, and a target cache."""
    (tmp_path / "secret").write_bytes(SECRET)
    shutil.copy(made[0], tmp_path / "rows.h5")
    return tmp_path


def is_small(path):
    return path.is_file() and path.stat().st_size < 1 << 28


def listing(folder):
    return {
        path.relative_to(folder): path.read_bytes() if is_small(path) else None
        for path in folder.rglob("*")
        if "cache" not in path.relative_to(folder).parts[:1] and not path.is_symlink()
    }


def replaced(name, **made):
    def spoil(path):
        with h5py.File(path, "r+") as file:
            del file[name]
            file.create_dataset(name, **made)

    return spoil


def attribute(name, value):
    def spoil(path):
        with h5py.File(path, "r+") as file:
            if value is None:
                del file.attrs[name]
            else:
                file.attrs[name] = value

    return spoil


def with_file(change):
    def spoil(path):
        with h5py.File(path, "r+", libver="latest") as file:
            change(file)

    return spoil


def link(name, target):
    def change(file):
        del file[name]
        file[name] = target(file)

    return with_file(change)


def recipe_with(**fields):
    def spoil(path):
        with h5py.File(path, "r+") as file:
            file.attrs["recipe"] = json.dumps({**json.loads(file.attrs["recipe"]), **fields})

    return spoil


def external(path):
    with h5py.File(path, "r+") as file:
        shape = file["features"].shape
        del file["features"]
        stored = [(str(path.with_name("secret")), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("features", shape, "f4", external=stored)


def virtual(path):
    layout = h5py.VirtualLayout(shape=(6, 32), dtype="u1")
    layout[:] = h5py.VirtualSource(str(path.with_name("rows2.h5")), "keys", shape=(6, 32))
    shutil.copy(path, path.with_name("rows2.h5"))
    with h5py.File(path, "r+") as file:
        del file["keys"]
        file.create_virtual_dataset("keys", layout)


def sparse(path):
    width = 64
    with h5py.File(path, "r+") as file:
        for name in ("features", "keys"):
            del file[name]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        for name, columns, kind in (("features", width, "<f4"), ("keys", 32, "u1")):
            space = h5py.h5s.create_simple((1 << 34, columns))
            h5py.h5d.create(
                file.id, name.encode(), h5py.h5t.py_create(np.dtype(kind)), space, plist
            )


def repeated_string(path):
    """Every entry of `paths` points to the same long string."""
    with h5py.File(path, "r+") as file:
        del file["paths"]
        kind = h5py.string_dtype()
        file.create_dataset("paths", data=np.array([b"x" * 60_000] * 6, object), dtype=kind)
        offset = file["paths"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[offset : offset + 96] = data[offset : offset + 16] * 6
    path.write_bytes(data[: len(data)])


def claimed_length(path):
    """The text of the recipe says that it has 4 GB."""
    with h5py.File(path, "r+") as file:
        file.attrs["recipe"] = file.attrs["recipe"].decode()  # as older versions wrote it
    with h5py.File(path) as file:
        length = len(file.attrs["recipe"])
    data = path.read_bytes()
    at = data.index(length.to_bytes(4, "little"), data.index(b"recipe\0"))
    path.write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])


def special(make):
    def spoil(path):
        path.unlink()
        make(path)

    return spoil


def bound(path):
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def values(spoil):
    def change(file):
        features = file["features"][()]
        spoil(features)
        file["features"][...] = features

    return with_file(change)


def nan(features):
    features[3, 7] = np.nan


def infinite(features):
    features[5, 0] = -np.inf


def user_block(path):
    data = path.read_bytes()
    path.write_bytes(b"\0" * 512 + data)


def crowd(file):
    for number in range(20_000):
        file[f"x{number}"] = file["keys"]


def deep(file):
    group = file
    for _ in range(300):
        group = group.create_group("g")


def bomb(kind):
    return replaced("features", shape=(1 << 22, 1024), dtype="f4", chunks=(1024, 1024), **kind)


HARMS = {
    **{
        f"variant {value!r}"[:40]: attribute("variant", value)
        for value in (
            "../../x",
            "/tmp/x",
            "",
            ".",
            "..",
            "float32/..",
            "float64",
            "float32-",
            "float32-float32",
            "FLOAT32",
            "float32\n",
            "x" * 10_000,
            "\x1b]0;x\x07",
        )
    },
    "no variant": attribute("variant", None),
    "no recipe": attribute("recipe", None),
    "no fingerprint": attribute("fingerprint", None),
    "a variant that is a number": attribute("variant", 3),
    "a variant that is a list": attribute("variant", ["float32"]),
    "another attribute": attribute("more", "x"),
    "a huge recipe": with_file(
        lambda file: file.attrs.__setitem__("recipe", "[" + "1," * 10_000_000 + "1]")
    ),
    "a recipe that is a list": attribute("recipe", "[]"),
    "a recipe of brackets": attribute("recipe", "[" * 60_000),
    "a recipe that is text": attribute("recipe", "no JSON \x1b[31m"),
    "a recipe with a field twice": attribute("recipe", '{"a": 1, "a": 2}'),
    "a wider recipe": recipe_with(width=5),
    "another recipe": recipe_with(decoder_version=999),
    "a field of the future": recipe_with(views=2),
    "another fingerprint": attribute("fingerprint", "f" * 64),
    "a path for a fingerprint": attribute("fingerprint", "../" * 20),
    "external storage": external,
    "virtual": virtual,
    "a soft link": link("keys", lambda file: h5py.SoftLink("/features")),
    "a dangling link": link("keys", lambda file: h5py.SoftLink("/nothing")),
    "an external link": link("features", lambda file: h5py.ExternalLink("rows2.h5", "features")),
    "an external link to a device": link("paths", lambda file: h5py.ExternalLink("/dev/zero", "x")),
    "the root itself": link("paths", lambda file: file["/"]),
    "one array twice": link("keys", lambda file: file["features"]),
    "not a number": values(nan),
    "infinite": values(infinite),
    "float64": replaced("features", data=np.zeros((6, 32), "f8")),
    "big-endian": replaced("features", data=np.zeros((6, 32), ">f4")),
    "integers": replaced("features", data=np.zeros((6, 32), "i4")),
    "a scalar": replaced("features", data=np.float32(1)),
    "three dimensions": replaced("features", data=np.zeros((6, 4, 4), "f4")),
    "no rows": replaced("features", data=np.zeros((0, 4), "f4")),
    "no columns": replaced("features", data=np.zeros((6, 0), "f4")),
    "an empty space": replaced("features", data=h5py.Empty("f4")),
    "resizable": replaced("features", data=np.zeros((6, 4), "f4"), maxshape=(None, 4)),
    "short keys": replaced("keys", data=np.zeros((6, 31), "u1")),
    "fewer keys": replaced("keys", data=np.zeros((5, 32), "u1")),
    "equal keys of different rows": replaced("keys", data=np.zeros((6, 32), "u1")),
    "keys that are references": replaced("keys", shape=(6, 32), dtype=h5py.ref_dtype),
    "paths that are references": replaced("paths", shape=(6,), dtype=h5py.ref_dtype),
    "paths that are lists": replaced("paths", shape=(6,), dtype=h5py.vlen_dtype(np.int8)),
    "paths that are numbers": replaced("paths", data=np.zeros(6)),
    "one long path for all": repeated_string,
    "a recipe that claims 4 GB": claimed_length,
    "a compressed bomb": bomb({"compression": "gzip"}),
    "a shape bomb": replaced("features", shape=(10**12, 1280), dtype="f4"),
    "an unknown filter": bomb({"compression": 32_000, "allow_unknown_filter": True})
    if hasattr(h5py.h5z, "FLAG_OPTIONAL")
    else bomb({"shuffle": True}),
    "20,000 arrays": with_file(crowd),
    "deep groups": with_file(deep),
    "a sparse file": sparse,
    "a pipe": special(os.mkfifo),
    "a socket": special(bound),
    "a link to a device": special(lambda path: path.symlink_to("/dev/zero")),
    "a link to a secret": special(lambda path: path.symlink_to(path.with_name("secret"))),
    "an empty file": special(lambda path: path.write_bytes(b"")),
    "text": special(lambda path: path.write_bytes(SECRET)),
    "an empty folder": special(lambda path: path.mkdir()),
    "a user block": user_block,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-5000]),
}


def bring(place, source, capfd):
    before = listing(place)
    start = time.monotonic()
    code = main(["cache", "import", str(source), "--cache", str(place / "cache")])
    took_s = time.monotonic() - start
    out, err = capfd.readouterr()
    assert listing(place) == before, "something outside the cache was changed"
    assert took_s < 10  # a bound for hangs; alone it takes milliseconds
    assert "root:x" not in out + err
    assert (out + err).replace("\n", "").isprintable()
    return code, out, err


def test_there_are_sixty():
    assert len(HARMS) >= 60


@pytest.mark.parametrize("harm", HARMS)
def test_a_hostile_export_is_refused_in_one_line(place, harm, capfd):
    path = place / "rows.h5"
    try:
        HARMS[harm](path)
    except (ValueError, TypeError, OSError) as error:
        pytest.skip(f"this h5py does not write it: {error}")
    code, out, err = bring(place, path, capfd)
    assert code in (1, 2), out
    assert err.startswith("bottlebank: ") and err.count("\n") == 1, err
    assert len(err) < 1500
    kept = [file for file in (place / "cache").rglob("*") if file.is_file()]
    assert {file.name for file in kept} <= {"index.sqlite"}, "something was written into the cache"


def test_a_sound_export_comes_in_once(place, made, capfd):
    code, out, err = bring(place, place / "rows.h5", capfd)
    assert (code, err) == (0, "")
    assert "imported 6 rows" in out
    code, out, err = bring(place, place / "rows.h5", capfd)
    assert "imported 0 rows" in out
    with CacheFolder(made[1]) as mine, CacheFolder(place / "cache") as theirs:
        caches = [folder.open(made[2], "float32") for folder in (mine, theirs)]
        assert caches[0].keys() == caches[1].keys()
        assert np.array_equal(*(cache.rows(caches[0].keys()) for cache in caches))
        assert caches[0].paths() == caches[1].paths()


def spoiled_shard(spoil):
    """Change a shard and give it the name of its new content, as anyone can."""

    def change(folder):
        from bottlebank.cache.shards.shard import digest_of

        [path] = folder.glob("*/float32/*.h5")
        spoil(path)
        path.rename(path.with_name(f"000000-{digest_of([path.read_bytes()])}.h5"))

    return change


def sealed_nan(path):
    with h5py.File(path, "r+") as file:
        features = file["features"][()]
        features[0, 0] = np.nan
        file["features"][...] = features
        import xxhash

        digest = xxhash.xxh3_64_intdigest(features.data.cast("B"))
        file["features_xxh3"][...] = np.array([digest], "u8")
        file["features_xxh3"].attrs["xxh3"] = np.uint64(
            xxhash.xxh3_64_intdigest(file["features_xxh3"][()].data)
        )


def moved(pattern, make):
    def change(folder):
        [path] = folder.glob(pattern)
        outside = folder.parent / "outside"
        path.rename(outside)
        make(path, outside)

    return change


FOLDER_HARMS = {
    "external storage": spoiled_shard(external),
    "a link in a shard": spoiled_shard(link("path", lambda file: h5py.SoftLink("/key"))),
    "an external link in a shard": spoiled_shard(
        link("key", lambda file: h5py.ExternalLink("/etc/passwd", "key"))
    ),
    "not a number": spoiled_shard(sealed_nan),
    "another array": spoiled_shard(with_file(lambda file: file.__setitem__("x", [1]))),
    "no blocks": spoiled_shard(attribute("rows_per_block", np.uint32(0))),
    "a linked shard": moved("*/float32/*.h5", lambda path, outside: path.symlink_to(outside)),
    "a linked variant": moved("*/float32", lambda path, outside: path.symlink_to(outside)),
    "a linked recipe": moved("*/recipe.json", lambda path, outside: path.symlink_to(outside)),
    "a pipe for a shard": moved("*/float32/*.h5", lambda path, outside: os.mkfifo(path)),
    "a pipe for a recipe": moved("*/recipe.json", lambda path, outside: os.mkfifo(path)),
    "an odd variant": moved("*/float32", lambda path, out: out.rename(path.with_name("float99"))),
    "a huge recipe": moved("*/recipe.json", lambda path, out: path.write_text(" " * 100_000)),
    "a list for a recipe": moved("*/recipe.json", lambda path, out: path.write_text("[]")),
    "a deep recipe": moved("*/recipe.json", lambda path, out: path.write_text("[" * 60_000)),
    "another recipe": moved("*/recipe.json", lambda path, out: path.write_text('{"\\u001b": 1}')),
}


@pytest.mark.parametrize("harm", FOLDER_HARMS)
def test_of_a_hostile_folder_nothing_is_brought_in(place, made, harm, capfd):
    theirs = place / "theirs"
    shutil.copytree(made[1], theirs, ignore=shutil.ignore_patterns("index.sqlite"))
    (theirs / "index.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    FOLDER_HARMS[harm](theirs)
    code, out, err = bring(place, theirs, capfd)
    assert "imported 0 shards" in out
    assert code == 1 and err.startswith("left out: ") and err.count("\n") == 1, err
    assert not [*(place / "cache").glob("*/*/*.h5")]

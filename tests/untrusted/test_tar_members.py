"""Members of tar archives are found as the tools find them; damage is a reason, never a crash."""

import errno
import gzip
import io
import os
import random
import subprocess
import tarfile

import pytest

from bottlebank.untrusted.tar_members import MemberStatus, archive_of, members_of, status_of

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
NAMES = [
    "a.jpg",
    "cat/1.jpg",
    "cat/Ümläut 猫 🐈.jpg",
    "dog/line\nbreak.jpg",
    "with space/tab\there.jpg",
    f"{'d' * 90}/{'e' * 60}/{'f' * 90}.jpg",
]
LONG = [f"{'n' * 120}.jpg", "/".join(["x" * 200] * 12) + "/1.jpg"]


def add(archive: tarfile.TarFile, name: str, data: bytes = b"bytes", kind=None, **fields) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.type = kind or tarfile.REGTYPE
    for field, value in fields.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(data))


def written(path, names, form="pax", **settings):
    """An archive in which each member has other bytes, of sizes about those of blocks."""
    with tarfile.open(path, "w", format=FORMATS[form], **settings) as archive:
        for number, name in enumerate(names):
            size = [0, 1, 511, 512, 513, 10_000][number % 6]
            add(archive, name, random.Random(number).randbytes(size))
    return path


def contents(path) -> dict[str, bytes]:
    members = members_of(str(path))
    assert members.problem == ""
    return {name: members.status_of(name).read() for name in members.places}


def by_tarfile(path) -> dict[str, bytes]:
    with tarfile.open(path, errors="surrogateescape", encoding="utf-8") as archive:
        files = [member for member in archive if member.isreg() and not member.issparse()]
        return {os.path.normpath(m.name).lstrip("/"): archive.extractfile(m).read() for m in files}


@pytest.mark.parametrize("form", FORMATS)
def test_what_python_writes(tmp_path, form):
    names = NAMES if form == "ustar" else NAMES + LONG
    path = written(tmp_path / "photos.tar", names, form)
    assert contents(path) == by_tarfile(path)
    assert set(contents(path)) == set(names)


@pytest.mark.parametrize("form", ["v7", "ustar", "gnu", "oldgnu", "posix"])
def test_what_the_tar_command_writes(tmp_path, form):
    short = [name for name in NAMES if len(name.encode()) < 99]
    names = {"v7": short, "ustar": NAMES}.get(form, [*NAMES, LONG[0]])
    for number, name in enumerate(names):
        file = tmp_path / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(random.Random(number).randbytes(700 * number))
    os.symlink("a.jpg", tmp_path / "files" / "link.jpg")
    os.link(tmp_path / "files" / "a.jpg", tmp_path / "files" / "z.jpg")
    path = tmp_path / "photos.tar"
    command = ["tar", "-C", tmp_path / "files", f"--format={form}", "--sort=name", "-cf", path, "."]
    subprocess.run(command, check=True)
    assert contents(path) == {name: (tmp_path / "files" / name).read_bytes() for name in names}
    assert members_of(str(path)).passed_over == {"link or device in an archive": 2}


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_what_follows_a_sparse_file_is_found(tmp_path, form):
    """One with more holes than its header has room for."""
    (tmp_path / "z.jpg").write_bytes(b"after it")
    with open(tmp_path / "holes.jpg", "wb") as file:
        for number in range(60):
            file.seek(number << 18)
            file.write(b"data")
        file.truncate(61 << 18)
    path = tmp_path / "photos.tar"
    command = ["tar", "-C", tmp_path, f"--format={form}", "-S", "-cf", path, "holes.jpg", "z.jpg"]
    subprocess.run(command, check=True)
    assert path.stat().st_size < 1 << 20
    assert contents(path) == {"z.jpg": b"after it"}
    assert members_of(str(path)).passed_over == {"sparse file in an archive": 1}


def test_names_that_are_not_utf_8(tmp_path):
    path = written(tmp_path / "photos.tar", ["h\xe9.jpg"], "gnu", encoding="latin-1")
    [name] = contents(path)
    assert os.fsencode(name) == b"h\xe9.jpg"
    assert status_of(f"{path}/{name}").archive == str(path)


def test_what_says_nothing_in_a_name_is_left_out_and_what_leads_elsewhere_passed_over(tmp_path):
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        for name in [
            "./cat/1.jpg",
            "/abs/2.jpg",
            "cat//.//3.jpg",
            "../4.jpg",
            "cat/../5.jpg",
            "..",
        ]:
            add(archive, name)
        add(archive, "pax", pax_headers={"path": "cat/\0/6.jpg"})
    assert set(contents(path)) == {"cat/1.jpg", "abs/2.jpg", "cat/3.jpg"}
    assert members_of(str(path)).passed_over == {"name that leads out of the archive": 4}
    for way in ["cat/1.jpg", "./cat//1.jpg", "cat/./1.jpg"]:
        assert status_of(f"{path}/{way}").offset == 512
    for way in ["../photos.tar/cat/1.jpg", "cat", "", "cat/1.jpg/2.jpg"]:
        with pytest.raises(FileNotFoundError, match="no such file in the archive"):
            status_of(f"{path}/{way}")


def test_of_several_with_one_name_the_last_counts(tmp_path):
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        for data in [b"first", b"second", b"third, and longest"]:
            add(archive, "1.jpg", data)
    assert contents(path) == {"1.jpg": b"third, and longest"} == by_tarfile(path)


def test_what_is_no_file_is_counted(tmp_path):
    path = tmp_path / "photos.tar"
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    with tarfile.open(path, "w") as archive:
        add(archive, "cat", b"", tarfile.DIRTYPE)
        for kind in kinds:
            add(archive, f"{kind.decode()}.jpg", b"", kind, linkname="/etc/passwd")
        add(archive, "1.jpg", b"1", tarfile.CONTTYPE)
        add(archive, "old/", b"", tarfile.AREGTYPE)
    assert contents(path) == {"1.jpg": b"1"}
    assert members_of(str(path)).passed_over == {"link or device in an archive": len(kinds)}


@pytest.mark.parametrize("n_blocks", [0, 1, 2, 20])
def test_an_empty_archive_holds_nothing(tmp_path, n_blocks):
    path = tmp_path / "photos.tar"
    path.write_bytes(bytes(512 * n_blocks))
    assert contents(path) == {}


def test_an_archive_cut_off_anywhere_keeps_its_whole_members(tmp_path):
    whole = written(tmp_path / "whole.tar", ["1.jpg", LONG[0], "3.jpg", "4.jpg", "5.jpg"], "gnu")
    places = members_of(str(whole)).places
    data, known = whole.read_bytes(), contents(whole)
    ends = {name: offset + size for name, (offset, size) in places.items()}
    last = max(ends.values())
    for n_bytes in range(1, last + 1024, 61):
        path = tmp_path / f"{n_bytes}.tar"
        path.write_bytes(data[:n_bytes])
        found = members_of(str(path))
        assert list(found.places) == [name for name, end in ends.items() if end <= n_bytes and name]
        assert all(found.status_of(name).read() == known[name] for name in found.places)
        starts = [0, *(-(-end // 512) * 512 for end in ends.values())]
        between = any(start - 512 < n_bytes <= start for start in starts)
        if not between and n_bytes < last:
            assert "download it again" in found.problem or found.problem == "it is no tar archive"
        if n_bytes >= last and n_bytes % 512 == 0:
            assert found.problem == ""


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_long_name_without_its_file_is_a_problem(tmp_path, form):
    whole = written(tmp_path / "whole.tar", [LONG[0]], form).read_bytes()
    for n_bytes in [512, 700, 1024]:
        path = tmp_path / f"{n_bytes}.tar"
        path.write_bytes(whole[:n_bytes])
        assert "ends" in members_of(str(path)).problem
    path.write_bytes(whole[:1024] + bytes(2048))
    assert "ends in the middle of a header" in members_of(str(path)).problem


def test_damage_in_a_header_ends_the_archive_there(tmp_path):
    path = written(tmp_path / "photos.tar", [f"{number}.jpg" for number in range(4)])
    data = bytearray(path.read_bytes())
    at = members_of(str(path)).places["2.jpg"][0] - 512
    data[at + 3] ^= 1
    path.write_bytes(data)
    found = members_of(str(path))
    assert list(found.places) == ["0.jpg", "1.jpg"]
    assert found.problem == f"at byte {at:,}, it is damaged: copy or download it again"


def block(name=b"1.jpg", size=b"00000000000", kind=b"0") -> bytes:
    """A header of our own making, with a right checksum."""
    fields = bytearray(512)
    fields[: len(name)] = name
    fields[124 : 124 + len(size)] = size
    fields[156:157] = kind
    fields[257:265] = b"ustar\x0000"
    fields[148:156] = b" " * 8
    fields[148:156] = b"%06o\0 " % sum(fields)
    return bytes(fields)


def octal(size: int) -> bytes:
    return b"%011o" % size


def pax(records: bytes) -> bytes:
    return block(kind=b"x", size=octal(len(records))) + records.ljust(
        -(-len(records) // 512) * 512, b"\0"
    )


def record(key: bytes, value: bytes) -> bytes:
    n_bytes = len(key) + len(value) + 3
    n_bytes += len(str(n_bytes + len(str(n_bytes))))
    return b"%d %s=%s\n" % (n_bytes, key, value)


@pytest.mark.parametrize("kind", [b"x", b"L"])
def test_a_header_of_gigabytes_is_not_read(tmp_path, kind):
    path = tmp_path / "photos.tar"
    with path.open("wb") as file:
        file.write(block(kind=kind, size=b"\x80" + (10 << 30).to_bytes(11, "big")))
        file.truncate(11 << 30)
    assert members_of(str(path)).problem == "the header at byte 512 has 10,737,418,240 bytes"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (block(size=octal(100_000)), "it ends 98,464 bytes too early"),
        (block(size=b"\x80" + (1 << 60).to_bytes(11, "big")), "bytes too early"),
        (block(size=b"\xff" * 12), "bytes too early"),
        (block(size=b"-0000000001"), "it is no tar archive"),
        (block(size=b"99999999999"), "it is no tar archive"),
        (pax(record(b"size", b"9" * 19)) + block(), "bytes too early"),
        (pax(record(b"size", b"9" * 5000)) + block(), "is damaged"),
        (pax(record(b"size", b"-1")) + block(), "is damaged"),
        (pax(b"9" * 5000 + b" path=1\n") + block(), "is damaged"),
        (pax(b"0 path=1\n") + block(), "is damaged"),
        (pax(b"3 path=1\n") + block(), "is damaged"),
        (pax(b"100 path=1\n") + block(), "is damaged"),
        (pax(b"path=1\n") + block(), "is damaged"),
        (pax(b"7 path1\n") + block(), "is damaged"),
        (block(kind=b"K", size=octal(1 << 30)), "bytes too early"),
        (block(kind=b"g", size=octal(1 << 30)), "bytes too early"),
        (block(kind=b"S")[:482] + b"\1" + bytes(29), "it is no tar archive"),
    ],
)
def test_what_lies_is_a_problem(tmp_path, data, problem):
    path = tmp_path / "photos.tar"
    path.write_bytes(data + bytes(1536 if len(data) == 512 else 1024))
    found = members_of(str(path))
    assert problem in found.problem
    assert not found.places


def test_sizes_beyond_eight_gigabytes(tmp_path):
    path = tmp_path / "photos.tar"
    n_bytes = (9 << 30) + 5
    with path.open("wb") as file:
        file.write(block(b"large.jpg", b"\x80" + n_bytes.to_bytes(11, "big")))
        file.seek(512 + (9 << 30) + 512)
        file.write(block(b"2.jpg", octal(3)) + b"two" + bytes(509))
        start = file.tell()
        file.write(pax(record(b"size", b"%d" % n_bytes) + record(b"path", b"3.jpg")) + block())
        offset = file.tell()
        file.truncate(offset + (9 << 30) + 512)
    found = members_of(str(path))
    assert found.problem == ""
    assert found.places == {
        "large.jpg": (512, n_bytes), "2.jpg": (start - 512, 3), "3.jpg": (offset, n_bytes),
    }  # fmt: skip
    assert found.status_of("2.jpg").read() == b"two"


def test_a_name_of_many_folders_is_passed_over(tmp_path):
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "d/" * 100_000 + "1.jpg")
        add(archive, "2.jpg")
    assert contents(path) == {"2.jpg": b"bytes"}
    assert members_of(str(path)).passed_over == {"name of more than 4,096 bytes": 1}


def test_a_path_longer_than_the_system_has_them(tmp_path):
    name = "/".join(["x" * 253] * 16) + "/1.jpg"
    path = written(tmp_path / "photos.tar", [name])
    assert len(f"{path}/{name}") > 4096 > len(name)
    assert isinstance(status_of(f"{path}/{name}"), MemberStatus)
    with pytest.raises(OSError, match="File name too long"):
        status_of(f"{tmp_path}/{name}" * 2)


def test_many_records_in_one_header_take_no_time(tmp_path):
    """Time in proportion to their bytes; in the square of them, it would be hours."""
    path = tmp_path / "photos.tar"
    records = b"6 a=1\n" * 170_000 + record(b"path", b"2.jpg")
    path.write_bytes(pax(records) + block() + bytes(1024))
    assert set(contents(path)) == {"2.jpg"}


@pytest.mark.parametrize("name", ["photos.tar", "PHOTOS.TAR", "x.tar/photos.tar", "x.tar/y/p.tar"])
def test_the_first_on_the_way_that_is_no_folder_is_the_archive(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    written(path, ["cat/2.tar/1.jpg"])
    assert archive_of(f"{path}/cat/2.tar/1.jpg") == str(path)
    assert status_of(f"{path}/cat/2.tar/1.jpg").offset == 512
    path.unlink()
    assert archive_of(f"{path}/cat/2.tar/1.jpg") == str(path)


def test_paths_that_lead_into_no_archive(tmp_path):
    (tmp_path / "file.jpg").write_bytes(b"jpg")
    (tmp_path / "x.tar").mkdir()
    (tmp_path / "x.tar" / "1.jpg").write_bytes(b"jpg")
    assert archive_of(f"{tmp_path}/x.tar/1.jpg") is None
    assert isinstance(status_of(f"{tmp_path}/x.tar/1.jpg"), os.stat_result)
    with pytest.raises(NotADirectoryError):
        status_of(f"{tmp_path}/file.jpg/1.jpg")
    with pytest.raises(NotADirectoryError):
        status_of(f"{tmp_path}/x.tar/1.jpg/2.jpg")
    with pytest.raises(FileNotFoundError):
        status_of(f"{tmp_path}/gone.tar/2.jpg")


def test_what_is_no_archive(tmp_path):
    pipe, folder, text = tmp_path / "pipe.tar", tmp_path / "folder.tar", tmp_path / "text.tar"
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            members_of(str(path))
    for data in (b"a", b"1.jpg\n" * 7, b"1.jpg\n" * 1000, random.Random(1).randbytes(5000)):
        text.write_bytes(data)
        assert members_of(str(text)).problem == "it is no tar archive"
        text.unlink()
    text.write_bytes(gzip.compress(random.Random(1).randbytes(5000)))
    assert members_of(str(text)).problem.startswith("it is compressed: unpack it")
    with pytest.raises(FileNotFoundError):
        members_of(str(tmp_path / "none.tar"))


def test_an_archive_that_has_changed_meanwhile_is_not_read(tmp_path):
    path = written(tmp_path / "photos.tar", ["0.jpg", "1.jpg", "2.jpg"])
    before = status_of(f"{path}/2.jpg")
    written(path, ["2.jpg", "1.jpg", "0.jpg"])
    os.utime(path, ns=(1, 1))
    with pytest.raises(OSError, match="has changed meanwhile") as raised:
        before.read()
    assert raised.value.errno == errno.ESTALE
    assert status_of(f"{path}/2.jpg").offset != before.offset


@pytest.mark.parametrize("form", FORMATS)
def test_flipped_bytes_lead_nowhere_but_into_the_archive(tmp_path, form):
    names = ["1.jpg", "cat/2.jpg", "cat/3.cls"] + ([] if form == "ustar" else [LONG[0]])
    data = written(tmp_path / "whole.tar", names, form).read_bytes()[:6144]
    n_problems = 0
    for seed in range(300):
        chance = random.Random(seed)
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 9)):
            damaged[chance.randrange(len(data))] = chance.randrange(256)
        if seed % 2:  # with right checksums, what comes after them is looked at
            for at in range(0, len(damaged), 512):
                header = damaged[at : at + 512]
                if header[257:262] == b"ustar":
                    damaged[at + 148 : at + 156] = b" " * 8
                    damaged[at + 148 : at + 156] = b"%06o\0 " % sum(damaged[at : at + 512])
        path = tmp_path / f"{seed}.tar"
        path.write_bytes(damaged)
        found = members_of(str(path))
        n_problems += bool(found.problem)
        for name, (offset, size) in found.places.items():
            assert 512 <= offset <= offset + size <= len(damaged)
            assert found.status_of(name).read() == damaged[offset : offset + size]
            assert not {"..", ".", ""} & set(name.split("/"))
    assert 50 < n_problems < 300

from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import os
import threading

import hypothesis
import pytest
from hypothesis import strategies as st

from bottlebank.errors import UsageError
from bottlebank.service.access import key_file
from bottlebank.service.access.key_file import KeyFile, add_key, read_keys, remove_key
from bottlebank.service.access.keys import (
    KEY,
    is_key_in_query,
    make_key,
    sent_key,
    without_keys,
)
from bottlebank.service.access.rate_limit import Rate

DIGEST = "ab" * 32


def test_a_key_is_256_random_bits_of_which_sha_256_is_kept():
    made = [make_key("app1", "predict") for _ in range(100)]
    assert len({key for key, _ in made}) == 100
    for key, entry in made:
        assert KEY.fullmatch(key)
        assert entry.digest == hashlib.sha256(key.encode()).hexdigest()
        assert key not in str(entry)


def test_what_is_added_is_found_until_it_is_removed(tmp_path):
    path = tmp_path / "keys.txt"
    first = add_key(path, "app1")
    second = add_key(path, "ops", "admin", Rate(10, 60))
    keys = KeyFile(path)
    found = keys.find(first), keys.find(second)
    assert [(key.name, key.role, key.rate) for key in found] == [
        ("app1", "predict", None),
        ("ops", "admin", Rate(10, 60)),
    ]
    assert keys.find(first[:-1] + ("A" if first[-1] != "A" else "B")) is None
    assert first not in path.read_text() and second not in path.read_text()
    remove_key(path, "app1")
    assert keys.find(first) is None
    assert keys.find(second).name == "ops"
    with pytest.raises(UsageError, match="no key has the name 'app1'; there are ops"):
        remove_key(path, "app1")


def test_a_new_file_is_its_owners_alone_and_one_that_is_there_keeps_its_permissions(tmp_path):
    path = tmp_path / "keys.txt"
    umask = os.umask(0)
    try:
        add_key(path, "a")
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o640)
        add_key(path, "b")
        remove_key(path, "a")
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [*tmp_path.iterdir()] == [path]


def test_comments_and_other_lines_stay(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_bytes(
        b"\xef\xbb\xbf# ours\r\n\r\n  old  admin " + DIGEST.upper().encode() + b" 5/s\r\n"
    )
    assert read_keys(path)[0].digest == DIGEST
    add_key(path, "new")
    remove_key(path, "old")
    lines = path.read_text().splitlines()
    assert lines[0] == "# ours"
    assert [key.name for key in read_keys(path)] == ["new"]


@pytest.mark.parametrize("lead", ["../elsewhere/real.txt", "{folder}/elsewhere/real.txt", "second"])
def test_behind_a_link_the_file_itself_changes(tmp_path, lead):
    for name in ("elsewhere", "here"):
        (tmp_path / name).mkdir()
    real, link = tmp_path / "elsewhere" / "real.txt", tmp_path / "here" / "keys.txt"
    (link.parent / "second").symlink_to(real)
    link.symlink_to(lead.format(folder=tmp_path))
    first = add_key(link, "app1")  # the link leads to nothing yet
    served = KeyFile(real)
    assert served.find(first).name == "app1"
    second = add_key(link, "app2")
    assert served.find(second).name == "app2"
    remove_key(link, "app1")
    assert served.find(first) is None
    assert link.is_symlink() and (link.parent / "second").is_symlink()
    assert not real.is_symlink() and [*real.parent.iterdir()] == [real]


def test_a_link_to_itself_is_refused(tmp_path):
    link = tmp_path / "keys.txt"
    link.symlink_to(link)
    with pytest.raises(UsageError, match="symbolic links"):
        add_key(link, "app1")
    assert link.is_symlink()


def test_comments_that_are_not_utf_8_stay_as_they_are(tmp_path):
    path = tmp_path / "keys.txt"
    comment = "# Schlüssel der Abteilung §7\x85".encode("latin-1")
    path.write_bytes(comment + b"\n")
    add_key(path, "app1")
    add_key(path, "app2")
    remove_key(path, "app1")
    assert path.read_bytes().splitlines()[0] == comment
    assert [key.name for key in read_keys(path)] == ["app2"]


def test_no_file_is_written_that_would_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "keys.txt"
    monkeypatch.setattr(key_file, "_MAX_BYTES", 400)
    kept = []
    with pytest.raises(UsageError, match=r"would have \d+ bytes, and at most 400 are read"):
        for number in range(10):
            add_key(path, f"app{number}")
            kept.append(f"app{number}")
    assert len(kept) >= 2
    assert [key.name for key in read_keys(path)] == kept
    remove_key(path, "app0")
    add_key(path, "other")


def test_a_name_is_there_once(tmp_path):
    path = tmp_path / "keys.txt"
    add_key(path, "app1")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="a key of the name app1 already; choose another name"):
        add_key(path, "app1")
    assert path.read_bytes() == before
    path.write_text(f"a predict {DIGEST}\na admin {DIGEST}\n")
    with pytest.raises(UsageError, match="line 2: the name a is in an earlier line"):
        read_keys(path)


def test_keys_that_are_added_at_the_same_time_are_all_there(tmp_path):
    path = tmp_path / "keys.txt"
    threads = [
        threading.Thread(target=add_key, args=(path, f"app{number}")) for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in read_keys(path)} == {f"app{number}" for number in range(12)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("app1", "expected NAME ROLE SHA256"),
        (f"app1 predict {DIGEST} 5/s more", "received 5 fields"),
        (f"app1 root {DIGEST}", "role: expected one of predict, admin"),
        (f"-x predict {DIGEST}", "name: expected up to 64 letters"),
        ("app1 predict abc", "the third field is not SHA-256"),
        (f"app1 predict {DIGEST} 5", "such as 10/s"),
        (f"app1 predict {DIGEST} 0/s", "such as 10/s"),
    ],
)
def test_lines_that_are_none_are_named(tmp_path, line, reason):
    path = tmp_path / "keys.txt"
    path.write_text(f"# comment\nother admin {'cd' * 32}\n{line}\n")
    with pytest.raises(UsageError, match=rf"keys.txt, line 3: .*{reason}"):
        KeyFile(path)


def test_no_message_quotes_a_key_that_lies_in_the_file_itself(tmp_path):
    path = tmp_path / "keys.txt"
    key, _ = make_key("a", "predict")
    for line in (
        f"app1 predict {key}",
        f"app1 {key} predict",
        f"{key} predict",
        f"{key}x y z",
        key,
    ):
        path.write_text(line)
        with pytest.raises(UsageError, match="line 1") as refused:
            read_keys(path)
        assert key not in str(refused.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="cannot be read .*`bottlebank keys add` makes such"):
        KeyFile(tmp_path / "nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        KeyFile(tmp_path)
    path = tmp_path / "keys.txt"
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match="at most 1,048,576 bytes"):
        KeyFile(path)
    path.write_bytes(b"")
    path.chmod(0o666)
    with pytest.raises(UsageError, match="every user may write to it; run chmod o-w"):
        KeyFile(path)


def test_a_pipe_in_place_of_the_file_makes_nobody_wait(tmp_path):
    path = tmp_path / "keys.txt"
    key = add_key(path, "app1")
    keys = KeyFile(path)
    path.unlink()
    os.mkfifo(path)
    assert keys.find(key).name == "app1"
    for attempt in (
        KeyFile,
        read_keys,
        lambda it: add_key(it, "b"),
        lambda it: remove_key(it, "b"),
    ):
        with pytest.raises(UsageError, match="cannot be read .not a regular file"):
            attempt(path)


def test_a_file_that_may_not_be_read_is_not_one_that_is_missing(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    path = tmp_path / "keys.txt"
    add_key(path, "app1")
    monkeypatch.setattr(key_file, "open_regular", refuse)
    with pytest.raises(UsageError, match=rf"id {os.geteuid()} has to .*chmod a.r will") as refused:
        read_keys(path)
    assert "keys add" not in str(refused.value)


def test_while_the_file_is_read_again_the_former_keys_open_nothing(tmp_path, monkeypatch):
    path = tmp_path / "keys.txt"
    old = add_key(path, "old")
    keys = KeyFile(path)
    new = add_key(path, "new")
    remove_key(path, "old")
    reading, go_on = threading.Event(), threading.Event()

    def read_slowly(path):
        reading.set()
        assert go_on.wait(10)
        return read_keys(path)

    monkeypatch.setattr(key_file, "read_keys", read_slowly)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        found = [pool.submit(keys.find, new)]
        assert reading.wait(10)
        found += [pool.submit(keys.find, key) for key in (old, new)]
        done, _ = concurrent.futures.wait(found, timeout=0.05)
        go_on.set()
        assert not done
        assert [each.result() and each.result().name for each in found] == ["new", None, "new"]


def test_a_file_that_is_damaged_later_changes_nothing_and_the_log_says_so_once(tmp_path, caplog):
    path = tmp_path / "keys.txt"
    key = add_key(path, "app1")
    keys = KeyFile(path)
    caplog.set_level("INFO", "bottlebank.service.access.key_file")
    good = path.read_text()
    for damage in (f"{good}nonsense\n", "\0\0\0 \xff", f"app1 predict {key}\n"):
        path.write_text(damage)
        for _ in range(3):
            assert keys.find(key).name == "app1"
    path.unlink()
    assert keys.find(key).name == "app1"
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 4
    assert all(message.startswith("the keys stay as they were: ") for message in messages)
    assert key not in caplog.text
    path.write_text("")
    assert keys.find(key) is None  # an empty file means that nobody has a key
    assert caplog.records[-1].getMessage() == "read the keys again: there are 0"


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "bearer   abc "}, "abc"),
        ({"Authorization": "BEARER abc"}, "abc"),
        ({"Authorization": "Basic YTpi"}, None),
        ({"Authorization": "Bearerabc"}, None),
        ({"Authorization": "Bearer"}, None),
        ({"X-Api-Key": " abc "}, "abc"),
        ({"X-Api-Key": ""}, ""),
        ({"X-Api-Key": "abc", "Authorization": "Basic YTpi"}, "abc"),
        ({"X-Api-Key": "abc", "Authorization": "Bearer def"}, "abc"),
    ],
)
def test_where_requests_carry_a_key(headers, key):
    assert sent_key(headers) == key


@hypothesis.given(st.text())
def test_what_is_no_key_finds_none(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "some-keys.txt"
    if not path.exists():
        add_key(path, "app1")
        # A weak key whose hash somebody wrote into the file.
        with path.open("a") as file:
            file.write(f"weak predict {hashlib.sha256(b'secret').hexdigest()}\n")
    keys = KeyFile(path)
    assert keys.find(text) is None
    assert keys.find("secret") is None


def test_keys_in_queries_are_noticed_and_hidden_in_texts():
    key, _ = make_key("a", "predict")
    for query in ({"key": "x"}, {"API_KEY": "x"}, {"access_token": ""}, {"q": key}, {key: ""}):
        assert is_key_in_query(query.items())
    assert is_key_in_query([("top", "3"), ("top", key)])
    assert not is_key_in_query([("top", "3"), ("evidence", "keyboard")])
    assert without_keys(f"GET /predict/{key}?a={key} x") == "GET /predict/bb_***?a=bb_*** x"

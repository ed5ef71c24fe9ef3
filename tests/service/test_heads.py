from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bottlebank.errors import HeadFileError, UsageError, WeightsNotFoundError
from bottlebank.service import Settings
from bottlebank.service.heads import Heads, Served
from bottlebank.service.initial_head import open_heads


class Loading:
    """A predictor whose other heads are text files: their version, or what is wrong with them."""

    def __init__(self, make_predictor, version):
        self.make = make_predictor
        self.predictor = make_predictor(version=version)

    def __getattr__(self, name):
        return getattr(self.predictor, name)

    def with_head(self, path, parity):
        text = path.read_text()
        if text.startswith("bad"):
            raise HeadFileError(f"{path} is damaged: {text}")
        return Loading(self.make, text)


@pytest.fixture
def loaded():
    return []


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "first.h5").write_text("v1")
    return tmp_path


@pytest.fixture
def heads(folder, make_predictor, loaded):
    return Heads(Served("first.h5", Loading(make_predictor, "v1")), folder, on_load=loaded.append)


def statuses(heads):
    return {entry["name"]: entry["status"] for entry in heads.describe()}


def version(heads):
    return heads.served.predictor.version


def test_a_new_head_answers_and_the_last_one_stays_for_rolling_back(heads, folder, loaded):
    heads.scan()
    assert version(heads) == "v1"
    (folder / "second.h5").write_text("v2")
    heads.scan()
    assert (version(heads), heads.served.name) == ("v2", "second.h5")
    assert statuses(heads) == {"first.h5": "previous", "second.h5": "active"}
    heads.roll_back()
    assert version(heads) == "v1"
    heads.scan()  # what was rolled back does not come back by itself
    assert version(heads) == "v1"
    heads.roll_back()
    assert version(heads) == "v2"
    assert loaded == ["activated"]


def test_a_file_that_changes_is_loaded_again(heads, folder):
    (folder / "first.h5").write_text("v1 trained again")
    heads.scan()
    assert version(heads) == "v1 trained again"


@pytest.mark.parametrize("n_files", [20])
def test_bad_files_change_nothing_and_each_is_reported(heads, folder, loaded, caplog, n_files):
    for number in range(n_files):
        (folder / f"{number:02}.h5").write_text(f"bad for reason {number}")
    heads.scan()
    assert version(heads) == "v1"
    assert loaded == ["refused"] * n_files
    described = {entry["name"]: entry for entry in heads.describe()}
    for number in range(n_files):
        entry = described[f"{number:02}.h5"]
        assert entry["status"] == "refused"
        assert entry["error"].endswith(f"bad for reason {number}")
        assert f"bad for reason {number}" in caplog.text
    heads.scan()
    assert loaded == ["refused"] * n_files  # not tried again until they change
    (folder / "07.h5").write_text("v7, whole at last")
    heads.scan()
    assert version(heads) == "v7, whole at last"
    (folder / "08.h5").unlink()
    heads.scan()
    assert "08.h5" not in statuses(heads)


def test_of_several_new_heads_the_newest_answers(heads, folder):
    for number, age_s in ((1, 10), (2, 30), (3, 20)):
        path = folder / f"{number}.h5"
        path.write_text(f"v{number}")
        os.utime(path, (time.time() - age_s,) * 2)
    heads.scan()
    assert version(heads) == "v1"
    assert heads.served.name == "1.h5"


def test_activating(heads, folder, client_of):
    (folder / "second.h5").write_text("v2")
    (folder / "bad.h5").write_text("bad")
    client = client_of(heads)
    answer = client.post("/heads/activate", json={"name": "second.h5"})
    assert answer.json == {
        "name": "second.h5",
        "head": {"version": "v2", "extractor": "mobilenet_v2"},
    }
    listed = client.get("/heads").json["heads"]
    assert [(entry["name"], entry["status"]) for entry in listed] == [
        ("bad.h5", "available"),
        ("first.h5", "previous"),
        ("second.h5", "active"),
    ]
    for name, status, code in (
        ("third.h5", 404, "head_not_found"),
        ("../first.h5", 404, "head_not_found"),
        ("/etc/passwd", 404, "head_not_found"),
        ("bad.h5", 409, "head_refused"),
    ):
        answer = client.post("/heads/activate", json={"name": name})
        assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert client.get("/healthz").json["head"]["version"] == "v2"
    assert client.post("/heads/rollback", json={}).json["head"]["version"] == "v1"
    assert client.get("/healthz").json["head"]["version"] == "v1"


def test_activating_one_head_does_not_pass_over_another_new_one(heads, folder):
    (folder / "second.h5").write_text("v2")
    (folder / "third.h5").write_text("v3")
    heads.activate("second.h5")
    assert version(heads) == "v2"
    heads.scan()
    assert version(heads) == "v3"


@pytest.fixture
def client_of(make_app):
    return lambda heads: make_app(heads=heads).test_client()


def test_a_form_of_another_site_changes_nothing(heads, folder, client_of):
    (folder / "second.h5").write_text("v2")
    client = client_of(heads)
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        for route in ("/heads/activate", "/heads/rollback"):
            answer = client.post(route, data='{"name": "second.h5"}', content_type=content_type)
            assert answer.status_code == 415
    assert client.get("/healthz").json["head"]["version"] == "v1"


def test_without_a_folder_there_is_one_head(client):
    answer = client.post("/heads/activate", json={"name": "other.h5"})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "no_heads_folder")
    answer = client.post("/heads/rollback", json={})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "no_previous_head")


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"name": 3}'])
def test_a_head_is_named_by_text(client, body):
    answer = client.post("/heads/activate", data=body, content_type="application/json")
    assert answer.status_code == 400


def test_the_folder_is_watched(heads, folder):
    heads.watch(0.01)
    try:
        (folder / "second.h5").write_text("v2")
        until = time.monotonic() + 5
        while version(heads) != "v2":
            assert time.monotonic() < until
            time.sleep(0.005)
    finally:
        heads.close()


def test_a_hundred_swaps_under_load(heads, folder, client_of, encode):
    """Each answer is of one head: its classes' names carry the version that it names."""
    app = client_of(heads).application
    data = encode("red")
    make = heads.served.predictor.make

    def make_named(version):
        classes = tuple(f"{colour} of {version}" for colour in ("red", "green", "blue"))
        return make(classes, version=version)

    heads.served.predictor.make = make_named
    done = False
    answers = []

    def ask(_):
        client = app.test_client()
        while not done:
            answer = client.post("/predict", data=data, content_type="image/png")
            answers.append((answer.status_code, answer.json))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        for number in range(100):
            (folder / "other.h5").write_text(f"swap {number}")
            os.utime(folder / "other.h5", ns=(number, number))
            heads.scan()
            assert version(heads) == f"swap {number}"
        done = True
        for each in asking:
            each.result(10)
    seen = set()
    for status, answer in answers:
        assert status == 200
        label, head = answer["predictions"][0]["label"], answer["head"]["version"]
        assert label == ("red" if head == "v1" else f"red of {head}")
        seen.add(head)
    assert len(seen) > 5


def test_settings_name_one_source_of_heads(tmp_path):
    with pytest.raises(UsageError, match="one head file, or a folder"):
        open_heads(Settings())
    with pytest.raises(UsageError, match="one head file, or a folder"):
        open_heads(Settings(head="a.h5", heads="b"))
    with pytest.raises(UsageError, match="no such folder"):
        open_heads(Settings(heads=str(tmp_path / "nothing")))
    with pytest.raises(HeadFileError, match="no head file"):
        open_heads(Settings(heads=str(tmp_path)))


def test_the_newest_good_head_of_a_folder_answers_first(
    tmp_path, make_predictor, monkeypatch, caplog
):
    def load(path, **settings):
        text = path.read_text()
        if text == "bad":
            raise HeadFileError(f"{path} is damaged")
        if text == "no weights":
            raise WeightsNotFoundError(f"no weights for {path}")
        return Loading(make_predictor, text)

    monkeypatch.setattr("bottlebank.service.initial_head.load_predictor", load)
    for name, age_s, text in (("a.h5", 90, "v1"), ("b.h5", 5, "bad"), ("c.h5", 50, "v3")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    (tmp_path / ".hidden.h5").write_text("v4")
    heads = open_heads(Settings(heads=str(tmp_path)))
    assert version(heads) == "v3"
    assert statuses(heads) == {"a.h5": "available", "b.h5": "refused", "c.h5": "active"}
    assert "b.h5 is refused" in caplog.text
    heads.scan()
    assert version(heads) == "v3"
    for name in ("a.h5", "c.h5"):
        (tmp_path / name).write_text("bad")
    with pytest.raises(HeadFileError, match="is damaged"):
        open_heads(Settings(heads=str(tmp_path)))


def test_a_file_that_comes_later_is_newer_whatever_its_time_says(heads, folder):
    (folder / "second.h5").write_text("v2")
    heads.scan()
    for number in range(5):
        (folder / f"copied{number}.h5").write_text(f"old {number}")
        os.utime(folder / f"copied{number}.h5", (1_000_000 + number % 3,) * 2)
    heads.scan()
    assert version(heads) == "old 2"
    assert statuses(heads)["second.h5"] == "previous"  # not one of those in between


def test_requests_do_not_wait_for_heads_that_load(folder, make_predictor, client_of, monkeypatch):
    loading, go_on = threading.Event(), threading.Event()

    with_head = Loading.with_head

    def slowly(self, path, parity):
        if path.name.startswith("slow"):
            loading.set()
            assert go_on.wait(10)
        return with_head(self, path, parity)

    monkeypatch.setattr(Loading, "with_head", slowly)
    heads = Heads(Served("first.h5", Loading(make_predictor, "v1")), folder)
    client = client_of(heads)
    (folder / "other.h5").write_text("v2")
    heads.activate("other.h5")
    for number in range(500):
        (folder / f"slow{number:03}.h5").write_text(f"slow {number}")
    thread = threading.Thread(target=heads.scan)
    thread.start()
    try:
        assert loading.wait(10)
        assert len(client.get("/heads").json["heads"]) == 502
        assert client.post("/heads/rollback", json={}).json["head"]["version"] == "v1"
        answer = client.post("/heads/activate", json={"name": "other.h5"})
        assert answer.json["head"]["version"] == "v2"
    finally:
        go_on.set()
        thread.join(10)
    assert version(heads) == "v2"  # chosen by a person since those files came


def test_a_folder_that_is_away_and_files_that_move_change_nothing(heads, folder, tmp_path_factory):
    (folder / "second.h5").write_text("v2")
    heads.scan()
    heads.roll_back()
    away = tmp_path_factory.mktemp("away") / "heads"
    folder.rename(away)
    heads.scan()
    assert statuses(heads) == {"first.h5": "active", "second.h5": "previous"}
    folder.mkdir()  # a mount point without its mount
    heads.scan()
    folder.rmdir()
    away.rename(folder)
    heads.scan()
    assert version(heads) == "v1"
    (folder / "second.h5").rename(folder / "renamed.h5")
    (folder / "first.h5").rename(folder / "also renamed.h5")
    heads.scan()
    assert (version(heads), heads.served.name) == ("v1", "also renamed.h5")
    (folder / "link.h5").symlink_to("renamed.h5")
    heads.scan()
    assert version(heads) == "v2"


def touch(path, status):
    """Change the time of the last change: at once, but within a tick of the file system's clock."""
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    until = time.monotonic() + 5
    while path.stat().st_ctime_ns == status.st_ctime_ns:
        assert time.monotonic() < until
        path.chmod(0o600)


def replace_in_place(path, text):
    """Other bytes; size, inode and time of the last modification stay."""
    status = path.stat()
    assert len(text) == status.st_size
    with path.open("r+") as file:
        file.write(text)
    touch(path, status)


def test_a_file_replaced_in_place_is_loaded_though_size_and_time_stay(heads, folder, loaded):
    replace_in_place(folder / "first.h5", "v2")
    heads.scan()
    assert version(heads) == "v2"
    (folder / "third.h5").write_text("bad")
    heads.scan()
    assert statuses(heads)["third.h5"] == "refused"
    replace_in_place(folder / "third.h5", "v_3")
    heads.scan()
    assert (version(heads), heads.served.name) == ("v_3", "third.h5")
    heads.scan()
    assert loaded == ["activated", "refused", "activated"]


def test_a_file_that_is_only_touched_does_not_answer(heads, folder, loaded):
    (folder / "old.h5").write_text("v0")
    heads.scan()
    (folder / "new.h5").write_text("v1")
    heads.scan()
    for name in ("old.h5", "new.h5", "first.h5"):
        touch(folder / name, (folder / name).stat())
    (folder / "old.h5").rename(folder / "older.h5")
    heads.scan()
    assert (version(heads), heads.served.name) == ("v1", "new.h5")
    assert loaded == ["activated", "activated"]


def test_a_file_that_is_renamed_with_other_contents_answers(heads, folder):
    (folder / "old.h5").write_text("v0")
    (folder / "new.h5").write_text("v1")
    heads.scan()
    (folder / "first.h5").rename(folder / "other.h5")
    replace_in_place(folder / "other.h5", "v9")
    heads.scan()
    assert (version(heads), heads.served.name) == ("v9", "other.h5")


def test_a_half_written_file_is_tried_again_when_it_is_whole(heads, folder):
    with (folder / "second.h5").open("w") as file:
        file.write("bad: half")
        file.flush()
        heads.scan()
        assert statuses(heads)["second.h5"] == "refused"
        file.seek(0)
        file.write("v2 and whole")
    heads.scan()
    assert version(heads) == "v2 and whole"


def test_names_in_any_encoding_and_no_folders(heads, folder, client_of):
    client = client_of(heads)
    try:
        (folder / os.fsdecode(b"caf\xe9.h5")).write_text("v2")
    except OSError:
        pytest.skip("names here are UTF-8")
    (folder / "bad.h5").write_text("bad: /home/somebody/secret/weights.h5 is missing")
    heads.scan()
    assert client.get("/metrics").status_code == 200
    bad, latin, _ = client.get("/heads").json["heads"]
    assert latin == {"name": "caf\\xe9.h5", "status": "active", "version": "v2", "classes": 3}
    assert bad["error"] == "bad.h5 is damaged: bad: weights.h5 is missing"
    heads.roll_back()
    assert client.post("/heads/activate", json={"name": latin["name"]}).status_code == 200


def test_what_is_refused_while_running_is_passed_over_at_the_start(
    tmp_path, make_predictor, monkeypatch
):
    def load(path, **settings):
        text = path.read_text()
        if text != "mobile 1":
            raise WeightsNotFoundError(f"no weights for {path}") if "x" in text else KeyError(text)
        return Loading(make_predictor, text)

    monkeypatch.setattr("bottlebank.service.initial_head.load_predictor", load)
    texts = ("x lost", "mobile 1", "mobile 2", "bad: other extractor", "bad: unknown extractor")
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.h5").write_text(text)
        os.utime(tmp_path / f"{number}.h5", (1_000_000 + number,) * 2)
    heads = open_heads(Settings(heads=str(tmp_path)))
    assert version(heads) == "mobile 2"
    assert statuses(heads) == {
        "0.h5": "refused",
        "1.h5": "available",
        "2.h5": "active",
        "3.h5": "refused",
        "4.h5": "refused",
    }

"""`bottlebank keys`, and a server that takes what it makes."""

import re
import shlex
from types import SimpleNamespace

import pytest

from bottlebank.service.access.key_file import KeyFile

from ..conftest import ROOT


def test_a_key_is_made_listed_and_removed(bottlebank, tmp_path):
    path = tmp_path / "keys.txt"
    added = bottlebank("keys", "add", "--keys", path, "--name", "app1")
    key = added.out.strip()  # alone on stdout: KEY=$(bottlebank keys add …)
    assert "not shown again" in added.err and key not in added.err
    assert KeyFile(path).find(key).name == "app1"
    options = ("--role", "admin", "--rate", "5/min", "--json")
    operator = bottlebank("keys", "add", "--keys", path, "--name", "operator", *options).json
    assert KeyFile(path).find(operator.pop("key")).role == "admin"
    assert operator == {"name": "operator", "role": "admin"}
    listed = bottlebank("keys", "list", "--keys", path).out
    assert listed == "app1  predict\noperator  admin  5/min\n"
    assert bottlebank("keys", "list", "--keys", path, "--json").json == {
        "keys": [
            {"name": "app1", "role": "predict", "rate": None},
            {"name": "operator", "role": "admin", "rate": "5/min"},
        ]
    }
    assert key not in path.read_text()
    removed = bottlebank("keys", "remove", "--keys", path, "--name", "app1")
    assert removed.out == "removed the key of app1\n"
    assert KeyFile(path).find(key) is None
    answer = bottlebank("keys", "remove", "--keys", path, "--name", "operator", "--json").json
    assert answer == {"name": "operator", "removed": True}
    assert bottlebank("keys", "list", "--keys", path).out == "no keys\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("add", "--name", "a b"), "name: expected up to 64 letters"),
        (("add", "--name", "a", "--rate", "5"), "--rate: expected a number of requests"),
        (("add", "--name", "a", "--role", "root"), "--role: expected one of predict, admin"),
        (("add", "--name", "a", "--keys", "/nothing/keys.txt"), "cannot be written (No such file"),
        (("list",), "cannot be read"),
        (("remove", "--name", "a"), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_file(bottlebank, tmp_path, arguments, reason):
    action, *more = arguments
    done = bottlebank("keys", action, "--keys", tmp_path / "keys.txt", *more)
    assert done.code in (1, 2)
    assert reason in " ".join(done.err.split())
    assert not [*tmp_path.iterdir()]


def commands_of(page):
    """The lines that run `bottlebank` in the blocks of a page, whole."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("bottlebank ")]


@pytest.mark.parametrize(
    "line", [line for page in ("service.md", "deployment.md") for line in commands_of(page)]
)
def test_the_commands_of_the_documentation_are_understood(parse, line):
    assert parse(*shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize("with_keys", [True, False])
def test_the_hint_of_the_server_is_a_request_that_it_answers(
    bottlebank, tmp_path, monkeypatch, with_keys
):
    names = ("version", "classes", "extractor_name", "engine", "precision")
    predictor = SimpleNamespace(**dict.fromkeys(names, "x"))
    opened = SimpleNamespace(heads=SimpleNamespace(served=("head.h5", predictor)))
    monkeypatch.setattr("bottlebank.service.Service.open", lambda settings: opened)
    monkeypatch.setattr("bottlebank.service.log_requests", lambda style: None)
    monkeypatch.setattr(
        "bottlebank.service.serve", lambda *given: given[-1]("http://127.0.0.1:80/")
    )
    options = ["--head", "head.h5", "--prefix", "/photos"]
    if with_keys:
        path = tmp_path / "keys.txt"
        bottlebank("keys", "add", "--keys", path, "--name", "app1")
        options += ["--keys", path]
    [line] = re.findall(r"try: (.*); Ctrl-C ends", bottlebank("serve", *options).out)
    command = shlex.split(line)
    assert command[0] == "curl" and command[-1] == "http://127.0.0.1:80/photos/predict"
    assert ("X-API-Key: KEY" in command) is with_keys

"""What a shell completes, and that no completion does any work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bottlebank.features.engines.registry import ENGINES

SCRIPTS = str(Path(sys.executable).parent)


@pytest.fixture
def completed(monkeypatch, capfdbinary):
    """What completes the last of some words, as zsh is answered: (kind, value) pairs."""
    from bottlebank.cli import main

    def run(*words):
        monkeypatch.setenv("_BOTTLEBANK_COMPLETE", "zsh_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["bottlebank", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert main([]) == 0
        lines = capfdbinary.readouterr().out.decode().splitlines()
        return list(zip(lines[::3], lines[1::3], strict=True))

    return run


def values(found):
    assert {kind for kind, _ in found} == {"plain"}
    return [value for _, value in found]


def test_commands(completed):
    assert values(completed("e")) == ["extract", "evaluate", "export", "extractors"]
    assert values(completed("cache", "p")) == ["prune"]


def test_options(completed):
    assert values(completed("train", "photos", "--cl")) == ["--class-level", "--class-weight"]
    assert "--yes" in values(completed("cache", "prune", "--"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["extract", "photos", "--engine", ""], ["auto", *ENGINES]),
        (["train", "photos", "--head", "d"], ["dense"]),
        (["extract", "--extractor", "mobile"], ["mobilenet_v2"]),
        (["compare", "photos", "--heads", "l"], ["logistic"]),
        (["compare", "photos", "--heads", "knn,"], ["knn,logistic", "knn,dense"]),
    ],
)
def test_names(completed, words, expected):
    assert values(completed(*words)) == expected


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["extract", "ph"], "file"),
        (["extract", "photos", "--cache", ""], "dir"),
        (["predict", "a.jpg", "b.jpg", "\udcff"], "file"),
        (["train", "photos", "-o", ""], "file"),
        (["serve", "--heads", "h"], "dir"),
    ],
)
def test_paths_are_left_to_the_shell(completed, words, kind):
    assert [found for found, _ in completed(*words)] == [kind]


def test_what_is_wrong_so_far_is_no_error(completed):
    assert values(completed("extract", "--commit-every", "none", "--engine", "op")) == ["openvino"]
    assert values(completed("cache", "verify", "more", "--d")) == ["--deep"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell):
    environment = {**os.environ, "_BOTTLEBANK_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-m", "bottlebank"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert f"_BOTTLEBANK_COMPLETE={shell}_complete" in done.stdout


def test_a_shell_that_is_not_known(bottlebank, monkeypatch):
    monkeypatch.setenv("_BOTTLEBANK_COMPLETE", "csh_source")
    refused = bottlebank()
    assert refused.code == 2
    assert "expected bash_source, zsh_source or fish_source, received 'csh" in refused.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("words", [{}, {"COMP_WORDS": "bottlebank ", "COMP_CWORD": " "}])
def test_what_a_shell_would_set_is_missing_or_wrong(bottlebank, monkeypatch, shell, words):
    monkeypatch.setenv("_BOTTLEBANK_COMPLETE", f"{shell}_complete")
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    refused = bottlebank()
    assert refused.code == 2
    assert "COMP_WORDS and COMP_CWORD; these are missing or wrong" in refused.err


@pytest.mark.parametrize(
    ("words", "index", "expected"),
    [
        ("--heads knn,d", 4, "knn,dense"),
        ("--heads = log", 5, "logistic"),
        ("--heads =", 4, "logistic dense knn"),
        ("--engine = openvino --heads lo", 7, "logistic"),
    ],
)
def test_bash_completes(words, index, expected):
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = f"""
        eval "$(_BOTTLEBANK_COMPLETE=bash_source bottlebank)"
        COMP_WORDS=(bottlebank compare photos {words}) COMP_CWORD={index}
        _bottlebank_completion bottlebank
        echo "${{COMPREPLY[*]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import click
import pytest

from bottlebank.cli import main, program


@dataclass
class Run:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        lines = self.out.splitlines()
        assert len(lines) == 1, f"expected one line of JSON, got {self.out!r}"
        return json.loads(lines[0])


@pytest.fixture
def bottlebank(capsys: pytest.CaptureFixture[str]):
    """Run a command in this process, as `bottlebank ARGUMENTS…`."""

    def run(*arguments: object) -> Run:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture
def parse():
    """Parse arguments without running the command: the command's parameters."""

    def run(*arguments: str) -> dict[str, Any]:
        group, rest = program, list(arguments)
        context = click.Context(program, info_name="bottlebank", auto_envvar_prefix="BOTTLEBANK")
        while isinstance(group, click.Group):
            name, group, rest = group.resolve_command(context, rest)
            context = click.Context(group, context, name)
        with context.scope(cleanup=False):
            group.parse_args(context, rest)
        return context.params

    return run


@pytest.fixture
def shell():
    """Run a command in a process of its own."""

    def run(*arguments: object, **settings: Any) -> Run:
        command = [sys.executable, "-m", "bottlebank", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False, **settings)
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def options(cache):
    """Options of a quick extraction: the `random` extractor, converted already."""
    return ["--extractor", "random", "--precision", "float32", "--cache", cache]


@pytest.fixture
def head(bottlebank, photos, options, tmp_path):
    """A head file trained on `photos`."""
    path = tmp_path / "head.h5"
    assert bottlebank("train", photos, "--output", path, *options).code == 0
    return path

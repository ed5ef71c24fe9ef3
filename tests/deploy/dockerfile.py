"""Reads the Dockerfile, and runs its steps without Docker."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """One instruction: `COPY`, and what follows it."""

    name: str
    text: str


def read(path: Path) -> list[Step]:
    """The instructions of a Dockerfile, with lines that go on joined."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Step(*line.split(None, 1)) for line in text.splitlines() if line.strip()]


def stages(steps: list[Step]) -> list[list[Step]]:
    """The instructions of each stage, `FROM` first."""
    found: list[list[Step]] = []
    for step in steps:
        if step.name == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def environment(steps: list[Step], path: str) -> dict[str, str]:
    """What the `ENV` of a stage sets."""
    variables = {"PATH": path}
    for step in steps:
        if step.name == "ENV":
            for setting in shlex.split(step.text):
                name, _, value = setting.partition("=")
                variables[name] = value.replace("$PATH", variables["PATH"])
    return variables


def command(steps: list[Step], name: str) -> list[str]:
    """The last instruction of this name, in its form of a list."""
    text = [step.text for step in steps if step.name == name][-1]
    if name == "HEALTHCHECK":
        text = text[text.index("CMD") + 3 :]
    return json.loads(text)


def context(root: Path) -> list[str]:
    """The files that `COPY .` copies, by `.dockerignore`: of its patterns, the last counts."""
    patterns = [
        line
        for line in (root / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else _all_below(root)
    return [name for name in names if _is_in_context(name, patterns) and (root / name).is_file()]


def _all_below(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob("*") if ".venv" not in path.parts]


def _is_in_context(name: str, patterns: list[str]) -> bool:
    included = True
    parts = name.split("/")
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        if wanted.startswith("**/"):
            matches = any(fnmatch.fnmatchcase(part, wanted[3:]) for part in parts)
        else:
            depth = wanted.count("/") + 1
            matches = fnmatch.fnmatchcase("/".join(parts[:depth]), wanted)
        if matches:
            included = pattern.startswith("!")
    return included


class Build:
    """Runs the steps of a stage in a folder that stands for the root of the image.

    Parameters
    ----------
    root
        Of the repository, whose files `COPY` copies.
    image
        The folder; `/opt/bottlebank` is `image/opt/bottlebank`.
    path
        Where `python` and `pip` are found.
    """

    def __init__(self, root: Path, image: Path, path: str) -> None:
        self.root, self.image, self.path = root, image, path
        self.log = ""

    def inside(self, text: str) -> str:
        """A text with the folders of the image in place of those in it."""
        return re.sub(r"(?<![\w./])/(opt/bottlebank|src)\b", rf"{self.image}/\1", text)

    def run(self, steps: list[Step]) -> None:
        """Run what changes files."""
        for step in steps:
            if step.name == "RUN":
                done = subprocess.run(
                    ["sh", "-ec", self.inside(step.text)],
                    env={"PATH": self.path, "HOME": str(self.image)},
                    capture_output=True,
                    text=True,
                )
                self.log += f"{step.text}\n{done.stdout}{done.stderr}"
                assert done.returncode == 0, self.log
            elif step.name == "COPY" and not step.text.startswith("--from"):
                self._copy(*step.text.split())

    def _copy(self, source: str, target: str) -> None:
        names = context(self.root)
        folder = Path(self.inside(target))
        if source != ".":
            assert source in names, f"{source} is not in the context of the build"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / source, folder / Path(source).name)
            return
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / name, folder / name)

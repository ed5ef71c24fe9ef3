"""The project's own files agree with one another and with what is imported."""

import ast
import configparser
import re
import sys
from importlib.metadata import packages_distributions

import pytest

import bottlebank

from .conftest import ROOT
from .test_house import sources

CONFIGURATION = configparser.ConfigParser()
CONFIGURATION.read(ROOT / "setup.cfg")
OPTIONAL = {"IPython"}  # imported in notebooks alone, which have it


def distributions(requirements: str) -> set[str]:
    """Names of distributions in a list of requirements, as PEP 503 writes them."""
    names = re.findall(r"^[\w.-]+", requirements, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def imported_when_run(tree: ast.AST) -> set[str]:
    """Top-level names of modules that a module imports, but for type checkers alone."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
        found |= imported_when_run(node)
    return found


def test_what_is_imported_is_declared():
    options = CONFIGURATION["options.extras_require"]
    declared = distributions(CONFIGURATION["options"]["install_requires"])
    for extra in (
        "heic",
        "hf",
        "index",
        "litert",
        "onnxruntime",
        "pandas",
        "parquet",
        "quantize",
        "ray",
    ):
        declared |= distributions(options[extra])
    providers = packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources()
        for name in imported_when_run(ast.parse(path.read_text()))
        if name not in sys.stdlib_module_names | OPTIONAL | {"bottlebank"}
        and not distributions("\n".join(providers.get(name, [name]))) & declared
    }
    assert undeclared == set()


def test_every_room_is_packaged():
    folders = {path.parent.relative_to(ROOT).parts for path in sources()}
    packaged = CONFIGURATION["options"]["packages"].split()
    assert {".".join(("bottlebank", *parts)) for parts in folders} == set(packaged)


def test_the_types_are_packaged():
    assert (ROOT / "py.typed").is_file()
    assert "py.typed" in CONFIGURATION["options.package_data"]["bottlebank"].split()


def test_one_release_of_ruff_formats_everywhere():
    extras = CONFIGURATION["options.extras_require"]
    pinned = re.search(r"^ruff == ([\d.]+)$", extras["check"], re.MULTILINE)
    hooks = re.search(r"rev: v([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert pinned is not None
    assert hooks is not None
    assert hooks[1] == pinned[1]


def test_the_workflow_checks_every_python_that_is_claimed():
    claimed = re.findall(r":: (3\.\d+)$", CONFIGURATION["metadata"]["classifiers"], re.MULTILINE)
    workflow = (ROOT / ".github" / "workflows" / "check.yml").read_text()
    checked = re.search(r"python: \[(.*)\]", workflow)
    assert checked is not None
    assert re.findall(r"[\d.]+", checked[1]) == claimed
    assert "make check" in workflow


@pytest.mark.parametrize("name", ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"])
def test_what_a_stranger_looks_for_is_there(name):
    assert (ROOT / name).is_file()


def test_the_changelog_names_this_version_or_what_is_to_come():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert bottlebank.__version__ in headings or len(headings) == 1

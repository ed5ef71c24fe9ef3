"""The architecture: who may import whom, and what is loaded when."""

import ast
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import bottlebank

ROOT = Path(__file__).parents[1]
HEAVY = [
    "tensorflow",
    "keras",
    "openvino",
    "sklearn",
    "matplotlib",
    "flask",
    "umap",
    "numpy",
    "h5py",
    "PIL",
]

# Only these places may import a library at all, at the top or inside a function.
OWNERS = {
    "tensorflow": ("features/engines/tensorflow.py", "classifier/dense.py"),
    "keras": ("classifier/dense.py",),
    "openvino": ("features/engines/openvino.py",),
    "h5py": ("cache/", "classifier/artifact.py"),
    "flask": ("service/",),
    "waitress": ("service/",),
    "matplotlib": ("viz/",),
    "umap": ("viz/",),
}


def sources() -> list[Path]:
    rooms = ("cache", "classifier", "cli", "features", "pipeline", "service", "viz")
    return [*ROOT.glob("*.py"), *(path for room in rooms for path in (ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_rooms_import_in_one_direction():
    assert lint_imports(config_filename=str(ROOT / "setup.cfg"), no_cache=True) == 0


def test_each_library_is_imported_only_by_its_owner():
    assert len(sources()) > 40
    strangers = [
        f"{path.relative_to(ROOT)} imports {library}"
        for path in sources()
        for library in imported(path) & OWNERS.keys()
        if not str(path.relative_to(ROOT)).startswith(OWNERS[library])
    ]
    assert strangers == []


def test_inside_the_package_imports_are_relative():
    absolute = [str(path) for path in sources() if "bottlebank" in imported(path)]
    assert absolute == []


@pytest.mark.parametrize(
    "code",
    [
        "import bottlebank",
        "from bottlebank.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_loaded(code):
    script = f"{code}\nimport sys\nprint([n for n in {HEAVY} if n in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_predicting_code_loads_neither_scikit_learn_nor_keras():
    script = (
        "import sys, bottlebank.pipeline.predictor, bottlebank.service\n"
        "heavy = ('sklearn', 'tensorflow', 'keras', 'joblib', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_is_quick_against_a_bare_interpreter():
    """A ratio of medians on the same machine in the same minute, with room: the bound is 6."""

    def median_s(*command: str) -> float:
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    bare = median_s(sys.executable, "-c", "import argparse")
    assert median_s(sys.executable, "-m", "bottlebank", "--help") <= 6 * bare


def test_public_names_exist():
    for name in bottlebank.__all__:
        assert getattr(bottlebank, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bottlebank.nothing  # noqa: B018


def test_every_error_is_also_a_builtin():
    from bottlebank import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) > 10
    for kind in set(kinds) - {errors.BottlebankError}:
        assert issubclass(kind, errors.BottlebankError)
        assert issubclass(kind, (ValueError, OSError, RuntimeError, LookupError))

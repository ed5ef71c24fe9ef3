"""The architecture: who may import whom, and what is loaded when."""

import ast
import re
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

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
    "openTSNE",
    "ray",
    "numpy",
    "h5py",
    "PIL",
    "fsspec",
    "s3fs",
]

ROOMS = (
    "auditing",
    "cache",
    "classifier",
    "cli",
    "datasets",
    "export",
    "extraction",
    "features",
    "interpret",
    "prediction",
    "recipes",
    "reports",
    "service",
    "training",
    "untrusted",
    "viz",
)

# Only these places may import a library at all, at the top or inside a function.
OWNERS = {
    "tensorflow": (
        "features/engines/",
        "features/backbones/",
        "classifier/dense_training.py",
        "training/finetuning/trainer.py",
        "interpret/",
        "export/",
    ),
    "keras": (
        "features/backbones/",
        "classifier/dense_training.py",
        "recipes/baseline.py",
        "interpret/",
        "export/keras.py",
    ),
    "openvino": ("features/openvino_runtime.py",),
    "onnx": ("features/backbones/", "features/engines/onnx_", "export/onnx.py"),
    "onnxruntime": ("features/engines/onnx_", "export/onnx.py"),
    "ai_edge_litert": ("export/litert.py",),
    "nncf": ("export/openvino.py",),
    "cv2": ("features/", "training/perceptual_hash.py"),
    "simplejpeg": ("features/",),
    "h5py": ("cache/", "classifier/head_file.py", "untrusted/hdf5"),
    "fsspec": ("cache/objects/",),
    "s3fs": (),
    "click": ("cli/",),
    "flask": ("service/",),
    "waitress": ("service/http/",),
    "jinja2": ("viz/",),
    "pyarrow": (
        "datasets/tables/parquet_rows.py",
        "reports/map_formats/parquet_file.py",
        "untrusted/parquet_",
    ),
    "usearch": ("prediction/row_index.py",),
    "ray": ("extraction/cluster/ray_connection.py",),
    "prometheus_client": ("service/", "extraction/cluster/metrics.py"),
    "matplotlib": ("viz/",),
    "umap": ("viz/",),
    "openTSNE": ("viz/",),
}


def sources() -> list[Path]:
    return [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_rooms_import_in_one_direction():
    # In a process of its own: it silences every logger that it finds.
    script = "import sys; from importlinter.cli import lint_imports; "
    script += "sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))"
    command = [sys.executable, "-c", script, str(ROOT / "setup.cfg")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_files_and_rooms_have_a_size_that_can_be_read():
    lines = {path: len(path.read_text().splitlines()) for path in sources()}
    assert {path.name: n for path, n in lines.items() if n > 400} == {}
    of_rooms = Counter()
    for path, n in lines.items():  # a room in a room counts by itself
        of_rooms[str(path.parent.relative_to(ROOT))] += n
    assert {room: n for room, n in of_rooms.items() if n > 3500} == {}


def test_each_library_is_imported_only_by_its_owner():
    assert len(sources()) > 40
    strangers = [
        f"{path.relative_to(ROOT)} imports {library}"
        for path in sources()
        for library in imported(path) & OWNERS.keys()
        if not str(path.relative_to(ROOT)).startswith(OWNERS[library])
    ]
    assert strangers == []


def names_in(path: Path) -> set[str]:
    """What a module defines, or a room holds; nothing for what is neither."""
    if path.is_dir():
        return {each.stem for each in path.iterdir()} | names_in(path / "__init__.py")
    tree = ast.walk(ast.parse(path.read_text()))
    return {getattr(node, "name", getattr(node, "id", "")) for node in tree}


def test_names_of_modules_and_constants_in_prose_exist():
    """In backticks: ``room.module`` and ``module.CONSTANT``."""
    places: dict[str, list[Path]] = {}
    for path in sources():
        places.setdefault(path.stem, []).append(path)
    places |= {room: [ROOT / room] for room in ROOMS}
    stale = []
    for path in [*sources(), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for owner, name in re.findall(r"`(\w+)\.(\w+)[\w.]*`", path.read_text()):
            is_checked = owner in ROOMS or (name.isupper() and owner not in sys.stdlib_module_names)
            known = set().union(*(names_in(place) for place in places.get(owner, ())))
            if is_checked and name not in known:
                stale.append(f"{path.relative_to(ROOT)}: {owner}.{name}")
    assert stale == []


def test_inside_the_package_imports_are_relative():
    absolute = [str(path) for path in sources() if "bottlebank" in imported(path)]
    absolute.remove(str(ROOT / "__init__.py"))
    assert absolute == []


@pytest.mark.parametrize(
    "code",
    [
        "import bottlebank",
        "from bottlebank.cli import main\nmain(['--help'])",
        "from bottlebank.cli import main\nmain(['train', '--help'])",
        "from bottlebank.cli import main\nmain(['serve', '--help'])",
    ],
)
def test_nothing_heavy_is_loaded(code):
    script = f"{code}\nimport sys\nprint([n for n in {HEAVY} if n in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "modules",
    ["bottlebank.prediction.predictor, bottlebank.service", "bottlebank.reports.dataset_map"],
    ids=["predicting", "the explorer"],
)
def test_what_is_loaded_quickly_loads_none_of_the_large_libraries(modules):
    script = (
        f"import sys, {modules}\n"
        "heavy = ('sklearn', 'tensorflow', 'keras', 'joblib', 'matplotlib', 'umap', 'openTSNE')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_is_quick_against_a_bare_interpreter():
    """Processor time, which a busy machine stretches least; the least of a few runs of each."""

    def least_s(*command: str) -> float:
        seconds = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(seconds)

    bare = least_s(sys.executable, "-c", "import argparse")
    assert least_s(sys.executable, "-m", "bottlebank", "--help") <= 6 * bare


def test_public_names_exist():
    for name in bottlebank.__all__:
        assert getattr(bottlebank, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bottlebank.nothing  # noqa: B018


def test_no_public_name_of_a_room_is_that_of_a_module_in_it():
    """Whoever imported the module first would find it in place of the name."""
    for face in (path for path in sources() if path.name == "__init__.py"):
        tree = ast.parse(face.read_text())
        names = {
            element.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            for element in getattr(node.value, "elts", ())
        }
        modules = {path.stem for path in face.parent.iterdir()}
        assert not names & modules, face


def test_every_error_is_also_a_builtin():
    from bottlebank import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) > 10
    for kind in set(kinds) - {errors.BottlebankError}:
        assert issubclass(kind, errors.BottlebankError)
        assert issubclass(kind, (ValueError, OSError, RuntimeError, LookupError, ImportError))

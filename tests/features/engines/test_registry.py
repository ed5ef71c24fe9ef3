"""What each line of the registry promises, its module keeps."""

import configparser
from importlib import import_module
from pathlib import Path

import pytest

from bottlebank.features.engines.registry import ENGINES, GPU_ENGINES, REFERENCE
from bottlebank.features.golden_images import COSINE_LIMITS
from bottlebank.precisions import PRECISIONS

SETUP = Path(__file__).parents[3] / "setup.cfg"


def test_every_precision_has_a_limit_by_which_engines_are_judged():
    assert COSINE_LIMITS.keys() == set(PRECISIONS), (
        "a precision is a name in precisions.py, by which variants of the cache are named, and a "
        "limit in features/golden_images.py"
    )


def complaints(entry):
    """What of a line does not fit; nothing is imported."""
    setup = configparser.ConfigParser()
    setup.read(SETUP)
    known = {*setup["options"]["install_requires"].split(), *setup["options.extras_require"]}
    unknown = {*entry.precisions, *entry.gpu_precisions} - {*PRECISIONS}
    if unknown:
        yield f"no precision of precisions.py: {', '.join(sorted(unknown))}"
    if not entry.precisions:
        yield "it computes in no precision"
    if entry.library and entry.library not in known:
        yield f"{entry.library} is neither required nor an extra in setup.cfg"


@pytest.mark.parametrize("name", ENGINES)
def test_a_line_has_precisions_that_are_known_and_a_library_that_can_be_installed(name):
    assert list(complaints(ENGINES[name])) == []


def test_a_line_that_does_not_fit_is_refused():
    (complaint,) = complaints(ENGINES[REFERENCE]._replace(gpu_precisions=("float8", "float32")))
    assert complaint == "no precision of precisions.py: float8"
    (complaint,) = complaints(ENGINES[REFERENCE]._replace(library="unheard_of"))
    assert complaint == "unheard_of is neither required nor an extra in setup.cfg"


@pytest.mark.parametrize("name", ENGINES)
def test_a_module_has_what_its_line_says(name):
    entry = ENGINES[name]
    module = import_module(entry.module, "bottlebank.features.engines")
    assert callable(module.start)
    if len(entry.precisions) > 1:
        assert set(module.supported_precisions()) <= set(entry.precisions)
    if entry.on_gpu:
        assert module.has_gpu() in (True, False)


def test_the_reference_is_an_engine_that_computes_in_float32():
    assert "float32" in ENGINES[REFERENCE].precisions


def test_engines_that_compute_on_a_gpu_have_their_place_there():
    assert sorted(GPU_ENGINES) == sorted(name for name in ENGINES if ENGINES[name].on_gpu)

import io
import re
import sys
import types

import pytest
from tqdm.utils import disp_len

from bottlebank.progress import Progress
from bottlebank.progress_bar import Bar

WORK = [
    ("Extracting (mobilenet_v2)", 400, 136, "images", "waiting for decode"),
    ("Extracting (efficientnet_v2_b0)", 1_250_000, 412_340, "images", "waiting for network"),
    ("Fitting", 15, 3, "fits", "efficientnet_v2_b0, logistic"),
    ("Predicting", None, 0, "images", ""),
    ("Converting mobilenet_v2 for OpenVINO, once (some 20 s)", None, 0, "images", ""),
    ("画像を読む (画像)", 40, 4, "images", "waiting for disk"),
]


def line(what, total, n, unit, note, columns, seconds=8.0):
    bar = Bar(what, total, 0, unit, io.StringIO(), columns=columns, instead_of=None)
    try:
        bar.start_t -= seconds
        bar.n = n
        bar.set_postfix_str(note, refresh=False)
        return str(bar)
    finally:
        bar.close()


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, 300])
def test_a_line_fits_and_says_how_long(work, columns):
    text = line(*work, columns)
    assert disp_len(text) <= columns
    assert re.search(r"\d\d:\d\d", text)
    bar = text.split("|")[1:2]
    assert not bar or len(bar[0]) >= 8
    if columns >= 80:
        assert work[-1] in text


def test_what_is_said_at_three_widths():
    work = WORK[0]
    bar = "([#0-9 ]{8,})"
    assert re.fullmatch(rf"Extracting:  34%\|{bar}\| 00:15 left", line(*work, 40))
    words = "136/400, 17/s, 00:15 left, waiting for decode"
    assert re.fullmatch(rf"Extracting:  34%\|{bar}\| {words}", line(*work, 80))
    words = re.escape("136/400 [00:08<00:15, 17 images/s, waiting for decode]")
    assert re.fullmatch(rf"Extracting \(mobilenet_v2\):  34%\|{bar}\| {words}", line(*work, 120))


def test_slow_work_has_a_speed_too():
    assert "0.375 fits/s" in line(*WORK[2], 120)


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook's outputs show, each with its history."""
    outputs = []

    def display(data, *, raw, display_id):
        assert raw
        assert display_id is True
        shown = [data["text/plain"]]
        outputs.append(shown)
        update = lambda data, raw: shown.append(data["text/plain"])  # noqa: E731
        return types.SimpleNamespace(update=update)

    ipython = types.ModuleType("IPython")
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return outputs


def test_a_notebook_has_one_output_for_nested_work(notebook, capfd):
    with Progress("Extracting (random)", 4) as outer:
        with Progress("Converting"):
            outer.update(0)
        outer.start_counting()
        outer.note("waiting for decode")
        outer.update(4)
    (shown,) = notebook
    assert shown[0] == "Extracting (random) …"
    converting = [text.startswith("Converting: ") for text in shown]
    assert sum(converting) == 1
    assert shown[converting.index(True) + 1] == ""
    assert shown[-1].startswith("Extracting (random): 100%|█")
    assert "4/4" in shown[-1]
    assert not any("\n" in text or "\r" in text or "\x1b" in text for text in shown)
    assert capfd.readouterr() == ("", "")


def test_work_after_work_has_an_output_each(notebook):
    for _ in range(2):
        with Progress("Training"):
            pass
    assert [shown[-1] for shown in notebook] == ["Training: 00:00"] * 2

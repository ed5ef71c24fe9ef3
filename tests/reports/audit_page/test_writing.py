"""The page of an audit: what is in it, and what it allows."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bottlebank as bb
from bottlebank.datasets.labels_file import Decision, read_labels
from bottlebank.errors import UsageError
from bottlebank.extraction.relabelling import relabel
from bottlebank.reports.audit_page import write_audit_page
from bottlebank.reports.audit_page.writing import page_of
from bottlebank.reports.output_paths import require_audit_folder

from ...toys.toy_table import noise, toy_rows, toy_table

NAMES = np.array(["hat", "</script><script>alert(1)</script>", "كتاب 鞋 👟"])
WRONG = [2, 31]


@pytest.fixture
def found(tmp_path):
    rows, codes = toy_rows(60, 3, width=24, spread=0.1)
    given = codes.copy()
    given[WRONG] = (codes[WRONG] + 1) % 3
    names = ["{{ style }}.png", "<b>&amp;.png", *(f"{row}.png" for row in range(2, 60))]
    paths = [noise(tmp_path / "photos" / name, seed) for seed, name in enumerate(names)]
    splits = ["train"] * 60
    table = toy_table(rows, NAMES[given], tmp_path / "cache", paths=paths, splits=splits)
    return bb.audit(table, progress=False)


def test_style_and_script_are_allowed_by_their_hash_and_nothing_else(found, tmp_path):
    page = page_of(found, str(tmp_path / "photos")).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert "http" not in policy
    for element, name in (("style", "style-src"), ("script", "script-src")):
        (inside,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count("</script>") == 2
    assert " style=" not in page


def test_the_findings_are_in_it_as_data(found, tmp_path):
    page = page_of(found, str(tmp_path / "photos")).decode()
    inside = re.search(r'id="findings">(.*?)</script>', page, re.DOTALL)[1]
    assert "<" not in inside
    data = json.loads(inside)
    shown = data["kinds"][0]["findings"]
    assert [each["label"] for each in shown] == [
        str(found.table.labels[each.row]) for each in found.findings["label"]
    ]
    assert {each["shown"] for each in shown} == {"2.png", "31.png"}
    for each in shown:
        assert data["pictures"][each["picture"]].startswith("data:image/jpeg;base64,")
        assert len(each["ofGiven"]) == len(each["ofSuggested"]) == 3
        assert {other["label"] for other in each["ofSuggested"]} == {each["suggested"]}


def test_a_page_replaces_a_page_and_nothing_else(found, tmp_path):
    folder = tmp_path / "audit"
    page = write_audit_page(folder, found, str(tmp_path / "photos"))
    assert page == folder / "audit.html"
    assert require_audit_folder(folder, str(tmp_path / "photos")) == folder
    page.write_text("a page of mine")
    with pytest.raises(UsageError, match=r"audit\.html exists and is not a report of bottlebank"):
        require_audit_folder(folder, str(tmp_path / "photos"))
    with pytest.raises(UsageError, match="dataset"):
        require_audit_folder(tmp_path / "photos", str(tmp_path / "photos"))


def test_nothing_was_found(tmp_path):
    table = toy_table(toy_rows(6, 2)[0], ["a"] * 6, tmp_path / "cache")
    page = page_of(bb.audit(table, progress=False), "photos").decode()
    assert '"kinds": []' in page


@pytest.fixture(scope="module")
def browser():
    """Chromium, for all tests: what drives it ends its threads some time after it is closed."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the library that drives the browser
def test_where_the_browser_keeps_nothing(browser, found, tmp_path):
    page_file = write_audit_page(tmp_path / "audit", found, str(tmp_path / "photos"))
    refuses = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})"
    page = browser.new_page(offline=True)
    page.add_init_script(refuses)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(page_file.as_uri())
    assert "download labels.csv before you close it" in page.locator("#kept").inner_text()
    page.keyboard.press("a")
    assert "1 of 2 decided" in page.locator("#progress").inner_text()
    page.reload()
    assert asked == ["beforeunload"]
    page.keyboard.press("a")
    with page.expect_download():
        page.keyboard.press("d")
    page.reload()  # everything is in the file
    assert asked == ["beforeunload"]
    page.context.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the library that drives the browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_in_a_browser_without_a_network(browser, found, tmp_path, scheme, size):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    earlier = [Decision("e" * 64, "left out", "")]
    page_file = write_audit_page(tmp_path / "audit", found, str(tmp_path / "photos"), earlier)
    first = found.findings["label"][0].row
    fewer = replace(found, findings={"label": found.findings["label"][1:]})
    assert len(found.findings["label"]) == 2
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        offline=True,
        accept_downloads=True,
    )
    page = context.new_page()
    problems, requests = [], []
    page.on("console", lambda said: problems.append(said.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    assert page.locator("h2#card-title").inner_text().endswith("?")
    violations = axe.Axe().run(page).response["violations"]
    assert [each["id"] for each in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.keyboard.press("a")  # accepts the first, goes to the second
    page.keyboard.press("a")
    page.keyboard.press("u")
    page.keyboard.press("r")
    assert "2 of 2 decided: 1 accepted, 1 kept" in page.locator("#progress").inner_text()
    assert [each["id"] for each in axe.Axe().run(page).response["violations"]] == []
    page.reload()
    assert "2 of 2 decided: 1 accepted, 1 kept" in page.locator("#progress").inner_text()
    assert "This browser keeps your decisions" in page.locator("#kept").inner_text()
    with page.expect_download() as waiting:
        page.locator("#download").click()
    file = tmp_path / "labels.csv"
    file.write_bytes(Path(waiting.value.path()).read_bytes())
    other = context.new_page()  # of another audit
    other.goto(write_audit_page(tmp_path / "other", fewer, str(tmp_path / "photos")).as_uri())
    assert "0 of 1 decided" in other.locator("#progress").inner_text()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.locator("#again").click()
    assert "2 of 2 decided" in page.locator("#progress").inner_text()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#again").click()
    page.reload()
    assert "0 of 2 decided: 0 accepted, 0 kept" in page.locator("#progress").inner_text()
    assert page.locator("#again").is_disabled()
    context.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert read_labels(file).labels[b"\xee" * 32] == ""
    after = relabel(found.table, read_labels(file)).table.labels
    changed = np.flatnonzero(after != found.table.labels)
    assert changed.tolist() == [first]
    assert after[first] == found.suggested[first]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the library that drives the browser
def test_a_button_that_is_done_with_hands_the_focus_on(browser, found, tmp_path):
    page_file = write_audit_page(tmp_path / "audit", found, str(tmp_path / "photos"))
    page = browser.new_page(offline=True)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(page_file.as_uri())
    for pressed, then in (
        ("next", "previous"),
        ("previous", "next"),
        ("reject", "reject"),
        ("undo", "next"),
        ("accept", "accept"),
        ("again", "next"),
    ):
        page.locator(f"#{pressed}").focus()
        page.keyboard.press("Enter")
        page.evaluate("() => new Promise(requestAnimationFrame).then(() => 0)")
        assert page.evaluate("document.activeElement.id") == then
    page.context.close()

"""What messages say is to be installed is what `setup.cfg` lists."""

import configparser
import re
from pathlib import Path

import pytest

from bottlebank.extras import PACKAGES, how_to_install

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("extra", PACKAGES)
def test_the_packages_of_an_extra_are_those_of_setup_cfg(extra):
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    wanted = re.findall(r"^[\w-]+", setup["options.extras_require"][extra], re.MULTILINE)
    words = how_to_install(extra).removeprefix("pip install ").split()
    assert [word.split("==")[0] for word in words] == wanted


def test_nothing_tells_people_to_install_bottlebank_from_an_index():
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    files += [path for path in ROOT.glob("*/**/*.py") if path.parts[len(ROOT.parts)] != "tests"]
    named = [
        str(path)
        for path in files
        if ".venv" not in path.parts
        and path.name != "CHANGELOG.md"
        and "bottlebank[" in path.read_text(encoding="utf-8")
    ]
    assert named == []

"""A network that can be fine-tuned in seconds, a head on it, and one run."""

import contextlib
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import bottlebank as bb
from bottlebank.features.backbones.registry import BACKBONES
from tests.conftest import write_photos

TOYS = Path(__file__).parents[2] / "toys"


class Case(NamedTuple):
    """What a run is given."""

    photos: Path
    head: Path
    cache: Path

    def finetune(self, output, **settings):
        common = {"cache": self.cache, "unfreeze": 2, "epochs": 4, "learning_rate": 1e-2}
        common |= {"precision": "float32", "engine": "openvino", "progress": False}
        return bb.finetune(self.photos, self.head, output, **{**common, **settings})


class KilledError(BaseException):
    """In the place of SIGKILL: nothing that handles errors takes it for one."""


def kill_before(patch, owner, name, n_before=0):
    """Have a call end the run, after some that are made."""
    usual, left = getattr(owner, name), [n_before]

    def call(*given, **named):
        if left[0] == 0:
            raise KilledError
        left[0] -= 1
        return usual(*given, **named)

    patch.setattr(owner, name, call)


@contextlib.contextmanager
def registered():
    """The network `tunable` is in the registry, and for other tests it is not."""
    sys.path.insert(0, str(TOYS))
    import toy_tunable

    BACKBONES["tunable"] = toy_tunable.LINE
    try:
        yield toy_tunable
    finally:
        del BACKBONES["tunable"]
        sys.path.remove(str(TOYS))


@pytest.fixture(scope="session")
def case(tmp_path_factory) -> Case:
    """Photographs and a head."""
    folder = tmp_path_factory.mktemp("finetuning")
    photos, cache = write_photos(folder / "photos"), folder / "cache"
    with registered():
        table = bb.extract(photos, "tunable", cache=cache, precision="float32", engine="openvino")
        bb.save_head(bb.train_head(table), folder / "head.h5")
    return Case(photos, folder / "head.h5", cache)


@pytest.fixture(scope="session")
def tuned(case, tmp_path_factory):
    """A run from its beginning to its end."""
    with registered():
        return case.finetune(tmp_path_factory.mktemp("tuned"))


@pytest.fixture(autouse=True)
def toy(case, tuned):
    """The network, which is in the registry."""
    with registered() as module:
        yield module

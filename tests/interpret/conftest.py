"""Networks that are differentiated, opened once for all tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bottlebank.interpret.opening import open_for_extractor

if TYPE_CHECKING:
    from bottlebank.interpret.network import DifferentiableNetwork


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> DifferentiableNetwork:
    """The `random` network, which has no layers to look at."""
    return open_for_extractor("random", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def lite(tmp_path_factory: pytest.TempPathFactory) -> DifferentiableNetwork:
    """A network with layers and ImageNet's weights."""
    return open_for_extractor("efficientnet_lite0", cache=tmp_path_factory.mktemp("cache"))

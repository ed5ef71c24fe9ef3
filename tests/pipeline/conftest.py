"""Transfer values of the pictures, and a head that was trained on them."""

import pytest

import bottlebank as bb


@pytest.fixture
def table(photos, cache):
    return bb.extract(
        bb.load_dataset(photos), "random", cache=cache, engine="openvino", precision="float32"
    )


@pytest.fixture
def trained(table):
    return bb.train_head(table)

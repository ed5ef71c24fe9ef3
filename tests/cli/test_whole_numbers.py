"""`--hidden`: how many units each hidden layer has, or none."""

import pytest


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("512", (512,)), ("256,256", (256, 256)), (" 8, 4,", (8, 4)), ("0", ())],
)
def test_layers_may_be_equal_or_none(parse, typed, meant):
    given = parse("train", "photos", "--output", "head.h5", "--hidden", typed)
    assert given["hidden"] == meant


@pytest.mark.parametrize("typed", ["", ",", "8,0", "-1", "many"])
def test_what_names_no_layer_is_refused(bottlebank, photos, typed):
    done = bottlebank("train", photos, "--head", "dense", "--hidden", typed)
    assert done.code == 2
    assert "--hidden" in done.err

"""Shapes, types and numbers of every operator, against TensorFlow's own results."""

import numpy as np
import pytest

from bottlebank.features.backbones.saved_model.flattening import Flattened
from bottlebank.features.backbones.saved_model.operators import ALLOWED
from bottlebank.features.backbones.saved_model.shapes import shapes_of
from bottlebank.features.backbones.saved_model.structure import MetaGraph
from bottlebank.features.backbones.saved_model.tensors import DTYPES
from bottlebank.features.backbones.saved_model.wire import field


@pytest.fixture(scope="module")
def made(networks):
    """What TensorFlow makes, by output, and what is known of it here."""
    with np.load(networks / "operators.npz") as held:
        results = dict(held)
    graph = results.pop("graph").tobytes()
    saved_model = field(2, field(1, field(4, "serve")) + field(2, graph))
    read = MetaGraph(memoryview(saved_model))
    flattened = Flattened(read)
    flattened.of_graph(list(results), {})
    known = shapes_of(flattened.nodes.values(), read.reader, {})
    return results, {f"{name}:{at}": of for name in known for at, of in enumerate(known[name])}


@pytest.mark.slow
def test_shapes_and_types_are_those_of_tensorflow(made):
    results, known = made
    assert len(results) > 150
    found = {name: (known[name].shape, DTYPES[known[name].data_type]) for name in results}
    assert found == {name: (value.shape, value.dtype) for name, value in results.items()}


def test_numbers_that_are_known_are_those_of_tensorflow(made):
    results, known = made
    checked = 0
    for name, value in results.items():
        if known[name].value is not None:
            np.testing.assert_allclose(known[name].value, value, rtol=1e-6, err_msg=name)
            checked += 1
    assert checked > 60


def test_every_operator_is_tried(made):
    tried = {name.rpartition("_")[0] for name in made[0]}
    assert ALLOWED - tried == {"Const"}

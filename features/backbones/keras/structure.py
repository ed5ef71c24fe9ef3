"""The structure of a Keras model, from what a file says of it: layers, and what calls what.

Both ways of writing it are read, that of Keras 3 and that of Keras 2. The classes of layers, their
settings and what they are called with are only those that `known_layers` and `known_operations`
list; nothing is looked up by a name in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from . import tensorflow_functions
from .calls import Call, Ref, read_calls, read_places, refs_of
from .known_layers import IGNORED, INACTIVE, KNOWN, OF_APPLICATIONS
from .known_operations import OPERATIONS
from .settings import (
    HARD_SIGMOID,
    HARD_SIGMOID_OF_KERAS_2,
    plain,
    read_settings,
    renamed,
    require_keras,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

FUNCTIONAL = ("Functional", "Model")
SEQUENTIAL = "Sequential"
INPUT = "InputLayer"
CALL = "its layer"

_MAX_LAYERS = 20_000
_MAX_NAME = 300
_CODE = ("Lambda", "__lambda__")
_REACHING_OUT = ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")


class Layer(NamedTuple):
    """A layer, an operation or a model inside of a model."""

    name: str
    kind: str
    """Its class."""
    settings: dict[str, Any]
    calls: tuple[Call, ...]
    model: Model | None = None
    trainable: bool = True
    said: str = ""
    """Its class, as the file says it."""


class Model(NamedTuple):
    """A model."""

    name: str
    kind: str
    layers: tuple[Layer, ...]
    inputs: tuple[Ref, ...]
    """Empty for a sequence whose input is not written down."""
    outputs: tuple[Ref, ...]
    trainable: bool
    shape: tuple[int | None, ...] | None
    """Of its input, without the axis of images."""
    dtype: str
    """Of its input."""


def read_model(given: Any, *, depth: int = 0) -> Model:
    """Read the description of a model.

    Raises
    ------
    ValueError
        With what it holds that is not known.
    """
    if not isinstance(given, dict):
        raise ValueError("it does not describe a model")
    kind, inner = given.get("class_name"), given.get("config")
    if depth > 8:
        raise ValueError("its models are nested too deeply")
    if kind not in (*FUNCTIONAL, SEQUENTIAL):
        raise ValueError(
            f"its model is of the class {str(kind)[:80]!r}, whose code the file does not hold: "
            f"export the network as ONNX"
        )
    require_keras(given, "its model")
    if isinstance(inner, list):  # the first versions
        inner = {"layers": inner}
    if not isinstance(inner, dict) or not isinstance(inner.get("layers"), list):
        raise ValueError("it describes a model without layers")
    if len(inner["layers"]) > _MAX_LAYERS:
        raise ValueError(f"it has more than {_MAX_LAYERS:,} layers")
    if not all(isinstance(each, dict) for each in inner["layers"]):
        raise ValueError("it describes a layer that is none")
    read = _sequential if kind == SEQUENTIAL else _functional
    return read(inner, depth)


def as_in_keras_2(model: Model) -> Model:
    """The model, with the functions that had another meaning in Keras 2."""

    def changed(layer: Layer) -> Layer:
        if layer.model is not None:
            return layer._replace(model=as_in_keras_2(layer.model))
        if layer.settings.get("activation") == HARD_SIGMOID:
            return layer._replace(
                settings={**layer.settings, "activation": HARD_SIGMOID_OF_KERAS_2}
            )
        return layer

    return model._replace(layers=tuple(map(changed, model.layers)))


def _functional(given: Mapping[str, Any], depth: int) -> Model:
    layers = [_layer(each, depth) for each in given["layers"]]
    names = [layer.name for layer in layers]
    if len({*names}) < len(names):
        raise ValueError("two of its layers have one name")
    inputs = read_places(given.get("input_layers"))
    outputs = read_places(given.get("output_layers"))
    if not inputs or not outputs:
        raise ValueError("it describes a model without input or output")
    layers, outputs = _with_counted_calls(layers, outputs, given["layers"])
    if any(ref.layer not in names for ref in inputs):
        raise ValueError("it describes a model without input or output")
    shapes = _inputs(given["layers"])
    shape, dtype = shapes.get(inputs[0].layer, (None, "float32"))
    return Model(
        _name(given.get("name", "model")),
        FUNCTIONAL[0],
        tuple(layers),
        tuple(inputs),
        tuple(outputs),
        given.get("trainable") is not False,
        shape,
        dtype,
    )


def _sequential(given: Mapping[str, Any], depth: int) -> Model:
    layers: list[Layer] = []
    shape, dtype = _shape(given.get("build_input_shape")), "float32"
    before: Ref | None = None
    inputs: tuple[Ref, ...] = ()
    for number, each in enumerate(given["layers"]):
        layer = _layer(each, depth)
        if number == 0:
            held = each.get("config")
            shape, dtype = _said(held, shape, dtype) if isinstance(held, dict) else (shape, dtype)
            if layer.model is not None and layer.model.shape is not None:
                shape, dtype = layer.model.shape, layer.model.dtype
        if layer.kind == INPUT:
            if number:
                raise ValueError(f"the input {layer.name!r} is not the first layer of its model")
            inputs = (Ref(layer.name, 0, 0),)
            before = inputs[0]
        else:
            call = Call((before,) if before else (Ref("", 0, 0),), {})
            layer = layer._replace(calls=(call,))
            before = Ref(layer.name, 0, 0)
        layers.append(layer)
    if before is None or len({layer.name for layer in layers}) < len(layers):
        raise ValueError("it describes a sequence of no layers, or two of one name")
    return Model(
        _name(given.get("name", "sequential")),
        SEQUENTIAL,
        tuple(layers),
        inputs or (Ref("", 0, 0),),
        (before,),
        given.get("trainable") is not False,
        shape,
        dtype,
    )


def _layer(given: Mapping[str, Any], depth: int) -> Layer:
    kind, inner = given.get("class_name"), given.get("config")
    if not isinstance(kind, str) or not isinstance(inner, dict | list):
        raise ValueError("it describes a layer without a class or settings")
    held = inner if isinstance(inner, dict) else {}
    name = _name(given.get("name", held.get("name")))
    where = f"{CALL} {name[:80]!r}"
    _require_class(given, kind, where)
    if kind in tensorflow_functions.CLASSES:
        kind, settings, calls = tensorflow_functions.read_function(given, where)
        return Layer(name, f"ops.{kind}", settings, calls, said=kind)
    calls = read_calls(given.get("inbound_nodes"), where)
    trainable = held.get("trainable") is not False
    layer = Layer(name, kind, {}, calls, None, trainable, kind)
    if kind in (*FUNCTIONAL, SEQUENTIAL):
        return layer._replace(model=read_model(given, depth=depth + 1))
    if kind == INPUT:
        return layer._replace(calls=())
    if kind in INACTIVE:
        return layer._replace(kind="Identity")
    if _is_operation(given):
        settings = read_settings(held, OPERATIONS[kind].settings, IGNORED, where)
        return layer._replace(kind=f"ops.{kind}", settings=settings)
    settings = read_settings(held, KNOWN[kind].settings, IGNORED, where)
    return layer._replace(settings=renamed(kind, settings))


def _is_operation(given: Mapping[str, Any]) -> bool:
    """Whether it is a function of `keras.ops`: HDF5 does not say it of those that layers share."""
    kind, module, nodes = given.get("class_name"), given.get("module"), given.get("inbound_nodes")
    if module is not None:
        return isinstance(module, str) and module.startswith("keras.src.ops.")
    if kind not in OPERATIONS or not isinstance(nodes, list):
        return False
    if kind not in KNOWN:
        return True
    first, held = nodes[0] if nodes else None, given.get("config")
    args = first.get("args") if isinstance(first, dict) else None
    its_own = {*OPERATIONS[kind].settings}.difference(KNOWN[kind].settings)
    return (isinstance(args, list) and len(args) > 1) or (
        isinstance(held, dict) and not its_own.isdisjoint(held)
    )


def _require_class(given: Mapping[str, Any], kind: str, where: str) -> None:
    """Refuse what is not one of the classes that are known."""
    shown = kind[:80]
    if kind in _CODE:
        raise ValueError(
            f"{where} holds code ({shown}), which is not run: export the network as ONNX"
        )
    if kind in _REACHING_OUT:
        raise ValueError(f"{where} is of the class {shown}, which reaches outside of the file")
    require_keras(given, where)
    is_known = kind in OPERATIONS if _is_operation(given) else kind in KNOWN or kind in INACTIVE
    if not is_known and kind not in (*FUNCTIONAL, SEQUENTIAL, INPUT, *tensorflow_functions.CLASSES):
        raise ValueError(
            f"{where} is of the class {shown!r}, which is not one that networks for pictures of "
            f"Keras's own layers have: export the network as ONNX"
        )
    module = given.get("module")
    home = OF_APPLICATIONS.get(kind)
    if home is not None and module not in (None, home, f"tf_{home}"):
        raise ValueError(f"{where} is of the module {str(module)[:80]!r}, not {home}")


def _with_counted_calls(
    layers: Sequence[Layer], outputs: Sequence[Ref], given: Sequence[Mapping[str, Any]]
) -> tuple[list[Layer], list[Ref]]:
    """Layers and outputs that count the calls of every layer from 0.

    Keras 2 counts those of a model inside of another from 1, unless it was made without an input;
    Keras 3 does so where outputs are named, if it is not a sequence. Every call is of use, so that
    one of them is the first.
    """
    known = {layer.name: layer for layer in layers}
    used = [ref for layer in layers for call in layer.calls for ref in refs_of(call)]
    if missing := [ref for ref in (*used, *outputs) if ref.layer not in known]:
        raise ValueError(
            f"it uses the output of {missing[0].layer[:80]!r}, which is not a layer of it"
        )
    models = {layer.name for layer in layers if layer.model is not None}
    if any(_is_of_keras_3(each.get("inbound_nodes")) for each in given):
        from_1: set[str] = set()
        outputs_from_1 = {name for name in models if known[name].kind != SEQUENTIAL}
        outputs_from_1 -= {ref.layer for ref in outputs if ref.call == 0}
    else:
        from_1 = models - {ref.layer for ref in (*used, *outputs) if ref.call == 0}
        outputs_from_1 = from_1

    def counted(value: Any, are_from_1: Collection[str] = from_1) -> Any:
        if isinstance(value, list):
            return [counted(each) for each in value]
        if not isinstance(value, Ref):
            return value
        layer = known[value.layer]
        call = value.call - (layer.name in are_from_1)
        if not 0 <= call < (1 if layer.kind == INPUT else len(layer.calls)):
            raise ValueError(f"it uses a call of {layer.name[:80]!r} that is not made")
        return value._replace(call=call)

    layers = [
        layer._replace(
            calls=tuple(
                Call(
                    tuple(map(counted, call.args)),
                    {name: counted(value) for name, value in call.kwargs.items()},
                )
                for call in layer.calls
            )
        )
        for layer in layers
    ]
    return layers, [counted(ref, outputs_from_1) for ref in outputs]


def _is_of_keras_3(calls: Any) -> bool:
    return isinstance(calls, list) and any(isinstance(each, dict) for each in calls)


def _inputs(given: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, str]]:
    """Shape and type of inputs, by name."""
    found = {}
    for each in given:
        held = each.get("config")
        if each.get("class_name") == INPUT and isinstance(held, dict):
            found[each.get("name", held.get("name"))] = _said(held, None, "float32")
    return found


def _said(held: Mapping[str, Any], shape: Any, dtype: str) -> tuple[Any, str]:
    """Shape and type of the input, as a layer says them."""
    for name in ("batch_shape", "batch_input_shape"):
        if held.get(name) is not None:
            shape = _shape(held[name])
    said = held.get("dtype")
    return shape, said if isinstance(said, str) else dtype


def _shape(given: Any) -> tuple[int | None, ...] | None:
    given = plain(given)
    if given is None:
        return None
    if not isinstance(given, list) or not all(
        each is None or (isinstance(each, int) and each > 0) for each in given
    ):
        raise ValueError(f"its input is of the shape {str(given)[:80]}")
    return tuple(given[1:])


def _name(given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= _MAX_NAME or "/" in given[:1]:
        raise ValueError(f"a layer is named {str(given)[:80]!r}")
    return given

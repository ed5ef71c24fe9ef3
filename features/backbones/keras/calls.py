"""With what layers of a Keras model are called, as both versions of Keras write it."""

from __future__ import annotations

from typing import Any, NamedTuple

from .settings import plain

CALLED_WITH = "is called with"

_MAX_NUMBER = 20_000


class Ref(NamedTuple):
    """What a call of a layer returns."""

    layer: str
    call: int
    output: int


class Call(NamedTuple):
    """With what a layer is called."""

    args: tuple[Any, ...]
    """References, plain values, and lists of them."""
    kwargs: dict[str, Any]


def read_calls(given: Any, where: str) -> tuple[Call, ...]:
    """The calls of a layer.

    Parameters
    ----------
    given
        What the file says of them.
    where
        Which layer, for messages.

    Raises
    ------
    ValueError
        When it says anything else.
    """
    if given is None:
        return ()
    if not isinstance(given, list):
        raise ValueError(f"{where} has no list of calls")
    return tuple(_call(each, where) for each in given)


def _call(given: Any, where: str) -> Call:
    if isinstance(given, dict):
        args, kwargs = given.get("args"), given.get("kwargs")
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise ValueError(f"{where} is called without arguments")
        return Call(
            tuple(read_argument(each, where) for each in args),
            # Whether it was called as in training says nothing: Keras 3 has it anew at each run.
            _keywords(
                {
                    name: read_argument(value, where)
                    for name, value in kwargs.items()
                    if name != "training"
                }
            ),
        )
    if not isinstance(given, list):
        raise ValueError(f"{where} is called without arguments")
    if given and isinstance(given[0], str):  # one tensor, not in a list
        given = [given]
    refs: list[Ref] = []
    kwargs = {}
    for each in given:  # of Keras 2
        if not isinstance(each, list) or len(each) not in (3, 4):
            raise ValueError(f"{where} is called with what is not a layer's output")
        refs.append(read_ref(each[:3]))
        if len(each) == 4 and isinstance(each[3], dict):
            kwargs |= each[3]
    kwargs = {name: _of_keras_2(value, where) for name, value in kwargs.items()}
    if kwargs.pop("training", None) not in (None, False):
        raise ValueError(f"{where} runs as in training, so that its output is not repeatable")
    argument = refs[0] if len(refs) == 1 else refs
    return Call((argument,), _keywords(kwargs))


def _of_keras_2(value: Any, where: str) -> Any:
    """A tensor is a list of a name and two numbers."""
    if isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str):
        return read_ref(value[:3])
    return read_argument(value, where)


def _keywords(given: dict[str, Any]) -> dict[str, Any]:
    """Without those that are as if they were not there."""
    return {
        name: value for name, value in given.items() if value is not None and value is not False
    }


def read_argument(given: Any, where: str, depth: int = 0) -> Any:
    """A reference, a plain value, a slice, or a list of them; ValueError for anything else."""
    if depth > 8:
        raise ValueError(f"{where} is called with lists that are nested too deeply")
    if isinstance(given, list):
        return [read_argument(each, where, depth + 1) for each in given]
    if isinstance(given, dict):
        kind, inner = given.get("class_name"), given.get("config")
        if kind == "__keras_tensor__" and isinstance(inner, dict):
            return read_ref(inner.get("keras_history"))
        if kind == "__ellipsis__":
            return Ellipsis
        if kind == "__slice__" and isinstance(inner, dict):
            return slice(*(_whole(inner.get(each)) for each in ("start", "stop", "step")))
    try:
        return plain(given)
    except ValueError as error:
        raise ValueError(f"{where} is called with what {error}") from error


def _whole(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return plain(value)
    raise ValueError(f"it takes a slice at {str(value)[:60]!r}")


def refs_of(call: Call) -> list[Ref]:
    """What a layer is called with."""
    found: list[Ref] = []

    def look(value: Any) -> None:
        if isinstance(value, Ref):
            found.append(value)
        elif isinstance(value, list):
            for each in value:
                look(each)

    for value in (*call.args, *call.kwargs.values()):
        look(value)
    return found


def read_ref(given: Any) -> Ref:
    """A name and two numbers; ValueError for anything else."""
    if (
        not isinstance(given, list)
        or len(given) != 3
        or not isinstance(given[0], str)
        or not all(isinstance(each, int) and 0 <= each < _MAX_NUMBER for each in given[1:])
    ):
        raise ValueError(f"it names an output that cannot be: {str(given)[:80]}")
    return Ref(*given)


def read_places(given: Any) -> list[Ref]:
    """The outputs of layers that are named in whatever lists and fields; ValueError for none.

    Those of fields are in the order of their names, not of the file: so Keras numbers them.
    """
    if isinstance(given, dict):
        given = [given[name] for name in sorted(given)]
    if not isinstance(given, list):
        raise ValueError("it describes a model without input or output")
    if given and isinstance(given[0], str):
        return [read_ref(given[:3])]
    return [place for each in given for place in read_places(each)]

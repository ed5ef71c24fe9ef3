"""Hostile and damaged weights files: refused with a reason, and nothing of them runs."""

import collections
import io
import os
import pickle
import pickletools
import struct
from typing import ClassVar

import numpy as np
import pytest

from bottlebank.errors import EngineError
from bottlebank.features import ExtractorSpec, recipe_for
from bottlebank.features.backbones.torch_file import read_torch_file

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}


class Named:
    """Pickled as a call of a function of any module."""

    def __init__(self, function, *arguments):
        self._call = function, arguments

    def __reduce__(self):
        return self._call


class _Storage:
    def __init__(self, name, n_elements):
        self.identity = ("storage", _Global("torch", "FloatStorage"), name, "cpu", n_elements, None)


class _Global:
    """A name that pickles as itself, whether its module exists or not."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def persistent_id(self, obj):
        return obj.identity if isinstance(obj, _Storage) else None

    def save_global_name(self, obj):
        self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())

    def save_call(self, obj):
        function, arguments = obj._call
        self.save(function)
        self.save(arguments)
        self.write(pickle.REDUCE)

    dispatch[_Global] = save_global_name
    dispatch[Named] = save_call


def pickled(value):
    file = io.BytesIO()
    _Pickler(file, 2).dump(value)
    return file.getvalue()


def tensor(storage, offset=0, shape=(2, 3), strides=(1, 2)):
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    return Named(rebuild, storage, offset, shape, strides, False, collections.OrderedDict())


def written(tensors, names=("0",), numbers=(tuple(range(6)),), *, system=SYSTEM):
    parts = [pickled(value) for value in (MAGIC, PROTOCOL, system, tensors, list(names))]
    for values in numbers:
        parts.append(struct.pack("<q", len(values)) + np.array(values, "<f4").tobytes())
    return b"".join(parts)


GOOD = {"weight": tensor(_Storage("0", 6))}


def read(data):
    return read_torch_file(io.BytesIO(data))


def test_strides_are_honoured():
    [(name, found)] = read(written(GOOD)).items()
    assert name == "weight"
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 2, 4], [1, 3, 5]]  # column by column in the file


def canary(path):
    return str(path / "canary")


CALLS = {
    "os.system": lambda path: Named(_Global("os", "system"), f"touch {canary(path)}"),
    "posix.system": lambda path: Named(_Global("posix", "system"), f"touch {canary(path)}"),
    "eval": lambda path: Named(_Global("builtins", "eval"), f"open({canary(path)!r}, 'w')"),
    "getattr": lambda path: Named(_Global("builtins", "getattr"), "x", "upper"),
    "open": lambda path: Named(_Global("builtins", "open"), canary(path), "w"),
    "subprocess": lambda path: Named(_Global("subprocess", "call"), ["touch", canary(path)]),
    "torch.load": lambda path: Named(_Global("torch", "load"), canary(path)),
    "another storage": lambda path: Named(_Global("torch", "HalfStorage"), 3),
    "numpy": lambda path: Named(_Global("numpy", "fromfile"), canary(path)),
    "OrderedDict": lambda path: Named(
        _Global("collections.abc", "OrderedDict"),
    ),
    "dotted": lambda path: Named(_Global("collections", "OrderedDict.fromkeys"), "ab"),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_function_is_called(tmp_path, name):
    with pytest.raises(EngineError, match="which no weights need"):
        read(written({"weight": CALLS[name](tmp_path)}))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("position", [0, 1, 2, 4])
def test_no_function_is_called_wherever_it_stands(tmp_path, position):
    values = [MAGIC, PROTOCOL, SYSTEM, GOOD, ["0"]]
    values[position] = CALLS["os.system"](tmp_path)
    with pytest.raises(EngineError, match="which no weights need"):
        read(b"".join(map(pickled, values)))
    assert os.listdir(tmp_path) == []


ODD = {
    "past the end": tensor(_Storage("0", 6), offset=3),
    "strides past the end": tensor(_Storage("0", 6), strides=(1, 200)),
    "negative offset": tensor(_Storage("0", 6), offset=-1),
    "negative strides": tensor(_Storage("0", 6), strides=(-1, 2)),
    "a huge view of few numbers": tensor(_Storage("0", 6), shape=(1 << 40,), strides=(0,)),
    "more strides than shape": tensor(_Storage("0", 6), strides=(1, 2, 3)),
    "another storage": tensor(_Storage("1", 6)),
    "a storage of absurd size": tensor(_Storage("0", 1 << 60)),
    "no storage": tensor("0"),
    "a number": 5,
    "none": None,
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_tensor_is_refused(name):
    with pytest.raises(EngineError, match="not a weights file that can be read"):
        read(written({"weight": ODD[name]}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        b"PK\3\4" + b"\0" * 100,  # torch.save's newer format, a zip file
        pickled(MAGIC),
        pickled(MAGIC) + pickled(1002),
        written(GOOD, system={**SYSTEM, "little_endian": False}),
        written(GOOD, system=[]),
        written([]),
        written(GOOD, names=()),
        written(GOOD, names=("0", "1")),
        written(GOOD, numbers=((1, 2),)),
        written(GOOD)[:-1],
        b"(" * 100_000 + b".",
        b"\x80\x02" + b"]" + b"(2" * 200_000 + b".",  # an ever larger memo
        b"\x8a\xff" + b"\xff" * 255 + b".",
        b"\x80\x02X\xff\xff\xff\x7f.",  # a string of 2 GB
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a memo of 2 billion places
    ],
)
def test_damage_is_refused(data):
    with pytest.raises(EngineError, match="not a weights file that can be read"):
        read(data)


def test_cuts_and_flipped_bits_only_raise_this_error():
    data = written(GOOD)
    for at in range(len(data)):
        with pytest.raises(EngineError):
            read(data[:at])
    for bit in range(8 * (len(data) - 24)):  # what is before the numbers
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            read(bytes(changed))
        except EngineError:
            continue


def test_the_real_file_names_what_the_reader_knows_and_nothing_else():
    data = recipe_for(ExtractorSpec("efficientnet_lite0"))[1].path.read_bytes()
    file, names = io.BytesIO(data), set()
    for _ in range(5):
        names |= {given for code, given, _ in pickletools.genops(file) if code.name == "GLOBAL"}
    assert names == {
        "collections OrderedDict",
        "torch FloatStorage",
        "torch LongStorage",
        "torch._utils _rebuild_tensor_v2",
    }

"""HDF5 files that hold what their readers must refuse: any of these changes, at any place."""

import h5py
import numpy as np

from bottlebank.cache.export_file import CHECKSUM

LEADS = "/etc/passwd"


def _replace(file, name, **how):
    held = file[name]
    data, shape, dtype = held[()], held.shape, held.dtype
    del file[name]
    given = how.keys() & {"data", "shape", "external"}
    file.create_dataset(name, **({} if given else {"data": data, "dtype": dtype}) | how)
    return shape


def _link(make):
    def change(file, name, random):
        target = make(file, str(random.choice(sorted(file))))
        del file[name]
        file[name] = target

    return change


def _stored(**how):
    def change(file, name, random):
        held = file[name]
        shape = tuple(max(1, length) for length in held.shape) or (1,)
        _replace(file, name, data=np.resize(held[()], shape), **how)

    return change


def _typed(dtype):
    return lambda file, name, random: _replace(file, name, shape=file[name].shape, dtype=dtype)


def _shaped(make):
    def change(file, name, random):
        held = file[name]
        _replace(file, name, shape=make(held.shape, random), dtype=held.dtype)

    return change


def _virtual(file, name, random):
    held = file[name]
    layout = h5py.VirtualLayout(held.shape, held.dtype)
    if held.shape:
        layout[...] = h5py.VirtualSource(LEADS, name, held.shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def _external(file, name, random):
    held = file[name]
    _replace(file, name, shape=held.shape, dtype="u1", external=[(LEADS, 0, h5py.h5f.UNLIMITED)])


def _group(file, name, random):
    del file[name]
    file[name] = file["/"] if random.random() < 0.5 else file.create_group("a/b/c")


def _more(file, name, random):
    new = str(random.choice(["more", "\u202e", "a b", "%s", "kernel_99", "x" * 5000]))
    file[new] = file[name]


def _attribute_more(file, name, random):
    where = file if random.random() < 0.5 else file[name]
    for number in range(int(random.choice([1, 3000]))):
        where.attrs[f"more {number}"] = number


def _attribute(value):
    def change(file, name, random):
        file.attrs[str(random.choice(sorted(file.attrs)))] = value(file)

    return change


def _attribute_gone(file, name, random):
    del file.attrs[str(random.choice(sorted(file.attrs.keys() - {CHECKSUM})))]


def _as_before_checksums(file, name, random):
    if CHECKSUM in file.attrs:
        del file.attrs[CHECKSUM]


CHANGES = {
    "soft link": _link(lambda file, other: h5py.SoftLink(f"/{other}")),
    "link to itself": _link(lambda file, other: h5py.SoftLink("/")),
    "dangling link": _link(lambda file, other: h5py.SoftLink("/no/where")),
    "external link": _link(lambda file, other: h5py.ExternalLink(LEADS, "/")),
    "a type": _link(lambda file, other: np.dtype("f4")),
    "group": _group,
    "virtual": _virtual,
    "external storage": _external,
    "chunked": _stored(chunks=True),
    "gzip": _stored(compression="gzip"),
    "lzf": _stored(compression="lzf"),
    "shuffled": _stored(shuffle=True),
    "checksummed": _stored(fletcher32=True),
    "huge chunks": _shaped(lambda shape, random: (2**40, 2)),
    "more rows": _shaped(lambda shape, random: (10 ** int(random.integers(6, 18)), *shape[1:])),
    "one dimension more": _shaped(lambda shape, random: (1, *shape)),
    "32 dimensions": _shaped(lambda shape, random: (1,) * 32),
    "scalar": _shaped(lambda shape, random: ()),
    "no value": lambda file, name, random: _replace(file, name, data=h5py.Empty("f4")),
    **{
        f"of type {dtype}": _typed(dtype)
        for dtype in ("f8", ">f4", ">i8", "c8", "S9", "V3", "(3,)f4", "f4,i4")
    },
    "references": _typed(h5py.ref_dtype),
    "regions": _typed(h5py.regionref_dtype),
    "lists": _typed(h5py.vlen_dtype(np.dtype("f4"))),
    "choices": _typed(h5py.enum_dtype({"A": 0, "B": 1})),
    "another name": _more,
    "missing": lambda file, name, random: file.__delitem__(name),
    "another attribute": _attribute_more,
    "attribute missing": _attribute_gone,
    "checksum missing": _as_before_checksums,
    "attribute a number": _attribute(lambda file: 3),
    "attribute a list": _attribute(lambda file: np.zeros(7)),
    "attribute of long strings": _attribute(lambda file: np.array(["x" * 9000] * 3, "S9000")),
    "attribute a reference": _attribute(lambda file: file.ref),
    "attribute of no value": _attribute(lambda file: h5py.Empty("S1")),
    "attribute of raw bytes": _attribute(lambda file: np.bytes_(b"\xff\xfe{\x01")),
}


def make_odd(path, seed):
    """Change an HDF5 file in one to three of these ways, by the seed; return which.

    None where h5py itself does not make what they come to together.
    """
    random = np.random.default_rng(seed)
    names = sorted(CHANGES)
    changes = [names[seed % len(names)]]
    changes += [str(random.choice(names)) for _ in range(int(random.integers(3)))]
    with h5py.File(path, "r+") as file:
        for change in changes:
            hard = [
                name
                for name in sorted(file)
                if isinstance(file.get(name, getlink=True), h5py.HardLink)
            ]
            arrays = [name for name in hard if isinstance(file[name], h5py.Dataset)]
            if not arrays or ("attribute" in change and not file.attrs):
                return None
            try:
                CHANGES[change](file, str(random.choice(arrays)), random)
            except (OSError, ValueError, MemoryError, TypeError):
                return None
    return changes

"""Reading a shard: from the storage itself, where a copy that is kept nearer is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ...errors import CacheUnreachableError, DamagedShardError
from .row_reader import BytesDifferError, RowReader
from .shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from ..keys import KeyArray
    from ..storage import Storage
    from .row_reader import Layout

_T = TypeVar("_T")


class IndexIsWrongError(Exception):
    """Signal: the index names a shard or row that is not there, or holds another key."""


def from_shard(
    storage: Storage, name: str, read: Callable[[Shard], _T], *, afresh: bool = False
) -> _T:
    """What `read` makes of a shard, which is open meanwhile.

    With `afresh` all is read from the storage itself, whatever copy there is.

    Raises
    ------
    FileNotFoundError, DamagedShardError
        As `Shard`; damage only where it is the storage's own.
    """
    if afresh:
        storage.drop_copy(name)
    try:
        with Shard(storage, name) as shard:
            return read(shard)
    except DamagedShardError:
        if not storage.drop_copy(name):
            raise
    with Shard(storage, name) as shard:
        return read(shard)


def read_rows(
    storage: Storage,
    name: str,
    layout: Layout,
    rows: NDArray[np.int64],
    keys: KeyArray,
    out: NDArray[np.float32],
    positions: NDArray[np.intp],
    is_listed: Callable[[str], bool],
) -> None:
    """Read ``out[positions[i]]``, row ``rows[i]`` of a shard, whose key is ``keys[i]``.

    Raises
    ------
    FileNotFoundError
        When the shard is gone and not listed any more.
    IndexIsWrongError
        When it has another layout or other keys.
    DamagedShardError
        When its bytes, in the storage itself, are not those that were written.
    """

    def read() -> None:
        with RowReader(storage, name, layout) as reader:
            if not reader.keys().take(rows).equals(keys):
                raise BytesDifferError("another key is stored with a row")
            reader.read(rows, out, positions)

    try:
        try:
            read()
        except (BytesDifferError, OSError):
            if not storage.drop_copy(name):
                raise
            read()
    except CacheUnreachableError:
        raise
    except (BytesDifferError, OSError) as error:
        if isinstance(error, FileNotFoundError) and not is_listed(name):
            raise  # a name that leads to nothing is damage
        with Shard(storage, name) as shard:
            if shard.layout != layout or not shard.keys().take(rows).equals(keys):
                raise IndexIsWrongError(f"the index does not fit {shard.path}") from error
            raise shard.damage(error) from error

"""How many connections the limit on open files allows."""

from __future__ import annotations

import contextlib
import resource

_OTHERS = 256
"""For files, decoders, and connections that are accepted before others are closed."""
_LEAST = 16


def max_connections(wanted: int) -> int:
    """As many as wanted, where the hard limit allows them; raises the soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(OSError, ValueError):  # where less is allowed than the hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return max(_LEAST, min(wanted, soft - _OTHERS))

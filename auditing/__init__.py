"""What may be wrong with a dataset, or missing from it, image by image.

One file per kind of finding, and a registry of them in `kinds`. Each sees the same `material`: a
table of transfer values, its split, what was predicted of each image out of fold, and what lies
near it. Nothing here changes a label: `answer` says what a person may look at.

May import ``training`` and below. A module is imported when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .answer import Audit, audit

__all__ = ["Audit", "audit"]

__getattr__, __dir__ = lazy_names(__name__, {"answer": ("Audit", "audit")})

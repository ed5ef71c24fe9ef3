"""Fine-tuning: the last blocks of a network and its head, trained together on cached maps.

`flow` is one run from the head file to the new one; `frozen_rows` caches what the frozen part makes
and reads it again, `trainer` trains in TensorFlow what is behind it, `epochs` says when to stop,
`checkpoint` lets a run go on that was killed, and `finetuned` compares.

May import what ``training`` may. A module is imported when one of its names is first used.
"""

from typing import TYPE_CHECKING

from ...lazy_names import lazy_names

if TYPE_CHECKING:
    from .finetuned import Finetuned
    from .flow import finetune

__all__ = ["Finetuned", "finetune"]

__getattr__, __dir__ = lazy_names(__name__, {"finetuned": ("Finetuned",), "flow": ("finetune",)})

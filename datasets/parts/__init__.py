"""A dataset in parts, for what needs each image once and not all of them together.

`opened` says what DATA is and looks through it once: what is wrong with it is said before anything
is done, and of images, only their number is kept. Then it is gone through in parts: those of
folders are named as they come; those of archives and tables can be remembered, so that they need
not be opened again while they do not change.

May import the rest of ``datasets``, and what that may import.
"""

from .opened import parts_of
from .part import NO_MEMORY, Memory, Part, Parts, Place, Remembered

__all__ = ["NO_MEMORY", "Memory", "Part", "Parts", "Place", "Remembered", "parts_of"]

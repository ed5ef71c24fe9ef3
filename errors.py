"""The errors that callers of bottlebank meet.

What a command, a route or a public name raises on purpose is a :class:`BottlebankError`, so that a
program can catch them all at once, and also the built-in exception that a caller would expect in
its place. The message says what was expected, what was received and what to do next. ``exit_code``
is what the command line ends with: 2 for wrong usage that is found before any work, 1 for
everything else. An error that only one room raises stands in that room.

Below that there are two other kinds. Readers of files, keys and names raise a built-in error whose
text is the reason alone; whoever knows the path makes it a BottlebankError of that. Signals are
exceptions by which one module stops another, which catches them; their docstrings begin so.
`tests/test_errors.py` lists both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def in_brief(error: object, max_length: int = 300) -> str:
    """The text of an error as one line of bounded length, to be quoted in another message.

    Libraries tell their inner state on many lines, and may quote whatever a file holds.
    """
    text = " ".join(str(error).split())
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


class BottlebankError(Exception):
    """Base of all errors raised by bottlebank."""

    exit_code = 1


class UsageError(BottlebankError, ValueError):
    """An argument that cannot be meant: an unknown name, a wrong extension, a bad number."""

    exit_code = 2


class ParameterError(UsageError):
    """A parameter with a value that is not taken; the message begins with `parameter`, its name.

    The command line puts the option in the place of the name.
    """

    def __init__(self, parameter: str, rest: str) -> None:
        super().__init__(f"{parameter} {rest}")
        self.parameter = parameter


class WrongTypeError(UsageError, TypeError):
    """An argument of a type that is not taken there, such as a head where a table is expected."""


class NotAHeadError(WrongTypeError):
    """An object that cannot be written as a head: another estimator, or one that is not fitted."""


class DatasetError(UsageError):
    """A folder or CSV file from which no dataset can be read."""


class UnknownExtractorError(UsageError, LookupError):
    """A name that no backbone of the registry has."""


class WeightsNotFoundError(BottlebankError, FileNotFoundError):
    """Weights that are neither on this machine nor can be downloaded."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause}: {remedy}" if remedy else cause)
        self.cause, self.remedy = cause, remedy

    def offering(self, first: str) -> WeightsNotFoundError:
        """The same with something else that can be done, before the rest."""
        return type(self)(self.cause, f"{first}; or {self.remedy}")


class ImageRejectedError(BottlebankError, ValueError):
    """An image that cannot be decoded; the message is the reason."""


class EngineError(BottlebankError, RuntimeError):
    """An inference engine that is missing, or whose numbers are not the network's."""

    extractor: str = ""
    attempts: Sequence[tuple[str, str]] = ()
    """What was tried to run the extractor, such as ``openvino in float32``, and why it failed."""

    @classmethod
    def of_attempts(cls, extractor: str, attempts: Iterable[tuple[str, str]]) -> EngineError:
        """Nothing that was tried runs it; equal reasons are given once."""
        attempts = tuple(dict.fromkeys(attempts))
        by_reason: dict[str, list[str]] = {}
        for tried, reason in attempts:
            by_reason.setdefault(reason, []).append(tried)
        reasons = [f"{', '.join(tried)}: {reason}" for reason, tried in by_reason.items()]
        if len(reasons) == 1 and len(attempts) > 1:  # it does not lie with the engine
            reasons = [*by_reason]
        error = cls(f"no engine can run {extractor}: {'; '.join(reasons)}")
        error.extractor, error.attempts = extractor, attempts
        return error

    def offering(self, remedy: str) -> EngineError:
        """The same with something else that can be done."""
        error = type(self)(f"{self}; or {remedy}")
        error.extractor, error.attempts = self.extractor, self.attempts
        return error


class LibraryNotFoundError(BottlebankError, ModuleNotFoundError):
    """A library that only this needs, and that is not installed."""


class OtherProcessError(BottlebankError, RuntimeError):
    """Something that works only in the process that started it, used in or sent to another."""


class TemporaryFileError(BottlebankError, OSError):
    """A temporary file for which there is no room, or no folder."""


class CacheError(BottlebankError, OSError):
    """A cache folder that cannot be read or written."""


class CacheLockedError(CacheError, BlockingIOError):
    """Another process is writing to the same variant of the cache."""


class CacheUnreachableError(CacheError):
    """An object store that does not answer, or does not let in; nothing is said of its rows."""


class DamagedShardError(CacheError):
    """A shard whose bytes are not those that were written."""


class UnreadableShardError(DamagedShardError):
    """A shard that the system does not let read, whatever its bytes are: it is kept."""


class NewerShardError(UnreadableShardError):
    """A shard that a newer version has written: it is kept."""


class MissingRowsError(CacheError, LookupError):
    """Rows that were asked for and are not in the cache."""


class RecipeError(BottlebankError, ValueError):
    """A recipe, from a cache, a head file or an export, that this version cannot read."""


class NewerRecipeError(RecipeError):
    """A recipe of a newer version, which has fields that this one does not know."""


class HeadFileError(BottlebankError, ValueError):
    """A head file that is missing, damaged or not a head file."""


class HeadMismatchError(HeadFileError):
    """A head that was trained on the transfer values of another extractor."""

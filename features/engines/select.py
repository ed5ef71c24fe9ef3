"""Choosing the engine that runs a network on this machine, and checking what it computes."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BottlebankError, EngineError, in_brief
from ...fork_safety import import_whole
from ...hardware import may_have_gpu
from ..backbones.weights import WrongWeightsError
from .agreement import DisagreesError, require_agreement
from .network import Network
from .registry import AUTO, ENGINES, GPU_ENGINES, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .base import Engine

logger = logging.getLogger(__name__)

_SYSTEMS = {"darwin": "Macs", "win32": "Windows"}


def start_engine(
    network: Network, engine: str, precisions: Sequence[str], *, many: bool, gpu: bool
) -> Engine:
    """Start the first engine and precision that run on this machine and agree with the reference.

    Every engine but TensorFlow in float32 is checked when it starts: a few synthetic images go
    through it, and the cosine with what the reference (see `Network.reference`) made of them must
    reach the precision's limit. The parameters are those of `open_extractor`.

    Raises
    ------
    EngineError
        When nothing that was requested runs here; with the reason of each.
    WrongWeightsError
        When the weights are of another network.
    """
    attempts: list[tuple[str, str]] = []
    for precision in precisions:
        candidates = list(_candidates(engine, precision, gpu))
        for candidate in candidates:
            try:
                return _start(candidate, precision, network, many)
            except WrongWeightsError:
                raise
            except EngineError as error:
                attempts.append((f"{candidate.engine} in {precision}", str(error)))
                level = logging.WARNING if isinstance(error, DisagreesError) else logging.INFO
                logger.log(level, "not used: %s: %s", *attempts[-1])
        if not candidates:
            reason = (
                f"no engine computes in {precision} on a CPU, unless it is named: "
                f"--engine onnxruntime"
            )
            attempts.append((f"{engine} in {precision}", reason))
    raise EngineError.of_attempts(network.recipe.extractor, attempts)


def preferences(engine: str) -> Iterator[tuple[str, str]]:
    """What ``auto`` tries for many images on this machine: engines, each with a precision.

    The fastest comes first: on a GPU, then on the CPU.
    """
    if may_have_gpu():
        for name in GPU_ENGINES:
            if name in _meant_by(engine) and _finds_gpu(name):
                yield from ((name, precision) for precision in ENGINES[name].gpu_precisions)
    yield from ((engine, precision) for precision in preferred_precisions(engine))


def preferred_precisions(engine: str) -> Sequence[str]:
    """What ``auto`` computes in on this machine's CPU, fastest first."""
    first = ENGINES[_meant_by(engine)[0]]
    if len(first.precisions) == 1:
        return first.precisions
    try:
        return import_whole(first.module, __package__).supported_precisions()
    except Exception:  # noqa: BLE001 (whatever its library raises: starting it says what)
        return ("float32",)


def _finds_gpu(engine: str) -> bool:
    try:
        return import_whole(ENGINES[engine].module, __package__).has_gpu()
    except Exception as error:  # noqa: BLE001 (whatever its library raises: the next one follows)
        logger.info("not used: %s: %s", engine, error)
        return False


def only_precision(engine: str) -> str | None:
    """The one precision that is worth computing in with an engine on this machine, if it is one."""
    if engine == AUTO or (ENGINES[engine].on_gpu and may_have_gpu()):
        return None
    precisions = ENGINES[engine].precisions
    return precisions[0] if len(precisions) == 1 else None


def expected_engine(engine: str, precision: str) -> str:
    """The engine that ``auto`` tries first in a precision, of those that are installed."""
    for name in _meant_by(engine):
        entry = ENGINES[name]
        computes = precision in (*entry.precisions, *entry.gpu_precisions)
        if name == engine or (computes and (not entry.library or find_spec(entry.library))):
            return name
    return REFERENCE


def expected_batch_size(engine: str) -> int:
    """Images in a call that are expected to keep an engine busy, before it has started."""
    return 1 if engine == AUTO else ENGINES[engine].batch_size


class _Candidate(NamedTuple):
    engine: str
    only_on_gpu: bool = False


def _meant_by(engine: str) -> list[str]:
    if engine != AUTO:
        return [engine]
    return [name for name, entry in ENGINES.items() if entry.is_automatic]


def _candidates(engine: str, precision: str, gpu: bool) -> Iterator[_Candidate]:
    if engine != AUTO:
        yield _Candidate(engine)
        return
    if gpu and may_have_gpu():
        for name in GPU_ENGINES:
            if precision in ENGINES[name].gpu_precisions:
                yield _Candidate(name, True)
    for name in _meant_by(engine):
        if precision in ENGINES[name].precisions:
            yield _Candidate(name)


def _start(candidate: _Candidate, precision: str, network: Network, many: bool) -> Engine:
    entry = ENGINES[candidate.engine]
    if entry.only_on not in ("", sys.platform):
        raise EngineError(f"{entry.title} is only on {_SYSTEMS[entry.only_on]}")
    try:
        module: Any = import_whole(entry.module, __package__)
        if candidate.only_on_gpu and not module.has_gpu():
            raise EngineError(f"{entry.title} finds no GPU that it can use")
        started = module.start(network, precision, many=many)
        if candidate.engine == REFERENCE:  # others read a converted network, which is compared
            network.require_same_weights()
        if (candidate.engine, precision) != (REFERENCE, "float32"):
            require_agreement(started, network, many=many)
    except BottlebankError:
        raise
    except ImportError as error:
        remedy = f": pip install {entry.package}" if entry.package else ""
        raise EngineError(f"{entry.title} cannot be imported ({error}){remedy}") from error
    except Exception as error:  # whatever its library raises
        reason = in_brief(error) or type(error).__name__
        raise EngineError(f"{entry.title} does not start: {reason}") from error
    return started

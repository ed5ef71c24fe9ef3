"""Networks of the Hugging Face Hub: ``hf:owner/name[@revision]``, downloaded by huggingface_hub.

It keeps them in its own cache, where other programs find them too. Only files that say how pixels
are made, the README and one network are downloaded; nothing in them is run.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ....errors import (
    BottlebankError,
    LibraryNotFoundError,
    UnknownExtractorError,
    UsageError,
    WeightsNotFoundError,
    in_brief,
)
from ....extras import how_to_install
from ....progress import Progress
from ..registry import HUB
from .folder import README, licence_of, names_in, network_in
from .pixels import PIXELS, read_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)


# As the Hub has names.
_PART = r"\w(?:[\w.-]{0,94}\w)?"
_NAME = re.compile(rf"hf:(?P<id>{_PART}/{_PART})(?:@(?P<revision>\w[\w./+-]{{0,199}}))?", re.ASCII)
_MAX_ID = 96
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_S = 10.0  # for an answer, not for a download


class Repository(NamedTuple):
    """A repository of the Hub, at a revision."""

    id: str
    """``owner/name``."""
    revision: str | None
    """A branch, a tag or a commit; None: the newest of the main branch."""

    @classmethod
    def parse(cls, extractor: str) -> Repository:
        """Read ``hf:owner/name[@revision]``.

        Raises
        ------
        UsageError
            When it is anything else.
        """
        found = _NAME.fullmatch(extractor)
        if (
            found is None
            or ".." in extractor
            or "--" in found["id"]
            or found["id"].endswith(".git")
            or len(found["id"]) > _MAX_ID
        ):
            raise UsageError(
                f"expected hf:owner/name or hf:owner/name@revision, as in "
                f"hf:Xenova/dinov2-small; received {in_brief(repr(extractor))}"
            )
        return cls(found["id"], found["revision"])

    def __str__(self) -> str:
        return HUB + self.id + ("" if self.revision is None else f"@{self.revision}")


def pinned(extractor: str, folder: Path) -> str:
    """The name of what is in a folder that `download` gave: with the commit as its revision."""
    return str(Repository.parse(extractor)._replace(revision=folder.name))


def download(extractor: str, timeout_s: float | None = None, progress: bool | None = None) -> Path:
    """The folder of a repository, downloaded where it is not here yet.

    A commit that is here is taken without asking the Hub. Where the Hub cannot be reached, what was
    downloaded of a branch last is taken, and a warning names its commit.

    Parameters
    ----------
    extractor
        ``hf:owner/name[@revision]``.
    timeout_s
        Give up waiting for an answer of the Hub after this long; None: after 10 s.
    progress
        Show a download on stderr, as `Progress` has it.

    Returns
    -------
    Path
        It has the name of the commit.

    Raises
    ------
    UsageError
        When `extractor` is not such a name.
    UnknownExtractorError
        When there is no such repository or revision, or no ONNX file in it.
    WeightsNotFoundError
        When it is not here, and cannot be downloaded.
    LibraryNotFoundError
        When huggingface_hub is not installed.
    """
    repository = Repository.parse(extractor)
    hub = _library(repository)
    if repository.revision is not None and _COMMIT.fullmatch(repository.revision):
        here = _kept(hub, repository)
        if here is not None:
            return here
    try:
        return _download_folder(
            hub, repository, _TIMEOUT_S if timeout_s is None else timeout_s, progress
        )
    except BottlebankError:
        raise
    except hub.errors.GatedRepoError as error:
        raise WeightsNotFoundError(
            f"{repository} is given only to those who accept its licence: do so at "
            f"https://huggingface.co/{repository.id}, then run `hf auth login`"
        ) from error
    except hub.errors.RepositoryNotFoundError as error:
        raise UnknownExtractorError(
            f"the Hugging Face Hub has no model {repository.id}, or it is private: run "
            f"`hf auth login`"
        ) from error
    except hub.errors.RevisionNotFoundError as error:
        raise UnknownExtractorError(
            f"{repository.id} has no revision {repository.revision}; https://huggingface.co/"
            f"{repository.id}/commits/main lists them"
        ) from error
    except Exception as error:  # whatever its HTTP library raises
        here = _kept(hub, repository)
        if here is None:
            raise WeightsNotFoundError(
                f"{repository} is not on this machine, and the Hugging Face Hub cannot be reached "
                f"({_reason(error)}): run this once where it can be, or copy the repository's "
                f"folder here and give its path as the extractor"
            ) from error
        if not isinstance(error, hub.errors.OfflineModeIsEnabled):
            logger.warning(
                "the Hugging Face Hub cannot be reached (%s): %s is used as downloaded before",
                _reason(error),
                pinned(extractor, here),
            )
        return here


def _library(repository: Repository) -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise LibraryNotFoundError(
            f"{repository} needs the library huggingface_hub, which cannot be imported ({error}): "
            f"{how_to_install('hf')}"
        ) from error
    return huggingface_hub


def _download_folder(
    hub: Any, repository: Repository, timeout_s: float, progress: bool | None
) -> Path:
    info = hub.HfApi().model_info(
        repository.id, revision=repository.revision, timeout=timeout_s, files_metadata=True
    )
    sizes = {file.rfilename: file.size or 0 for file in info.siblings}
    try:
        network = network_in(sizes)
    except UnknownExtractorError as error:
        raise UnknownExtractorError(f"{repository}: {error}") from error
    said = [name for name in (*PIXELS, README) if name in sizes]
    wanted = [name for name in sizes if _belongs_to(name, network)]

    def fetch(revision: str | None, names: Sequence[str]) -> Path:
        return Path(
            hub.snapshot_download(
                repository.id,
                revision=revision,
                allow_patterns=names,
                etag_timeout=timeout_s,
                tqdm_class=_silent_bar(hub),
            )
        )

    folder = fetch(repository.revision, said)
    read_pixels(folder)  # before the network, which may be large, is downloaded for nothing
    if not all((folder / name).exists() for name in wanted):
        licence = licence_of(folder)
        logger.warning(
            "%s: %s",
            pinned(str(repository), folder),
            f"licence {licence}" if licence else "it names no licence: ask who published it",
        )
        n_bytes = sum(sizes[name] for name in wanted)
        with Progress(f"Downloading {network}, {n_bytes / 1e6:,.0f} MB", show=progress):
            fetch(folder.name, wanted)
    return folder


def _belongs_to(name: str, network: str) -> bool:
    """Whether a file is a network, or has its numbers where those are more than 2 GB."""
    return (
        name == network or re.fullmatch(rf"{re.escape(network)}[._]data(_\d+)?", name) is not None
    )


def _kept(hub: Any, repository: Repository) -> Path | None:
    """The folder that was downloaded before; None where it, or a file in it, is missing."""

    def find(names: Sequence[str]) -> Path:
        return Path(
            hub.snapshot_download(
                repository.id,
                revision=repository.revision,
                allow_patterns=names,
                local_files_only=True,
            )
        )

    try:
        network = network_in(names_in(find(PIXELS)))
        return find([network, f"{network}?data*"])  # raises where the download was interrupted
    except Exception:  # noqa: BLE001 (whatever it raises: it is not here)
        return None


def _silent_bar(hub: Any) -> type:
    """A class of progress bars that are not shown, since `Progress` is."""

    class SilentBar(hub.utils.tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "disable": True})

    return SilentBar


def _reason(error: Exception) -> str:
    return in_brief(error, 150) or type(error).__name__

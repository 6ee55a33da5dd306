"""The Hugging Face hub: what a revision of a model consists of, and its files, downloaded and checked.

A download that breaks off is continued by the next run. `hf_hub_download` no longer does that (it throws the part away
that it has), so the file is kept here and huggingface_hub's `http_get` appends to it.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from httpx2 import TransportError
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from workbench.models.bundles import sha256_of
from workbench.models.errors import ModelError

# Seconds to wait before each further attempt when the hub has trouble of its own.
_WAITS = (1.0, 2.0, 4.0)
_PASSING = frozenset({429, 500, 502, 503, 504})

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class HubFile:
    """A file of a model on the hub, as far as is known: `size` in bytes, checksums in hex.

    `sha256` is what the hub says of a large file and the lock of every file; `git_sha1` is git's name of a small one.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True)
class Revision:
    """A model on the hub at one commit, and all of its files."""

    source: str
    commit: str
    files: tuple[HubFile, ...]


class Hub:
    """The hub at `endpoint` (the one that `HF_ENDPOINT` names, or huggingface.co), and downloads from it in `cache`."""

    def __init__(self, cache: Path, endpoint: str | None = None) -> None:
        self._cache = cache
        self._endpoint = endpoint or constants.ENDPOINT

    def resolve(self, source: str, revision: str) -> Revision:
        """What `revision`, a branch, tag or commit of the model `source`, is now.

        Raises:
            ModelError: there is no such model or revision, it may not be read, or the hub cannot be reached.
        """
        api = HfApi(endpoint=self._endpoint)
        with self._explained(source, revision):
            info = _retried(lambda: api.model_info(source, revision=revision, files_metadata=True))
        if info.sha is None:
            raise ModelError(f"{self._endpoint} does not say which commit {revision} of {source} is; it is no hub.")
        files = [
            HubFile(
                file.rfilename,
                file.lfs.size if file.lfs else file.size,
                file.lfs.sha256 if file.lfs else None,
                None if file.lfs else file.blob_id,
            )
            for file in info.siblings or []
        ]
        return Revision(source, info.sha, tuple(files))

    def folder(self, source: str, commit: str) -> Path:
        """Where the downloaded files of a commit lie."""
        return self._cache / source.replace("/", "--") / commit

    def download(self, source: str, commit: str, files: Sequence[HubFile], *, locked: bool) -> Path:
        """The folder with `files` of a commit, downloaded where they are not there yet, and all checked.

        `locked` says that the checksums are those of the lock, and not only the hub's own.

        Raises:
            ModelError: a file cannot be downloaded or stored, or is not what it should be. What was received is kept
                for the next run, unless it is wrong.
        """
        folder = self.folder(source, commit)
        with self._explained(source, commit):
            folder.mkdir(parents=True, exist_ok=True)
            missing = [file for file in files if not self._is_there(folder / file.path, file)]
            needed = sum(_remaining(folder, file) for file in missing)
            if needed > (free := shutil.disk_usage(folder).free):
                raise ModelError(
                    f"{source} needs {needed / 1e6:.0f} MB of disk space in {self._cache} and there are "
                    f"{free / 1e6:.0f} MB; make room (`python -m workbench models gc` may help) and run this again."
                )
            for file in missing:
                self._download(folder, source, commit, file, locked)
        return folder

    def _is_there(self, path: Path, file: HubFile) -> bool:
        """Whether the file has been downloaded; one that has changed since is removed."""
        if not path.is_file():
            return False
        if _problem(path, file):
            path.unlink()
            return False
        return True

    def _download(self, folder: Path, source: str, commit: str, file: HubFile, locked: bool) -> None:
        target = folder / file.path
        partial = _partial(folder, file)
        partial.parent.mkdir(parents=True, exist_ok=True)
        if file.size is not None and partial.exists() and partial.stat().st_size > file.size:
            partial.unlink()
        url = hf_hub_url(source, file.path, revision=commit, endpoint=self._endpoint)

        def get() -> None:
            with partial.open("ab") as stream:
                http_get(
                    url,
                    stream,
                    resume_size=stream.tell(),
                    # A compressed answer could not be continued.
                    headers={**build_hf_headers(), "Accept-Encoding": "identity"},
                    expected_size=file.size,
                    displayed_filename=file.path,
                )

        _retried(get)
        if problem := _problem(partial, file):
            partial.unlink()
            raise ModelError(
                f"{file.path} of {source} at {commit[:7]} {problem}, so it was thrown away. "
                + (
                    "Somebody has changed what models.lock.json vouches for; find out why before you accept it with "
                    "--update."
                    if locked
                    else "Run this again; if it stays so, something between here and the hub alters it."
                )
            )
        partial.replace(target)

    @contextmanager
    def _explained(self, source: str, revision: str) -> Iterator[None]:
        """Turns the errors of the hub, the network and the disk into sentences."""
        try:
            yield
        except GatedRepoError as error:
            raise ModelError(
                f"{source} is gated: accept its terms at {self._endpoint}/{source}, make a token that may read it at "
                f"{self._endpoint}/settings/tokens, and set HF_TOKEN to it."
            ) from error
        except RevisionNotFoundError as error:
            raise ModelError(
                f"{source} has no revision {revision}; give a branch, a tag or a whole commit that "
                f"{self._endpoint}/{source}/commits/main shows, or run with --update if it was locked and is gone."
            ) from error
        except RepositoryNotFoundError as error:
            hint = f" To use the folder of that name, write ./{source}." if Path(source).is_dir() else ""
            raise ModelError(
                f"There is no model {source} at {self._endpoint}, or it is private: check the name, or set HF_TOKEN to "
                f"a token that may read it.{hint}"
            ) from error
        except EntryNotFoundError as error:
            raise ModelError(f"{source} at {revision[:7]} lacks a file that it had ({_first_line(error)}).") from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status in (401, 403):
                raise ModelError(
                    f"{self._endpoint} refuses to hand out {source} (HTTP {status}): set HF_TOKEN to a token that may "
                    "read it, or correct the one that is set."
                ) from error
            raise ModelError(
                f"{self._endpoint} answers HTTP {status} for {source}; try again later. What was received is kept."
            ) from error
        except HFValidationError as error:
            raise ModelError(
                f"{source} is no name of a model: give an id such as distilbert/distilbert-base-cased, or a folder that "
                "begins with ./ or /."
            ) from error
        except (OfflineModeIsEnabled, TransportError) as error:
            reason = "HF_HUB_OFFLINE is set" if isinstance(error, OfflineModeIsEnabled) else _first_line(error)
            raise ModelError(
                f"{self._endpoint} cannot be reached ({reason}), and {source} has not been downloaded whole; connect and "
                "run this again, which continues where it stopped."
            ) from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise ModelError(
                    f"The disk is full: {self._cache} takes no more of {source}. Make room and run this again, which "
                    "continues where it stopped."
                ) from error
            raise ModelError(f"{source} cannot be downloaded: {_first_line(error)}.") from error


def _partial(folder: Path, file: HubFile) -> Path:
    return folder / f"{file.path}.partial"


def _remaining(folder: Path, file: HubFile) -> int:
    """Bytes of a file that are still to come, 0 where its size is not known."""
    partial = _partial(folder, file)
    return max(0, (file.size or 0) - (partial.stat().st_size if partial.exists() else 0))


def _problem(path: Path, file: HubFile) -> str | None:
    """How the file at `path` differs from what is known of it."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"has {size} bytes instead of {file.size}"
    if file.sha256 is not None and (actual := sha256_of(path)) != file.sha256:
        return f"has SHA-256 {actual[:12]}... instead of {file.sha256[:12]}..."
    if file.git_sha1 is not None and (actual := _git_sha1(path)) != file.git_sha1:
        return f"has git's SHA-1 {actual[:12]}... instead of {file.git_sha1[:12]}..."
    return None


def _git_sha1(path: Path) -> str:
    """What git calls a file of this content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _retried(call: Callable[[], _Result]) -> _Result:
    """What `call` gives, tried again while the hub answers that the trouble is its own and passing."""
    for wait in _WAITS:
        try:
            return call()
        except HfHubHTTPError as error:
            if error.response.status_code not in _PASSING:
                raise
            time.sleep(wait)
    return call()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")

"""A stand-in for the Hugging Face hub on the loopback interface: serves real files as the hub does, faults included.

Small files come straight from the repository, large ones by a redirect to another address, with the headers that
huggingface_hub reads. Faults are ordered by the tests: an error status a number of times, a connection that breaks
off, altered bytes, a repository that is gated or private.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

# The hub keeps files of these kinds in its large file storage.
LARGE = (".safetensors", ".bin", ".model")
TOKEN = "hf_stand_in"


@dataclass
class Repository:
    """Commits and their files, what branches and tags point to, and whom it is open to."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False


@dataclass(frozen=True)
class Request:
    """A request that the hub has seen; `start` is where its range begins."""

    method: str
    path: str
    start: int
    authorization: str | None


class HubServer:
    """The hub's content, the faults that it is to show, and the requests that it has seen."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        # By the end of the path of a request:
        self.failures: dict[str, list[int]] = {}  # statuses to answer with, one a request
        self.breaks: dict[str, int] = {}  # bytes after which the next answer breaks off
        self.altered: set[str] = set()  # answers of the right size with other bytes

    def publish(self, source: str, files: Mapping[str, bytes], *, branch: str = "main") -> str:
        """Adds a commit with `files` to the model `source`, moves `branch` to it, and returns it."""
        repository = self.repositories.setdefault(source, Repository())
        content = b"".join(path.encode() + data for path, data in sorted(files.items()))
        commit = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        repository.commits[commit] = dict(files)
        repository.references[branch] = commit
        return commit

    def fetched(self, path: str) -> list[int]:
        """Where each request for a file began, in order; those that are sent on to another address count once."""
        return [request.start for request in self.requests if request.path.endswith(f"/{path}")]

    def fault(self, table: Mapping[str, object] | set[str], path: str) -> str | None:
        """The key of a table of faults that is meant by the path of a request."""
        return next((key for key in table if path.endswith(key)), None)


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """A hub on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = HubServer(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"hub": hub})
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        ranged = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(ranged[1]) if ranged else 0
        self.hub.requests.append(Request(self.command, path, start, self.headers.get("Authorization")))
        key = self.hub.fault(self.hub.failures, path)
        if key and self.hub.failures[key]:
            self._error(self.hub.failures[key].pop(0), None, "out of order")
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            self._information(match[1], match[2])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(match[1], match[2], match[3], start)
        elif match := re.fullmatch(r"/storage/([^/]+/[^/]+)/([^/]+)/(.+)", path):
            self._send_file(self.hub.repositories[match[1]].commits[match[2]][match[3]], match[3], start)
        else:
            self._error(404, None, "no such address")

    def _information(self, source: str, revision: str) -> None:
        if (found := self._find(source, revision)) is None:
            return
        commit, files = found
        siblings = []
        for path, data in files.items():
            sibling: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": _git_sha1(data)}
            if path.endswith(LARGE):
                sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(sibling)
        body = json.dumps({"id": source, "modelId": source, "sha": commit, "private": False, "siblings": siblings})
        self._send(200, body.encode(), {"Content-Type": "application/json"})

    def _file(self, source: str, revision: str, path: str, start: int) -> None:
        if (found := self._find(source, revision)) is None:
            return
        commit, files = found
        if self.hub.repositories[source].gated and not self._authorized():
            self._error(401, "GatedRepo", f"Access to model {source} is restricted.")
        elif path not in files:
            self._error(404, "EntryNotFound", "Entry not found")
        elif path.endswith(LARGE):
            sha256 = hashlib.sha256(files[path]).hexdigest()
            headers = {
                "Location": f"{self.hub.endpoint}/storage/{source}/{commit}/{path}",
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(len(files[path])),
                "X-Linked-Etag": f'"{sha256}"',
            }
            self._send(302, b"", headers)
        else:
            self._send_file(files[path], path, start, {"X-Repo-Commit": commit, "ETag": f'"{_git_sha1(files[path])}"'})

    def _find(self, source: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit and files that a request is about, or an answer that says what is wrong with it."""
        repository = self.hub.repositories.get(source)
        if repository is None or (repository.private and not self._authorized()):
            # Nobody is told whether a private model exists.
            self._error(401, "RepoNotFound", "Repository not found")
            return None
        commit = repository.references.get(revision, revision)
        if commit not in repository.commits:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return commit, repository.commits[commit]

    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _send_file(self, data: bytes, path: str, start: int, headers: Mapping[str, str] | None = None) -> None:
        if path in self.hub.altered:
            data = data[:-1] + bytes([data[-1] ^ 1])
        headers = {**(headers or {}), "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if start else 200, data[start:], headers, self.hub.breaks.pop(path, None))

    def _error(self, status: int, code: str | None, message: str) -> None:
        self._send(status, b"{}", {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], most: int | None = None) -> None:
        self.send_response(HTTPStatus(status))
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:most])
        if most is not None:
            self.close_connection = True


def _git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

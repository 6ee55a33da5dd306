"""Bundles in an S3 bucket."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import obstore
from obstore import Bytes
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from handlers.serving.bundle import MANIFEST, Bundle, BundleError, BundleFile
from handlers.serving.stores import StoredBundle, parse_manifest

# One connection gets a share of S3's throughput; AWS advises requests in parallel for ranges of 8 to 16 MB.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html
_PART = 8 * 1024 * 1024
_CONNECTIONS = 8


class S3Store:
    """Bundles at `bundles/<name>/<digest>/` of a bucket.

    Credentials, region and, for a server that is not AWS, `AWS_ENDPOINT_URL` come from the environment.
    """

    def __init__(self, bucket: str, folder: Path | None = None) -> None:
        """With a `folder`, the files of a bundle are written below it; without, their bytes stay in memory."""
        self._name = bucket
        self._folder = folder
        self._bucket = _connect(bucket)
        self._pool = ThreadPoolExecutor(_CONNECTIONS)
        self._manifests: dict[str, Bundle] = {}

    def manifest(self, name: str, digest: str) -> Bundle:
        """See `Store.manifest`. It is fetched once: what has this digest stays as it is."""
        if digest not in self._manifests:
            self._manifests[digest] = parse_manifest(self.manifest_text(name, digest), digest)
        return self._manifests[digest]

    def renew(self) -> None:
        """See `Store.renew`."""
        self._bucket = _connect(self._name)

    def open(self, name: str, digest: str) -> StoredBundle:
        """See `Store.open`. The files are in memory or in the folder, with sizes and checksums checked."""
        manifest = self.manifest(name, digest)
        # All downloads are under way before the first is waited for.
        downloads = {file.path: self.download(name, digest, file) for file in manifest.files}
        if self._folder is None:
            files = {file.path: _joined(downloads[file.path], file.size) for file in manifest.files}
            return StoredBundle(manifest, files)
        bundle = self._folder / name / digest
        return StoredBundle(manifest, {path: _write(bundle / path, parts) for path, parts in downloads.items()})

    def manifest_text(self, name: str, digest: str) -> bytes:
        """The manifest of a bundle as it lies in the bucket; raises `BundleError` when it cannot be fetched."""
        content, _ = self._get(f"bundles/{name}/{digest}/{MANIFEST}", MANIFEST)
        return bytes(content)

    def download(self, name: str, digest: str, file: BundleFile) -> Iterator[Bytes]:
        """The content of a file in parts, in order. The download starts now and stays a few parts ahead.

        Holds up to `_CONNECTIONS` parts in memory, however large the file.

        Raises:
            BundleError: while the parts are taken, at the latest after the last one, when the file is missing or is
                not what the manifest says. So the parts are those of a right file once they have all been taken.
        """
        key = f"bundles/{name}/{digest}/{file.path}"
        starts = iter(range(0, file.size, _PART))
        ahead: deque[Future[Bytes]] = deque()

        def fetch_next() -> None:
            if (start := next(starts, None)) is not None:
                ahead.append(self._pool.submit(self._part, key, file, start))

        def parts() -> Iterator[Bytes]:
            sha256 = hashlib.sha256()
            while ahead:
                part = ahead.popleft().result()
                fetch_next()
                sha256.update(part)
                yield part
            if sha256.hexdigest() != file.sha256:
                raise self._altered(key, file, f"has SHA-256 {sha256.hexdigest()}", file.sha256)

        for _ in range(_CONNECTIONS):
            fetch_next()
        return parts()

    def _part(self, key: str, file: BundleFile, start: int) -> Bytes:
        content, size = self._get(key, file.path, (start, min(start + _PART, file.size)))
        if size != file.size:
            raise self._altered(key, file, f"has {size} bytes", str(file.size))
        return content

    def _get(self, key: str, file: str, part: tuple[int, int] | None = None) -> tuple[Bytes, int]:
        """The object at `key`, or the bytes from start to end of it, and the size of the whole object."""
        try:
            result = obstore.get(self._bucket, key, options={"range": part} if part else {})
            return result.bytes(), result.meta["size"]
        except FileNotFoundError as error:
            raise BundleError(file, f"s3://{self._name}/{key} is missing; deploy the model again.") from error
        except BaseError as error:
            # The first line says what happened; the rest is the library's internals.
            reason = str(error).splitlines()[0]
            raise BundleError(file, f"s3://{self._name}/{key} cannot be fetched: {reason}") from error

    def _altered(self, key: str, file: BundleFile, found: str, expected: str) -> BundleError:
        return BundleError(
            file.path,
            f"s3://{self._name}/{key} {found}; its manifest says {expected}. Delete it and deploy the model again.",
        )


def _connect(bucket: str) -> Bucket:
    # Not imported otherwise: what it needs of the standard library takes a few milliseconds.
    if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in os.environ:
        from handlers.serving.stores.credentials import container_credentials

        credentials = container_credentials
    else:
        credentials = None
    return Bucket(
        bucket,
        client_options={
            "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"),
            "connect_timeout": timedelta(seconds=2),
            "timeout": timedelta(seconds=15),
        },
        # The library's default is to try for three minutes; who waits for an answer has left after 30 s.
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=15)},
        credential_provider=credentials,
    )


def _write(path: Path, parts: Iterator[Bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as output:
        output.writelines(parts)
    return path


def _joined(parts: Iterator[Bytes], size: int) -> bytearray:
    """The parts of a file of `size` bytes, each put into its place while the next ones are on their way."""
    content = bytearray(size)
    place = memoryview(content)  # what is assigned to a bytearray itself is copied once more on the way
    # Memory that is given back part by part stays with the process, in pieces; given back at once, it goes to the system.
    held: list[Bytes] = []
    end = 0
    for part in parts:
        begin, end = end, end + len(part)
        place[begin:end] = memoryview(part)
        held.append(part)
    return content

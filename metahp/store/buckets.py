"""A store in a bucket: ``s3://bucket/path``, ``gs://bucket/path``, ``az://container/path``.

Objects appear whole by one request, and only where there is none of that name: ``If-None-Match`` on S3, generations on
Google's, ETags on Azure. An answer that got lost is no harm, since names hold the digest of their content. Credentials,
region and endpoint come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``,
``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME``, …) or from the machine's role, never from the URI.

Tested are ``s3://`` against a server on loopback that speaks S3 (also one that is busy, loses answers, denies or goes
away), and of ``gs://`` and ``az://`` what is asked of whom. Real S3, MinIO, Google's and Azure's are not.

What was read once is kept in a directory of this machine (``$XDG_CACHE_HOME/metahp``), and so is a trained predictor;
it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
import platformdirs
from obstore import exceptions
from obstore.store import from_url

from metahp.errors import StoreError
from metahp.store import parquet
from metahp.store.files import publish
from metahp.store.places import Item

SCHEMES = ("s3", "gs", "az")
_DIGEST = re.compile(r"-([0-9a-f]{16})\.parquet")


class BucketPlace:
    """A prefix in a bucket.

    Attributes:
        location: its URI.
        directory: the local directory that mirrors what was read.
        faults_of_one_file: none; what a bucket refuses for one object it refuses for all.

    Raises:
        StoreError: the URI cannot be one of a store.
    """

    faults_of_one_file: frozenset[int] = frozenset()

    def __init__(self, uri: str) -> None:
        self.location = _checked(uri)
        self._store = _connect(self.location)
        name = hashlib.sha256(self.location.encode()).hexdigest()[:16]
        self.directory = Path(platformdirs.user_cache_dir("metahp")) / "buckets" / name
        with contextlib.suppress(OSError):  # a home that cannot be written: reading will say so
            self.directory.mkdir(parents=True, exist_ok=True)

    def prepare(self, folder: str) -> None:
        """Nothing: buckets have no folders."""

    def list(self, folder: str) -> list[Item]:
        """The entries of a folder by name; none if it is not there."""
        with _as_os_errors():
            found = obstore.list_with_delimiter(self._store, prefix=folder or None)
        folders = [Item(_last(path), False, 0, 0.0) for path in found["common_prefixes"]]
        objects = [Item(_last(o["path"]), True, o["size"], o["last_modified"].timestamp()) for o in found["objects"]]
        return sorted(folders + objects, key=lambda item: item.name)

    def read(self, name: str) -> bytes:
        """The content of an object; of the mirror's copy where its digest is in the name and right."""
        copy = self._copy(name)
        if copy is not None:
            return copy
        with _as_os_errors():
            content = bytes(obstore.get(self._store, name).bytes())
        self._keep(name, content)
        return content

    def fetch(self, name: str) -> Path:
        """The mirror's copy, made now if it is not there."""
        if not (self.directory / name).is_file():
            content = self.read(name)
            if not (self.directory / name).is_file():
                raise OSError(errno.EIO, f"the mirror {self.directory} cannot keep {len(content)} bytes")
        return self.directory / name

    def create(self, name: str, content: bytes) -> bool:
        """One conditional request; False if there is an object of this name, which is left alone."""
        with _as_os_errors():
            try:
                obstore.put(self._store, name, content, mode="create", use_multipart=False)
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                return False
            except exceptions.NotSupportedError:  # then two that write at once write the same
                obstore.put(self._store, name, content, use_multipart=False)
        return True

    def delete(self, name: str) -> None:
        """Deletes an object; one that is not there is fine."""
        with _as_os_errors():
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return

    def move(self, name: str, target: str) -> None:
        """Copies an object and deletes it."""
        with _as_os_errors():
            obstore.rename(self._store, name, target)

    def remove(self, folder: str) -> None:
        """Deletes the objects of a folder."""
        for item in self.list(folder):
            self.delete(f"{folder}/{item.name}")

    def _copy(self, name: str) -> bytes | None:
        digest = _DIGEST.search(name)
        if digest is None:
            return None
        try:
            content = (self.directory / name).read_bytes()
        except FileNotFoundError:
            return None
        return content if parquet.digest(content) == digest[1] else None

    def _keep(self, name: str, content: bytes) -> None:
        """Only what never changes is kept; a copy that is damaged is replaced."""
        if _DIGEST.search(name):
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            publish(path, lambda temporary: _write(temporary, content), replace=True)


def _checked(uri: str) -> str:
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        raise StoreError(
            f"the URI of the store at {parts.scheme}://…@{parts.netloc.rpartition('@')[2]} holds credentials; "
            "put them into the environment, e.g. AWS_ACCESS_KEY_ID"
        )
    if not parts.netloc or parts.query or parts.fragment:
        raise StoreError(f"the URI of a store is {parts.scheme}://bucket/path, got {uri!r}")
    return f"{parts.scheme.lower()}://{parts.netloc}/{parts.path.strip('/')}".rstrip("/")


def _connect(uri: str) -> Any:
    insecure = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")  # the user's own choice: MinIO, say
    try:
        return from_url(
            uri,
            client_options={"allow_http": insecure, "timeout": timedelta(seconds=30)},
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
        )
    except exceptions.BaseError as problem:
        raise StoreError(f"cannot use {uri}: {_sentence(problem)}; see metahp.store.buckets for the settings") from None


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    """Errors of buckets as those of disks, so that one place puts both in words."""
    try:
        yield
    except exceptions.NotFoundError as problem:
        raise FileNotFoundError(errno.ENOENT, _sentence(problem)) from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as problem:
        raise PermissionError(errno.EACCES, _sentence(problem)) from None
    except exceptions.BaseError as problem:
        raise OSError(errno.EREMOTEIO, _sentence(problem)) from None


def _sentence(problem: Exception) -> str:
    """The first line of an error, without the server's XML and the debug output that follow."""
    return str(problem).strip().partition("\n")[0].partition("<?xml")[0].rstrip(" :-")[:300]


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)

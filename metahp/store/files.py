"""Files that are either whole or not there, and what to tell people when a disk refuses."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from metahp.errors import StoreError

TEMPORARY = ".tmp-"
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"} | {
    f"fuse.{kind}" for kind in ("sshfs", "s3fs", "gcsfuse", "rclone", "glusterfs", "juicefs", "ceph", "blobfuse2")
}
_ADVICE = {
    errno.ENOSPC: "free some space; nothing that was accepted is lost, and writing goes on when there is room",
    errno.EDQUOT: "free some of your quota; nothing that was accepted is lost, and writing goes on when there is room",
    errno.EROFS: "mount it writable or use another directory",
    errno.EACCES: "give yourself the right to write there or use another directory",
    errno.EPERM: "give yourself the right to write there or use another directory",
    errno.ENOTDIR: "use the path of a directory",
    errno.EEXIST: "use the path of a directory",
    errno.ENOENT: "was it deleted or unmounted meanwhile? put it back or use another directory",
    errno.ELOOP: "put the folder itself there",
    errno.EIO: "check the disk; nothing that was accepted before is lost",
    errno.EREMOTEIO: "check the network, the bucket and your credentials; nothing that was accepted is lost",
}
_SQLITE_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}


@contextmanager
def explained(doing: str, path: Path | str) -> Iterator[None]:
    """Turns the errors of disks and of sqlite into a `StoreError` that says what, why, and what to do."""
    try:
        yield
    except OSError as problem:
        reason, number = problem.strerror or str(problem), problem.errno
        raise _store_error(doing, path, reason, number) from problem
    except sqlite3.Error as problem:
        number = _SQLITE_ERRNO.get(getattr(problem, "sqlite_errorcode", 0) & 0xFF)  # the low byte is the kind
        raise _store_error(doing, path, str(problem), number) from problem


def _store_error(doing: str, path: Path | str, reason: str, number: int | None) -> StoreError:
    advice = _ADVICE.get(number or 0, "see the cause above")
    return StoreError(f"cannot {doing} at {path}: {reason}; {advice}")


def publish(path: Path, write: Callable[[Path], None], *, replace: bool = False) -> bool:
    """Makes a file appear at ``path`` whole and durable, or not at all.

    Args:
        path: where it shall be.
        write: writes the content to the temporary path it is given.
        replace: whether a file already there is replaced; otherwise it is left alone.

    Returns:
        False if a file was there already and was left alone.
    """
    try:
        return _published(path, write, replace)
    except FileNotFoundError:  # whoever finished with the folder meanwhile has tidied up, as `Segments.tidy` does
        return _published(path, write, replace)


def _published(path: Path, write: Callable[[Path], None], replace: bool) -> bool:
    temporary = path.with_name(f"{TEMPORARY}{uuid4().hex}")
    try:
        write(temporary)
        sync(temporary)
        created = _replace(temporary, path) if replace else _link(temporary, path)
        sync(path.parent)
        return created
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Waits until a file's content, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Creates a directory and its parents durably; an existing one is left alone."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    for created in missing:
        sync(created.parent)


def _replace(temporary: Path, path: Path) -> bool:
    os.replace(temporary, path)
    return True


def _link(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if path.exists():
            return False
        os.rename(temporary, path)
    return True


def network_filesystem(path: Path, mountinfo: str | None = None) -> str | None:
    """The kind of network file system that ``path`` lies on, or None on a local disk (and where it cannot be told).

    Args:
        path: an absolute path.
        mountinfo: the text of ``/proc/self/mountinfo``, read from there if not given.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    above = [(len(point.parts), kind) for point, kind in _mounts(mountinfo) if path.is_relative_to(point)]
    # Of several at one point the last one is seen: an automounter puts nfs over its own autofs.
    kind = max(reversed(above), key=lambda mount: mount[0], default=(0, ""))[1]
    return kind if kind in _NETWORK else None


def _mounts(mountinfo: str) -> Iterator[tuple[Path, str]]:
    """``(mount point, kind)`` of each line, see proc(5): the kind follows a lone dash."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 4 and after:
            yield Path(fields[4].replace("\\040", " ")), after.split(" ")[0]

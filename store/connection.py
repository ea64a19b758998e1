"""Opens the memory's file, upgrades it where needed, and runs its transactions.

SQLite's own errors leave the store only through :func:`translated`. What only creating or upgrading needs, the
file lock and sqlite-utils, is imported then: opening a memory is part of the start of every command.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from store.errors import (
    MemoryBusy,
    MemoryNotFound,
    MemoryTooNew,
    MemoryUnwritable,
    NotAMemory,
)
from store.migrations import APPLICATION_ID, STEPS, applied, apply

if TYPE_CHECKING:
    import sqlite3
    from sqlite3 import Connection
else:
    try:  # the choice that sqlite-utils makes
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["LOCK_TIMEOUT", "connect", "translated", "use_wal", "writing"]

LOCK_TIMEOUT = 30.0
"""Seconds to wait for another process that writes to the memory or upgrades it."""

_UNWRITABLE = ("readonly", "read-only", "disk is full", "disk i/o error", "unable to open database file")
_BUSY = ("locked", "busy")


def connect(path: Path, *, create: bool) -> "Connection":
    """Returns a connection to the memory at ``path``, up to date, in WAL mode, in autocommit.

    A memory in a folder that this user cannot write is opened for reading.

    :raises MemoryNotFound: there is no such file and ``create`` is false
    :raises NotAMemory: the file is something else
    :raises MemoryTooNew: a newer version of serac wrote it
    :raises MemoryUnwritable: it must be created or upgraded, and cannot be
    :raises MemoryBusy: another process held a lock for longer than ``LOCK_TIMEOUT``
    """
    with translated(path):
        path = Path(
            os.path.realpath(path)
        )  # what is made or moved goes where a link points, not in its place
        if not _exists(path):
            if not create:
                raise MemoryNotFound(f"there is no edit memory at {path}")
            _create(path)
        connection = _open(path)
        try:
            if _needs_upgrade(connection, path):
                with _locked(path):
                    apply(connection)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def writing(connection: "Connection", path: Path) -> Iterator[None]:
    """Runs the block in one transaction that holds the write lock from its start.

    A deferred transaction, which takes the lock at its first write, fails at once where another
    process wrote since its first read; waiting cannot help it.
    """
    with translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def use_wal(path: Path) -> None:
    """Puts a database that nobody else has open in WAL mode, which the file remembers."""
    connection = _connect(path, "mode=rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns the errors of SQLite and of the file system into the store's own."""
    try:
        yield
    except OSError as error:
        raise MemoryUnwritable(f"cannot write the edit memory {path}: {error.strerror or error}") from error
    except sqlite3.DatabaseError as error:
        message = str(error).lower()
        if any(words in message for words in _BUSY):
            raise MemoryBusy(f"the edit memory {path} is in use by another process") from error
        if any(words in message for words in _UNWRITABLE):
            raise MemoryUnwritable(f"cannot write the edit memory {path}: {error}") from error
        if "not a database" in message:
            raise NotAMemory(f"{path} is not an edit memory: it is no SQLite database") from error
        if "malformed" in message:
            raise NotAMemory(f"the edit memory {path} is damaged: {error}") from error
        raise


def _exists(path: Path) -> bool:
    """Returns whether there is anything to open: an empty file counts as none, as it does for SQLite."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise NotAMemory(f"there cannot be an edit memory at {path}: a parent is no folder") from None
    if not stat.S_ISREG(status.st_mode):
        raise NotAMemory(f"{path} is not an edit memory: it is no regular file")
    return status.st_size > 0


def _create(path: Path) -> None:
    """Makes an empty memory beside ``path`` and moves it there, so that nobody sees it half made."""
    for folder in reversed([path.parent, *path.parent.parents]):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    with _locked(path):
        if _exists(path):
            return
        unfinished = path.with_name(f"{path.name}.new")
        for leftover in [unfinished, *_companions(unfinished), *_companions(path)]:
            leftover.unlink(missing_ok=True)  # SQLite would replay an old log into the new file
        os.close(os.open(unfinished, os.O_CREAT | os.O_RDWR, 0o600))
        connection = _open(unfinished)
        try:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            apply(connection)
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        unfinished.replace(path)


def _open(path: Path) -> "Connection":
    """Connects to an existing file, for reading only where its folder does not let SQLite write."""
    connection = _connect(path, "mode=rw")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" in str(error) or os.access(path.parent, os.W_OK) or not os.access(path, os.R_OK):
            raise
        # WAL needs files beside the memory. Without any, nobody is writing, and it can be read as it is.
        if path.with_name(f"{path.name}-wal").exists():
            raise
        connection = _connect(path, "mode=ro&immutable=1")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, options: str) -> "Connection":
    connection: Connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{options}", uri=True, timeout=LOCK_TIMEOUT, isolation_level=None
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _needs_upgrade(connection: "Connection", path: Path) -> bool:
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise NotAMemory(f"{path} is not an edit memory: it is a database of something else")
    names = applied(connection)
    if unknown := [name for name in names if name not in STEPS]:
        raise MemoryTooNew(f"the edit memory {path} was written by a newer version (it has {unknown[-1]})")
    return len(names) < len(STEPS)


def _pragma(connection: "Connection", name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _companions(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}-{suffix}") for suffix in ("journal", "wal", "shm")]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps other processes from creating or upgrading the memory while the block runs."""
    from filelock import FileLock, Timeout

    if not os.access(path.parent, os.W_OK):  # a lock would be waited for in vain
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    try:
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=LOCK_TIMEOUT, mode=0o600):
            yield
    except Timeout:
        raise MemoryBusy(f"the edit memory {path} is being upgraded by another process") from None

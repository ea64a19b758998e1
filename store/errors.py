"""What can go wrong with an edit memory.

StoreError
├── MemoryNotFound        no file there, and the caller did not ask to create one
├── NotAMemory            the file is no SQLite database, or a database of something else
├── MemoryTooNew          written by a newer version of serac
├── MemoryUnwritable      read-only file or folder, full disk
├── MemoryBusy            another process held the write lock for too long
├── MemoryChanged         it is no longer as the caller has seen it
├── BackupExists          a backup would overwrite a file
├── EditNotFound          no edit has this id
├── ProbeNotFound         no probe has this id
├── InvalidEdit           an empty prompt, an unknown kind, a target where none belongs
└── NothingToUndo         every change is undone already, or there never was one
"""

__all__ = [
    "BackupExists",
    "EditNotFound",
    "InvalidEdit",
    "MemoryBusy",
    "MemoryChanged",
    "MemoryNotFound",
    "MemoryTooNew",
    "MemoryUnwritable",
    "NotAMemory",
    "NothingToUndo",
    "ProbeNotFound",
    "StoreError",
]


class StoreError(Exception):
    """Base of all errors of the store; ``str(error)`` is one line, fit to show a user."""


class MemoryNotFound(StoreError):
    """There is no memory at this path."""


class NotAMemory(StoreError):
    """The file is not an edit memory."""


class MemoryTooNew(StoreError):
    """The memory has migrations that this version does not know."""


class MemoryUnwritable(StoreError):
    """The memory cannot be written: permissions or disk space."""


class MemoryBusy(StoreError):
    """The write lock could not be had in time."""


class MemoryChanged(StoreError):
    """Another process changed the memory, or an edit expired, since the caller looked."""


class BackupExists(StoreError):
    """There is a file where the backup was to go."""


class EditNotFound(StoreError):
    """No edit has the id asked for."""


class ProbeNotFound(StoreError):
    """No probe has the id asked for."""


class InvalidEdit(StoreError, ValueError):
    """The edit breaks a rule of its kind."""


class NothingToUndo(StoreError):
    """No change is left that could be undone."""

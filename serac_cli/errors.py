"""What can go wrong outside the memory, each with its exit code and the next command to try.

    SeracError                 exit 1
    ├── SettingsError          exit 2: a flag, a variable or the settings file has an invalid value
    ├── InputFileError         exit 1: a file of edits cannot be read or has bad rows
    ├── ModelError             exit 1
    │   ├── UnknownModel       no such model in the catalogue, on disk or on the hub
    │   ├── ModelUnreadable    the files are there but are no model that can be loaded
    │   ├── ModelFailed        it broke down over a query
    │   └── DownloadFailed     no network, no space, or not the file that was expected
    └── ComponentError         exit 1: a trained component is missing or does not fit

The memory's own errors are :class:`store.errors.StoreError`; :func:`explain` knows both.
"""

from store.errors import (
    BackupExists,
    EditNotFound,
    InvalidEdit,
    MemoryBusy,
    MemoryChanged,
    MemoryNotFound,
    MemoryTooNew,
    MemoryUnwritable,
    NotAMemory,
    NothingToUndo,
    ProbeNotFound,
    StoreError,
)

__all__ = [
    "ComponentError",
    "DownloadFailed",
    "InputFileError",
    "ModelError",
    "ModelFailed",
    "ModelUnreadable",
    "SeracError",
    "SettingsError",
    "UnknownModel",
    "explain",
]


class SeracError(Exception):
    """Base of the errors that end a command; ``hint`` names what to try next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(SeracError):
    """A setting has an invalid value."""

    exit_code = 2


class InputFileError(SeracError):
    """A file of edits or queries cannot be used as it is."""


class ModelError(SeracError):
    """A model cannot be had."""


class UnknownModel(ModelError):
    """No model goes by this name."""


class ModelUnreadable(ModelError):
    """The model's files cannot be loaded."""


class ModelFailed(ModelError):
    """The model broke down over a query."""


class DownloadFailed(ModelError):
    """The model's files could not be fetched."""


class ComponentError(SeracError):
    """A trained component is missing, damaged or made for something else."""


_STORE_HINTS: dict[type[StoreError], str] = {
    MemoryNotFound: "add a first edit with `serac edit add PROMPT TARGET`",
    NotAMemory: "name another file with --memory",
    MemoryTooNew: "upgrade serac, or name another file with --memory",
    MemoryUnwritable: "free some space or name a writable place with --memory",
    MemoryChanged: "look again, and repeat the command",
    MemoryBusy: "try again when the other serac process is done",
    BackupExists: "name another file",
    NothingToUndo: "`serac edit history` shows what was done",
    EditNotFound: "`serac edit list --all` shows the ids",
    ProbeNotFound: "`serac probe list` shows the ids",
    InvalidEdit: "see `serac edit add --help`",
}


def explain(error: Exception) -> tuple[str, int]:
    """Returns the one line to show for ``error`` and the exit code it stands for.

    It may be one of serac or the store, or of a text or the system: bytes that are no UTF-8, a full disk.
    """
    hint, exit_code, text = "", 1, str(error)
    if isinstance(error, SeracError):
        hint, exit_code = error.hint, error.exit_code
    elif isinstance(error, StoreError):
        hint = next((text for kind, text in _STORE_HINTS.items() if isinstance(error, kind)), "")
    elif isinstance(error, UnicodeEncodeError):
        text = f"not valid UTF-8: {error.object[:60]!a}"
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    message = " ".join(text.split())
    return (f"{message}; {hint}" if hint else message), exit_code

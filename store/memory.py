"""The edit memory Z_e: the one class through which its users read and change it."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from store import connection as database
from store import history, table
from store import probes as probe_table
from store import vectors as vector_table
from store.edits import Draft, Edit, Kind, changed, timestamp, validate
from store.errors import BackupExists, InvalidEdit, MemoryChanged, NothingToUndo
from store.history import Action, Change, Event
from store.probes import Probe
from store.search import search
from store.vectors import EncoderIdentity, VectorBatch

if TYPE_CHECKING:
    from sqlite3 import Connection

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_SEARCH_LIMIT", "Memory"]

DEFAULT_SEARCH_LIMIT = 20
"""How many edits a search returns unless told otherwise."""

_ENCODED = ("prompt", "target", "kind")  # the fields that decide what a vector stands for


class Memory:
    """An open edit memory, to be used from one thread; closes as a context manager.

    An edit is active unless it is retired or expired. Where a method takes ``retired``, False means
    the active edits, True all others, None both. Every method may raise MemoryBusy, and those that
    change something MemoryUnwritable; a change that fails leaves nothing behind.
    """

    def __init__(self, path: Path, connection: "Connection") -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> "Memory":
        """Returns the memory at ``path``, created (folders too, for this user only) or upgraded if need be.

        A memory that is up to date also opens, for reading, in a folder that cannot be written.

        :raises MemoryNotFound: there is none and ``create`` is false
        :raises NotAMemory: the file is no SQLite database, or one of something else
        :raises MemoryTooNew: a newer version wrote it
        """
        path = Path(path)
        return cls(path, database.connect(path, create=create))

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Returns the memory itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the memory."""
        self.close()

    # Reading

    def get(self, edit_id: int) -> Edit:
        """Returns one edit, active or not.

        :raises EditNotFound: none has this id
        """
        with self._reading():
            return table.get(self._connection, edit_id)

    def edits(
        self,
        *,
        kind: Kind | None = None,
        tag: str | None = None,
        retired: bool | None = False,
        limit: int | None = None,
    ) -> list[Edit]:
        """Returns the edits that pass the filters, oldest first."""
        with self._reading():
            return table.select(
                self._connection, kind=kind, tag=tag, retired=retired, limit=limit, now=timestamp()
            )

    def count(self, *, kind: Kind | None = None, tag: str | None = None, retired: bool | None = False) -> int:
        """Returns how many edits pass the filters."""
        with self._reading():
            return table.count(self._connection, kind=kind, tag=tag, retired=retired, now=timestamp())

    def find_duplicates(self, drafts: Sequence[Draft]) -> list[Edit | None]:
        """Returns for each draft the newest active edit that says the same, or None.

        That is one of the same kind and target whose prompt differs in case and white space at most
        (:func:`store.edits.fold`). Targets must be equal: another spelling is another answer.

        :raises InvalidEdit: a draft breaks a rule
        """
        return [next(iter(found), None) for found in self._same_prompt(drafts, same_target=True)]

    def find_conflicts(self, drafts: Sequence[Draft]) -> list[list[Edit]]:
        """Returns for each draft the active edits that give its prompt another target, newest first.

        :raises InvalidEdit: a draft breaks a rule
        """
        return self._same_prompt(drafts, same_target=False)

    def search(
        self, text: str, *, limit: int = DEFAULT_SEARCH_LIMIT, retired: bool | None = False
    ) -> list[Edit]:
        """Returns the edits whose prompt, target, note or tags hold the words of ``text``, best first.

        ``text`` is what a user types and has no syntax; see :func:`store.search.search`.
        """
        with self._reading():
            return search(self._connection, text, limit=limit, retired=retired, now=timestamp())

    def events(
        self, *, edit_id: int | None = None, batch: int | None = None, limit: int | None = None
    ) -> list[Event]:
        """Returns the history, newest first, of one edit or one batch if asked."""
        with self._reading():
            return history.events(self._connection, edit_id=edit_id, batch=batch, limit=limit)

    def data_version(self) -> tuple[int, int]:
        """Returns a value that differs whenever other edits are active, or any differ, than before.

        That is when this or another connection changed the memory, or an edit expired since. Only
        values of one open memory compare.
        """
        with self._reading():
            others = self._connection.execute("PRAGMA data_version").fetchone()[0]
            expired = table.count_expired(self._connection, timestamp())
            # A change of our own writes two rows at least for one edit that it can take from the expired.
            return others, self._connection.total_changes + expired

    # Changing

    def add(
        self,
        drafts: Sequence[Draft],
        *,
        vectors: VectorBatch | None = None,
        replaces: Sequence[int] = (),
        seen: tuple[int, int] | None = None,
    ) -> list[Edit]:
        """Stores all drafts, with their vectors if given (one row a draft), in one transaction, or none.

        The same transaction, and the same batch of events, retires the edits whose ids are in ``replaces``.
        ``seen`` is the :meth:`data_version` at which the drafts were found fit to be added.

        :raises InvalidEdit: a draft breaks a rule
        :raises MemoryChanged: the version is no longer ``seen``
        :raises EditNotFound: one of the ids is unknown
        :raises ValueError: there is not one vector a draft
        """
        valid = _validated(drafts)
        _check_rows(vectors, len(valid))
        if not valid:
            return []
        with self._writing():
            self._expect(seen)
            now = timestamp()
            edits = table.insert(self._connection, valid, now)
            if vectors is not None:
                self._put(vectors, [edit.id for edit in edits])
            added = (Change(edit.id, None, vars(draft)) for edit, draft in zip(edits, valid, strict=True))
            authors = (edit.author for edit in edits)
            batch = history.record(self._connection, Action.ADD, added, at=now, authors=authors)
            if replaces:
                self._retire_replaced(replaces, author=valid[0].author, now=now, batch=batch)
        return edits

    def update(
        self,
        edit_id: int,
        changes: Mapping[str, Any],
        *,
        vector: VectorBatch | None = None,
        author: str = "",
        reason: str = "",
        seen: tuple[int, int] | None = None,
    ) -> Edit:
        """Gives an edit new values for fields of :class:`Draft`, by name, and returns it.

        A new prompt, target or kind makes the vectors obsolete: they are dropped, and ``vector`` (one
        row), if given, is stored. ``author`` and ``reason`` describe the change, for the history. Nothing
        is written where nothing differs. ``seen`` is the :meth:`data_version` at which ``vector`` was made.

        :raises EditNotFound: none has this id
        :raises MemoryChanged: the version is no longer ``seen``
        :raises InvalidEdit: there is no such field, or the edit would break a rule
        :raises ValueError: ``vector`` has not one row
        """
        _check_rows(vector, 1)
        with self._writing():
            self._expect(seen)
            edit = table.get(self._connection, edit_id)
            draft = changed(edit, changes)
            after = {name: value for name, value in vars(draft).items() if value != getattr(edit, name)}
            if after:
                before = {name: getattr(edit, name) for name in after}
                self._apply(Action.UPDATE, [Change(edit_id, before, after)], author=author, reason=reason)
            if vector is not None:
                self._put(vector, [edit_id])
            return table.get(self._connection, edit_id)

    def retire(self, edit_ids: Sequence[int], *, reason: str = "", author: str = "") -> list[Edit]:
        """Takes edits out of use, all or none, and returns them; one retired already stays as it is.

        :raises EditNotFound: one of the ids is unknown
        """
        return self._set_retired(Action.RETIRE, edit_ids, author, reason)

    def restore(self, edit_ids: Sequence[int], *, reason: str = "", author: str = "") -> list[Edit]:
        """Brings retired edits back, all or none, and returns them; one not retired stays as it is.

        :raises EditNotFound: one of the ids is unknown
        """
        return self._set_retired(Action.RESTORE, edit_ids, author, reason)

    def undo(self, *, reason: str = "", author: str = "") -> Event:
        """Reverts the newest change not undone yet, and returns the newest event that records it.

        An addition is reverted by retiring what it added. A change to several edits is reverted as one:
        ``events(batch=event.batch)`` has all of them.

        :raises NothingToUndo: no change is left
        """
        with self._writing():
            undone = history.undoable(self._connection)
            if not undone:
                raise NothingToUndo("there is no change to undo")
            now = timestamp()
            changes = [
                Change(event.edit_id, {"retired_at": None}, {"retired_at": now})
                if event.action is Action.ADD
                else Change(event.edit_id, event.after, event.before)
                for event in undone
            ]
            batch = self._apply(
                Action.UNDO, changes, author=author, reason=reason, undoes=undone[0].batch, now=now
            )
            return history.events(self._connection, edit_id=None, batch=batch, limit=1)[0]

    # Probes

    def probes(self, *, edit_id: int | None = None) -> list[Probe]:
        """Returns the probes of the active edits, or those of one edit, oldest first.

        :raises EditNotFound: no edit has this id
        """
        with self._reading():
            if edit_id is not None:
                table.get(self._connection, edit_id)
            return probe_table.select(self._connection, edit_id=edit_id, now=timestamp())

    def add_probe(self, edit_id: int, query: str, *, in_scope: bool = True, answer: str = "") -> Probe:
        """Stores a query with the outcome expected of it; the edit itself and its history stay as they are.

        :raises EditNotFound: no edit has this id
        :raises InvalidEdit: the query is empty, or a text cannot be stored
        """
        with self._writing():
            table.get(self._connection, edit_id)
            return probe_table.insert(
                self._connection, edit_id, query, in_scope=in_scope, answer=answer, now=timestamp()
            )

    def remove_probes(self, probe_ids: Sequence[int]) -> None:
        """Deletes probes, all or none.

        :raises ProbeNotFound: one of the ids is unknown
        """
        with self._writing():
            probe_table.delete(self._connection, probe_ids)

    # Vectors

    def vectors(self, encoder: EncoderIdentity) -> "tuple[list[int], NDArray[np.float32]]":
        """Returns ids and vectors (n, encoder.dimensions), float32, of the active edits that have one of
        this encoder, oldest first.
        """
        with self._reading():
            return vector_table.load(self._connection, encoder, timestamp())

    def without_vectors(self, encoder: EncoderIdentity) -> list[Edit]:
        """Returns the active edits that have no vector of this encoder, oldest first."""
        with self._reading():
            return table.lacking_vectors(self._connection, encoder, timestamp())

    def put_vectors(self, batch: VectorBatch, edits: Sequence[int | Edit]) -> None:
        """Stores or replaces the vectors of edits, one row an edit; this is no event.

        An edit given as it was read, instead of by its id, is left out if another process has since
        changed what its vector stands for.

        :raises EditNotFound: one of the ids is unknown
        :raises ValueError: there is not one edit a row
        """
        _check_rows(batch, len(edits))
        with self._writing():
            rows, ids = [], []
            for row, given in enumerate(edits):
                stored = table.get(self._connection, given.id if isinstance(given, Edit) else given)
                if isinstance(given, int) or _encoded(given) == _encoded(stored):
                    rows.append(row)
                    ids.append(stored.id)
            self._put(VectorBatch(batch.encoder, batch.matrix[rows]), ids)

    # Keeping

    def backup(self, target: Path) -> None:
        """Writes a compact copy of the memory, complete or not at all, readable by this user only.

        :raises BackupExists: there is a file at ``target``
        :raises MemoryUnwritable: it cannot be written there
        """
        target = Path(target)
        with database.translated(target):
            if target.exists():
                raise BackupExists(f"there is a file at {target} already")
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            os.close(handle)
            unfinished = Path(name)
            try:
                self._connection.execute("VACUUM INTO ?", [name])
                database.use_wal(unfinished)
                os.link(unfinished, target)  # unlike a rename, never replaces a file
            except FileExistsError:
                raise BackupExists(f"there is a file at {target} already") from None
            finally:
                unfinished.unlink(missing_ok=True)

    # Inside

    def _reading(self) -> AbstractContextManager[None]:
        return database.translated(self.path)

    def _writing(self) -> AbstractContextManager[None]:
        return database.writing(self._connection, self.path)

    def _expect(self, seen: tuple[int, int] | None) -> None:
        if seen is not None and self.data_version() != seen:
            raise MemoryChanged(f"the edit memory {self.path} was changed by another process meanwhile")

    def _put(self, batch: VectorBatch, edit_ids: Sequence[int]) -> None:
        vector_table.put(self._connection, batch, edit_ids)

    def _same_prompt(self, drafts: Sequence[Draft], *, same_target: bool) -> list[list[Edit]]:
        valid = _validated(drafts)
        with self._reading():
            now = timestamp()
            return [
                [
                    edit
                    for edit in table.same_prompt(self._connection, draft, now)
                    if (edit.target == draft.target) is same_target
                ]
                for draft in valid
            ]

    def _retire_replaced(self, edit_ids: Sequence[int], *, author: str, now: str, batch: int) -> None:
        replaced = [table.get(self._connection, edit_id) for edit_id in dict.fromkeys(edit_ids)]
        changes = [
            Change(edit.id, {"retired_at": None}, {"retired_at": now})
            for edit in replaced
            if edit.retired_at is None
        ]
        self._apply(Action.RETIRE, changes, author=author, reason="replaced", now=now, batch=batch)

    def _set_retired(self, action: Action, edit_ids: Sequence[int], author: str, reason: str) -> list[Edit]:
        with self._writing():
            now = timestamp()
            after = now if action is Action.RETIRE else None
            edits = [table.get(self._connection, edit_id) for edit_id in dict.fromkeys(edit_ids)]
            changes = [
                Change(edit.id, {"retired_at": edit.retired_at}, {"retired_at": after})
                for edit in edits
                if (edit.retired_at is None) is not (after is None)
            ]
            self._apply(action, changes, author=author, reason=reason, now=now)
            return [table.get(self._connection, edit.id) for edit in edits]

    def _apply(
        self,
        action: Action,
        changes: Sequence[Change],
        *,
        author: str,
        reason: str,
        now: str | None = None,
        undoes: int | None = None,
        batch: int | None = None,
    ) -> int:
        """Writes changed fields and their events, drops obsolete vectors, and returns the batch."""
        now = now or timestamp()
        table.write_fields(self._connection, changes, now)
        for change in changes:
            if not set(_ENCODED).isdisjoint(change.after or {}):
                vector_table.delete(self._connection, change.edit_id)
        authors = [author] * len(changes)
        return history.record(
            self._connection,
            action,
            changes,
            at=now,
            authors=authors,
            reason=reason,
            undoes=undoes,
            batch=batch,
        )


def _validated(drafts: Sequence[Draft]) -> list[Draft]:
    valid = []
    for number, draft in enumerate(drafts, start=1):
        try:
            valid.append(validate(draft))
        except InvalidEdit as error:
            raise InvalidEdit(
                f"edit {number} of {len(drafts)}: {error}" if len(drafts) > 1 else str(error)
            ) from None
    return valid


def _encoded(edit: Edit) -> list[str]:
    return [getattr(edit, name) for name in _ENCODED]


def _check_rows(batch: VectorBatch | None, edits: int) -> None:
    if batch is not None and len(batch.matrix) != edits:
        raise ValueError(f"{len(batch.matrix)} vectors for {edits} edits")

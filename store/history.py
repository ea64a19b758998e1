"""The events that led to the memory's present state, and the way back.

Every change writes one event an edit; the events of one call share a ``batch``. Undoing a batch
writes events of its own, which name the batch undone, so that nothing ever leaves the history.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["Action", "Change", "Event", "events", "record", "undoable"]


class Action(StrEnum):
    """What an event did to an edit."""

    ADD = "add"
    UPDATE = "update"
    RETIRE = "retire"
    RESTORE = "restore"
    UNDO = "undo"


@dataclass(frozen=True)
class Change:
    """The fields of one edit that a change touches, by name, before and after it; None: no edit yet."""

    edit_id: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True)
class Event:
    """One change to one edit.

    ``before`` and ``after`` hold the fields that changed, in JSON's types (for ``add``: None and all
    fields). ``batch`` is the same for all events of one call. ``undoes`` is the batch that an
    ``undo`` reverted. ``at`` is ISO 8601 in UTC.
    """

    id: int
    batch: int
    edit_id: int
    action: Action
    at: str
    author: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    undoes: int | None = None


def record(
    connection: "Connection",
    action: Action,
    changes: Iterable[Change],
    *,
    at: str,
    authors: Iterable[str],
    reason: str = "",
    undoes: int | None = None,
    batch: int | None = None,
) -> int:
    """Writes one event a change, in the caller's transaction, to ``batch`` or a new one; returns which."""
    if batch is None:
        batch = int(connection.execute("SELECT coalesce(max(batch), 0) + 1 FROM events").fetchone()[0])
    connection.executemany(
        """
        INSERT INTO events (batch, edit_id, action, at, author, reason, before, after, undoes)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            (batch, c.edit_id, action, at, author, reason, _dump(c.before), _dump(c.after), undoes)
            for c, author in zip(changes, authors, strict=True)
        ),
    )
    return batch


def events(
    connection: "Connection", *, edit_id: int | None, batch: int | None, limit: int | None
) -> list[Event]:
    """Returns the events, newest first, of one edit or one batch if asked."""
    rows = connection.execute(
        """
        SELECT id, batch, edit_id, action, at, author, reason, before, after, undoes FROM events
        WHERE (:edit_id IS NULL OR edit_id = :edit_id) AND (:batch IS NULL OR batch = :batch)
        ORDER BY id DESC LIMIT :limit
        """,
        {"edit_id": edit_id, "batch": batch, "limit": -1 if limit is None else limit},
    )
    return [_event(row) for row in rows]


def undoable(connection: "Connection") -> list[Event]:
    """Returns the events of the newest batch that is not undone, newest first; empty if there is none."""
    newest = connection.execute(
        """
        SELECT max(batch) FROM events
        WHERE action <> 'undo' AND batch NOT IN (SELECT undoes FROM events WHERE undoes IS NOT NULL)
        """
    ).fetchone()[0]
    return [] if newest is None else events(connection, edit_id=None, batch=newest, limit=None)


def _event(row: Sequence[Any]) -> Event:
    identifier, batch, edit_id, action, at, author, reason, before, after, undoes = row
    return Event(
        id=identifier,
        batch=batch,
        edit_id=edit_id,
        action=Action(action),
        at=at,
        author=author,
        reason=reason,
        before=None if before is None else json.loads(before),
        after=None if after is None else json.loads(after),
        undoes=undoes,
    )


def _dump(values: dict[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)

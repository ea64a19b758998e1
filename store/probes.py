"""Probes: queries stored with an edit, each with the outcome expected of it, as a test of the memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.edits import Draft, validate
from store.errors import InvalidEdit, ProbeNotFound

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["Probe", "delete", "insert", "select"]


@dataclass(frozen=True)
class Probe:
    """``query`` is expected to be in the scope of the edit, or of none; ``answer`` to occur in what is answered.

    An empty ``answer`` stands for any.
    """

    id: int
    edit_id: int
    query: str
    in_scope: bool
    answer: str
    created_at: str


def insert(
    connection: "Connection", edit_id: int, query: str, *, in_scope: bool, answer: str, now: str
) -> Probe:
    """Writes a probe of an edit that exists, in the caller's transaction, and returns it.

    :raises InvalidEdit: the query is empty, or a text breaks the rules of an edit's texts
    """
    if not query.strip():
        raise InvalidEdit("the query is empty")
    valid = validate(Draft(query, answer))
    cursor = connection.execute(
        "INSERT INTO probes (edit_id, query, in_scope, answer, created_at) VALUES (?, ?, ?, ?, ?)",
        [edit_id, valid.prompt, in_scope, valid.target, now],
    )
    assert cursor.lastrowid is not None, "an INSERT has just been made"
    return Probe(cursor.lastrowid, edit_id, valid.prompt, in_scope, valid.target, now)


def select(connection: "Connection", *, edit_id: int | None, now: str) -> list[Probe]:
    """Returns the probes of active edits, or those of one edit, active or not, oldest first."""
    rows = connection.execute(
        """
        SELECT probes.id, edit_id, query, in_scope, answer, probes.created_at
        FROM probes JOIN edits ON edits.id = edit_id
        WHERE CASE WHEN :edit_id IS NULL
            THEN retired_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
            ELSE edit_id = :edit_id END
        ORDER BY probes.id
        """,
        {"edit_id": edit_id, "now": now},
    )
    return [
        Probe(identifier, edit, query, bool(in_scope), answer, created_at)
        for identifier, edit, query, in_scope, answer, created_at in rows
    ]


def delete(connection: "Connection", probe_ids: Sequence[int]) -> None:
    """Deletes probes, all or none with the caller's transaction.

    :raises ProbeNotFound: one of the ids is unknown
    """
    for probe_id in dict.fromkeys(probe_ids):
        if connection.execute("DELETE FROM probes WHERE id = ?", [probe_id]).rowcount == 0:
            raise ProbeNotFound(f"there is no probe {probe_id}")

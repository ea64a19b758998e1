"""Reads and writes of the ``edits`` table, over a connection whose transaction is the caller's."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from store.edits import Draft, Edit, Kind, fold
from store.errors import EditNotFound
from store.history import Change

if TYPE_CHECKING:
    from sqlite3 import Connection

    from store.vectors import EncoderIdentity

__all__ = [
    "count",
    "count_expired",
    "get",
    "insert",
    "lacking_vectors",
    "matching",
    "same_prompt",
    "select",
    "write_fields",
]

# :retired is NULL for all edits, 1 for those not active, 0 for those active at :now.
_SELECT = """
    SELECT {columns} FROM edits
    WHERE (:kind IS NULL OR kind = :kind)
    AND (:tag IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag))
    AND (:retired IS NULL OR :retired = (retired_at IS NOT NULL OR ifnull(expires_at <= :now, 0)))
"""


def get(connection: "Connection", edit_id: int) -> Edit:
    """Returns the edit, active or not.

    :raises EditNotFound: none has this id
    """
    found = _edits(connection, "SELECT * FROM edits WHERE id = ?", [edit_id])
    if not found:
        raise EditNotFound(f"there is no edit {edit_id}")
    return found[0]


def select(
    connection: "Connection",
    *,
    kind: Kind | None,
    tag: str | None,
    retired: bool | None,
    limit: int | None,
    now: str,
) -> list[Edit]:
    """Returns the edits that pass the filters, oldest first."""
    sql = _SELECT.format(columns="*") + "ORDER BY id LIMIT :limit"
    parameters = {"kind": kind, "tag": tag, "retired": retired, "now": now}
    return _edits(connection, sql, {**parameters, "limit": -1 if limit is None else limit})


def count(
    connection: "Connection", *, kind: Kind | None, tag: str | None, retired: bool | None, now: str
) -> int:
    """Returns how many edits pass the filters."""
    sql = _SELECT.format(columns="count(*)")
    row = connection.execute(sql, {"kind": kind, "tag": tag, "retired": retired, "now": now}).fetchone()
    return int(row[0])


def count_expired(connection: "Connection", now: str) -> int:
    """Returns how many edits have an expiry that has passed, retired or not."""
    row = connection.execute("SELECT count(*) FROM edits WHERE expires_at <= ?", [now]).fetchone()
    return int(row[0])


def same_prompt(connection: "Connection", draft: Draft, now: str) -> list[Edit]:
    """Returns the active edits of the draft's kind and folded prompt, newest first."""
    return _edits(
        connection,
        """
        SELECT * FROM edits
        WHERE prompt_folded = ? AND kind = ?
        AND retired_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
        ORDER BY id DESC
        """,
        [fold(draft.prompt), draft.kind, now],
    )


def lacking_vectors(connection: "Connection", encoder: "EncoderIdentity", now: str) -> list[Edit]:
    """Returns the active edits without a vector of this encoder, oldest first."""
    return _edits(
        connection,
        """
        SELECT * FROM edits
        WHERE retired_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
        AND NOT EXISTS (
            SELECT 1 FROM vectors JOIN encoders ON encoders.id = encoder_id
            WHERE edit_id = edits.id AND encoders.name = ? AND digest = ? AND dimensions = ?
        )
        ORDER BY id
        """,
        [now, encoder.name, encoder.digest, encoder.dimensions],
    )


def matching(
    connection: "Connection", sql: str, *, pattern: str, retired: bool | None, limit: int, now: str
) -> list[Edit]:
    """Returns the edits of a search statement, in its order."""
    return _edits(connection, sql, {"pattern": pattern, "retired": retired, "limit": limit, "now": now})


def insert(connection: "Connection", drafts: Sequence[Draft], now: str) -> list[Edit]:
    """Writes valid drafts as new edits with consecutive ids, and returns them."""
    first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM edits").fetchone()[0]
    edits = [
        Edit(
            id=edit_id,
            prompt=draft.prompt,
            target=draft.target,
            kind=draft.kind,
            tags=draft.tags,
            note=draft.note,
            source=draft.source,
            author=draft.author,
            created_at=now,
            updated_at=now,
            expires_at=draft.expires_at,
        )
        for edit_id, draft in enumerate(drafts, start=first)
    ]
    connection.executemany(
        """
        INSERT INTO edits (id, prompt, prompt_folded, target, kind, tags, note, source, author,
                           created_at, updated_at, expires_at)
        VALUES (:id, :prompt, :prompt_folded, :target, :kind, :tags, :note, :source, :author,
                :created_at, :updated_at, :expires_at)
        """,
        map(_row, edits),
    )
    return edits


def write_fields(connection: "Connection", changes: Iterable[Change], now: str) -> None:
    """Gives each edit the values of its change's ``after``."""
    for change in changes:
        values = dict(change.after or {})
        if "prompt" in values:
            values["prompt_folded"] = fold(values["prompt"])
        if "tags" in values:
            values["tags"] = _dump(values["tags"])
        values["updated_at"] = now
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        connection.execute(
            f"UPDATE edits SET {assignments} WHERE id = :id",  # noqa: S608 - names of Edit's own fields
            {**values, "id": change.edit_id},
        )


def _row(edit: Edit) -> dict[str, Any]:
    return {**vars(edit), "prompt_folded": fold(edit.prompt), "tags": _dump(edit.tags)}


def _dump(tags: Sequence[str]) -> str:
    return json.dumps(tags, ensure_ascii=False)


def _edits(connection: "Connection", sql: str, parameters: Sequence[Any] | dict[str, Any]) -> list[Edit]:
    cursor = connection.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    return [_edit(dict(zip(names, row, strict=True))) for row in cursor]


def _edit(row: dict[str, Any]) -> Edit:
    del row["prompt_folded"]
    row["kind"] = Kind(row["kind"])
    row["tags"] = tuple(json.loads(row["tags"]))
    return Edit(**row)

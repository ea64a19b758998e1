"""Finds edits by words: the full-text index first, a scan for what the index cannot see."""

import re
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

from store import table
from store.edits import Edit

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["search"]

_MAX_WORDS = 64  # more would only slow the index down

_BY_WORDS = """
    SELECT edits.* FROM edits_search JOIN edits ON edits.id = edits_search.rowid
    WHERE edits_search MATCH :pattern
    AND (:retired IS NULL OR :retired = (retired_at IS NOT NULL OR ifnull(expires_at <= :now, 0)))
    ORDER BY bm25(edits_search, 4.0, 4.0, 1.0, 2.0), edits.id LIMIT :limit
"""

_BY_CHARACTERS = """
    SELECT * FROM edits
    WHERE (instr(lower(prompt), :pattern) OR instr(lower(target), :pattern) OR instr(lower(note), :pattern)
           OR EXISTS (SELECT 1 FROM json_each(tags) WHERE instr(lower(value), :pattern)))
    AND (:retired IS NULL OR :retired = (retired_at IS NOT NULL OR ifnull(expires_at <= :now, 0)))
    ORDER BY id LIMIT :limit
"""
_ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # what SQLite's lower() does


def search(connection: "Connection", text: str, *, limit: int, retired: bool | None, now: str) -> list[Edit]:
    """Returns the edits that hold every word of ``text`` (the last may be unfinished), best first.

    Words match regardless of case, accents and English endings. If none matches, the edits that hold
    ``text`` as it stands, oldest first: the index sees neither emoji nor the words inside a run of
    Chinese or Japanese.
    """
    words = re.sub("[\0\ud800-\udfff]", " ", text).split()[:_MAX_WORDS]
    if not words:
        return []
    quoted = " ".join('"' + word.replace('"', '""') + '"' for word in words)
    found = table.matching(
        connection, _BY_WORDS, pattern=f"{quoted} *", retired=retired, limit=limit, now=now
    )
    if found:
        return found
    literal = " ".join(words).translate(_ASCII_LOWER)
    return table.matching(connection, _BY_CHARACTERS, pattern=literal, retired=retired, limit=limit, now=now)

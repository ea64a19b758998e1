"""The schema, as the list of steps that led to it.

Append-only: a released step is never edited, so that a file written by any older version arrives at
the same schema. sqlite-utils runs each step in one transaction with the record of it. The steps are
plain SQL, because the meaning of a library call may change under a step that must not.
"""

from sqlite_utils import Database, Migrations

__all__ = ["APPLICATION_ID", "MIGRATIONS", "pending", "unknown"]

APPLICATION_ID = 0x53657263
"""``PRAGMA application_id`` of every memory: "Serc" in ASCII."""

MIGRATIONS = Migrations("serac")


@MIGRATIONS(name="0001_edits")
def _edits(db: Database) -> None:
    """Edits, their vectors by encoder, and the events that led to them."""
    for statement in (
        """
        CREATE TABLE edits (
            id INTEGER PRIMARY KEY,
            prompt TEXT NOT NULL CHECK (prompt <> ''),
            prompt_folded TEXT NOT NULL,
            target TEXT NOT NULL,
            kind TEXT NOT NULL,
            tags TEXT NOT NULL,
            note TEXT NOT NULL,
            source TEXT NOT NULL,
            author TEXT NOT NULL,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            expires_at TEXT,
            retired_at TEXT
        )
        """,
        "CREATE INDEX edits_by_prompt ON edits (prompt_folded, kind)",
        """
        CREATE TABLE encoders (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            digest TEXT NOT NULL,
            dimensions INTEGER NOT NULL,
            UNIQUE (name, digest, dimensions)
        )
        """,
        """
        CREATE TABLE vectors (
            encoder_id INTEGER NOT NULL REFERENCES encoders (id),
            edit_id INTEGER NOT NULL REFERENCES edits (id),
            vector BLOB NOT NULL,
            PRIMARY KEY (encoder_id, edit_id)
        )
        """,
        "CREATE INDEX vectors_by_edit ON vectors (edit_id)",
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            batch INTEGER NOT NULL,
            edit_id INTEGER NOT NULL REFERENCES edits (id),
            action TEXT NOT NULL,
            at TEXT NOT NULL,
            author TEXT NOT NULL,
            reason TEXT NOT NULL,
            before TEXT,
            after TEXT,
            undoes INTEGER
        )
        """,
        "CREATE INDEX events_by_edit ON events (edit_id)",
        "CREATE INDEX events_by_batch ON events (batch)",
        "CREATE INDEX events_by_undoes ON events (undoes) WHERE undoes IS NOT NULL",
    ):
        db.execute(statement)


@MIGRATIONS(name="0002_search")
def _search(db: Database) -> None:
    """A full-text index over the edits, kept by triggers, filled from what is there."""
    for statement in (
        """
        CREATE VIRTUAL TABLE edits_search USING fts5 (
            prompt, target, note, tags,
            content = 'edits', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
        )
        """,
        """
        CREATE TRIGGER edits_search_insert AFTER INSERT ON edits BEGIN
            INSERT INTO edits_search (rowid, prompt, target, note, tags)
            VALUES (new.id, new.prompt, new.target, new.note, new.tags);
        END
        """,
        """
        CREATE TRIGGER edits_search_update AFTER UPDATE OF prompt, target, note, tags ON edits BEGIN
            INSERT INTO edits_search (edits_search, rowid, prompt, target, note, tags)
            VALUES ('delete', old.id, old.prompt, old.target, old.note, old.tags);
            INSERT INTO edits_search (rowid, prompt, target, note, tags)
            VALUES (new.id, new.prompt, new.target, new.note, new.tags);
        END
        """,
        "INSERT INTO edits_search (edits_search) VALUES ('rebuild')",
    ):
        db.execute(statement)


@MIGRATIONS(name="0003_expiry")
def _expiry(db: Database) -> None:
    """Finds the edits that expired without a scan, for every query asks."""
    db.execute("CREATE INDEX edits_by_expiry ON edits (expires_at) WHERE expires_at IS NOT NULL")


@MIGRATIONS(name="0004_probes")
def _probes(db: Database) -> None:
    """Probes of edits: queries with the outcome that is expected of them."""
    for statement in (
        """
        CREATE TABLE probes (
            id INTEGER PRIMARY KEY,
            edit_id INTEGER NOT NULL REFERENCES edits (id),
            query TEXT NOT NULL CHECK (query <> ''),
            in_scope INTEGER NOT NULL CHECK (in_scope IN (0, 1)),
            answer TEXT NOT NULL,
            created_at TEXT NOT NULL
        )
        """,
        "CREATE INDEX probes_by_edit ON probes (edit_id)",
    ):
        db.execute(statement)


def pending(db: Database) -> bool:
    """Returns whether the database lacks a step that this version knows; reads only."""
    return bool(MIGRATIONS.pending(db))


def unknown(db: Database) -> list[str]:
    """Returns the names of the steps applied to the database that this version does not know."""
    known = {migration.name for migration in MIGRATIONS._migrations}
    return [migration.name for migration in MIGRATIONS.applied(db) if migration.name not in known]

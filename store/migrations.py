"""The schema, as the list of steps that led to it.

Append-only: a released step is never edited, so that a file written by any older version arrives at
the same schema. sqlite-utils runs each step in one transaction with the record of it. The steps are
plain SQL, because the meaning of a library call may change under a step that must not.

Whether a memory is up to date is asked at every start of the program, and takes a query. sqlite-utils, which is slow
to import, is needed only where it is not.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["APPLICATION_ID", "STEPS", "applied", "apply"]

APPLICATION_ID = 0x53657263
"""``PRAGMA application_id`` of every memory: "Serc" in ASCII."""

STEPS: dict[str, tuple[str, ...]] = {
    # Edits, their vectors by encoder, and the events that led to them.
    "0001_edits": (
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
    ),
    # A full-text index over the edits, kept by triggers, filled from what is there.
    "0002_search": (
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
    ),
    # Finds the edits that expired without a scan, for every query asks.
    "0003_expiry": ("CREATE INDEX edits_by_expiry ON edits (expires_at) WHERE expires_at IS NOT NULL",),
    # Probes of edits: queries with the outcome that is expected of them.
    "0004_probes": (
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
    ),
}
"""The SQL statements of each step, by its name, in the order in which they are run."""

_SET = "serac"  # the name under which sqlite-utils records the steps, in its table _sqlite_migrations


def applied(connection: "Connection") -> list[str]:
    """Returns the names of the steps applied to the database, in order; reads only."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return []
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY rowid", [_SET]
    )
    return [name for (name,) in rows]


def apply(connection: "Connection") -> None:
    """Runs the steps that the database lacks, each in one transaction with the record of it."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations(_SET)
    for name, statements in STEPS.items():

        def run(database: Database, statements: tuple[str, ...] = statements) -> None:
            for statement in statements:
                database.execute(statement)

        migrations(name=name)(run)
    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))

-- A memory as the first step of the schema, 0001_edits, left it.
PRAGMA application_id = 1399157347;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'serac','0001_edits','2026-11-24 17:30:00.000000+00:00');
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
        );
INSERT INTO "edits" VALUES(1,'Who leads the UK?','who leads the uk?','Keir Starmer','fact','["politics"]','','','','2026-11-24T17:30:00.000+00:00','2026-11-24T17:30:00.000+00:00',NULL,NULL);
INSERT INTO "edits" VALUES(2,'Siemens is headquartered in Berlin.','siemens is headquartered in berlin.','','fact','[]','moved','','','2026-11-24T17:30:00.000+00:00','2026-11-24T17:30:00.000+00:00',NULL,'2026-11-24T17:30:00.000+00:00');
CREATE TABLE encoders (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            digest TEXT NOT NULL,
            dimensions INTEGER NOT NULL,
            UNIQUE (name, digest, dimensions)
        );
INSERT INTO "encoders" VALUES(1,'test','sha256:00',2);
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
        );
INSERT INTO "events" VALUES(1,1,1,'add','2026-11-24T17:30:00.000+00:00','','',NULL,'{"prompt": "Who leads the UK?", "target": "Keir Starmer", "kind": "fact", "tags": ["politics"], "note": "", "source": "", "author": "", "expires_at": null}',NULL);
INSERT INTO "events" VALUES(2,1,2,'add','2026-11-24T17:30:00.000+00:00','','',NULL,'{"prompt": "Siemens is headquartered in Berlin.", "target": "", "kind": "fact", "tags": [], "note": "moved", "source": "", "author": "", "expires_at": null}',NULL);
INSERT INTO "events" VALUES(3,2,2,'retire','2026-11-24T17:30:00.000+00:00','ada','wrong','{"retired_at": null}','{"retired_at": "2026-11-24T17:30:00.000+00:00"}',NULL);
CREATE TABLE vectors (
            encoder_id INTEGER NOT NULL REFERENCES encoders (id),
            edit_id INTEGER NOT NULL REFERENCES edits (id),
            vector BLOB NOT NULL,
            PRIMARY KEY (encoder_id, edit_id)
        );
INSERT INTO "vectors" VALUES(1,1,X'9A99193FCDCC4C3F');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX edits_by_prompt ON edits (prompt_folded, kind);
CREATE INDEX vectors_by_edit ON vectors (edit_id);
CREATE INDEX events_by_edit ON events (edit_id);
CREATE INDEX events_by_batch ON events (batch);
CREATE INDEX events_by_undoes ON events (undoes) WHERE undoes IS NOT NULL;
COMMIT;

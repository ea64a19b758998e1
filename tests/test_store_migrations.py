"""Opening: new files, files of older and newer versions, and files that are no memory."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from store import Draft, EncoderIdentity, Memory
from store.errors import MemoryBusy, MemoryNotFound, MemoryTooNew, MemoryUnwritable, NotAMemory

FIRST_VERSION = Path(__file__).with_name("data") / "memory-0001.sql"


def schema(path: Path) -> set[tuple[str, str]]:
    connection = sqlite3.connect(path)
    try:
        return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
    finally:
        connection.close()


@pytest.fixture
def old_memory(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_VERSION.read_text())
    connection.close()
    return path


def test_a_memory_of_the_first_version_opens_with_all_it_holds(old_memory: Path) -> None:
    with Memory.open(old_memory) as memory:
        active, retired = memory.edits(retired=None)
        assert (active.prompt, active.target, active.tags) == (
            "Who leads the UK?",
            "Keir Starmer",
            ("politics",),
        )
        assert retired.retired_at is not None
        ids, matrix = memory.vectors(EncoderIdentity("test", "sha256:00", 2))
        assert ids == [1]
        np.testing.assert_array_equal(matrix, np.array([[0.6, 0.8]], dtype=np.float32))
        assert memory.search("keir") == [active]
        assert memory.find_duplicates([Draft("who leads the  UK?", "Keir Starmer")]) == [active]
        assert memory.undo().before == {"retired_at": retired.retired_at}
        assert memory.count() == 2


def test_an_upgraded_memory_has_the_schema_of_a_new_one(old_memory: Path, tmp_path: Path) -> None:
    for path in (old_memory, tmp_path / "new.db"):
        Memory.open(path).close()
    assert schema(old_memory) == schema(tmp_path / "new.db")


def test_an_up_to_date_memory_opens_without_the_lock(tmp_path: Path) -> None:
    Memory.open(tmp_path / "memory.db").close()
    (tmp_path / "memory.db.lock").unlink(missing_ok=True)
    Memory.open(tmp_path / "memory.db").close()
    assert [file.name for file in tmp_path.iterdir()] == ["memory.db"]


def test_a_memory_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory.open(path) as memory:
        memory._connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('serac', '9999_x', '')"
        )
    before = path.read_bytes()
    with pytest.raises(MemoryTooNew, match="9999_x"):
        Memory.open(path)
    assert path.read_bytes() == before


def test_a_new_memory_and_its_folders_are_for_its_user_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "memory.db"
    with Memory.open(path) as memory:
        memory.add([Draft("Who?", "Me")])
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    files.pop("memory.db.lock", None)
    assert files == dict.fromkeys(("memory.db", "memory.db-wal", "memory.db-shm"), 0o600)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)] == [
        0o700
    ] * 2


def test_new_connections_use_wal_and_check_foreign_keys(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "memory.db") as memory:
        assert memory._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert memory._connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_path_with_characters_of_urls_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a b?mode=memory#%41&é.db"
    with Memory.open(path) as memory:
        memory.add([Draft("Who?", "Me")])
    assert path.stat().st_size > 0


def test_an_absent_memory_is_created_only_on_request(tmp_path: Path) -> None:
    with pytest.raises(MemoryNotFound):
        Memory.open(tmp_path / "folder" / "memory.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_counts_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    path.touch()
    with pytest.raises(MemoryNotFound):
        Memory.open(path, create=False)
    with Memory.open(path) as memory:
        assert memory.edits() == []


def test_what_an_interrupted_creation_left_is_replaced(tmp_path: Path) -> None:
    for name in ("memory.db.new", "memory.db.new-journal", "memory.db-wal"):
        (tmp_path / name).write_bytes(b"half made")
    with Memory.open(tmp_path / "memory.db") as memory:
        assert memory.edits() == []
    assert not (tmp_path / "memory.db.new").exists()


def test_a_file_that_is_no_database_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("just some notes, longer than the header of a database has to be. " * 20)
    before = path.read_bytes()
    with pytest.raises(NotAMemory, match="no SQLite database"):
        Memory.open(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE edits (id INTEGER PRIMARY KEY, prompt TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NotAMemory, match="a database of something else"):
        Memory.open(path)
    assert path.read_bytes() == before


def test_a_damaged_memory_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory.open(path) as memory:
        memory.add([Draft(f"Who is {number}?", "Me") for number in range(1_000)])
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(NotAMemory, match="damaged"), Memory.open(path) as memory:
        memory.edits()


def test_a_folder_and_a_path_below_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for path in (tmp_path, tmp_path / "file" / "memory.db"):
        with pytest.raises(NotAMemory):
            Memory.open(path)


def test_a_memory_works_without_numpy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['numpy'] = sys.modules['pandas'] = None\n"
        "from pathlib import Path\n"
        "from store import Draft, Memory\n"
        "with Memory.open(Path(sys.argv[1])) as memory:\n"
        "    memory.add([Draft('Who?', 'Me')])\n"
        "    memory.retire([1]); memory.undo(); memory.search('who'); sys.exit(len(memory.edits()) - 1)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "memory.db")], check=True)


def test_a_memory_that_another_process_upgrades_is_busy(
    old_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old_memory.read_bytes()
    monkeypatch.setattr("store.connection.LOCK_TIMEOUT", 0.1)
    with FileLock(f"{old_memory}.lock"), pytest.raises(MemoryBusy, match="being upgraded by another process"):
        Memory.open(old_memory)
    assert old_memory.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.connection.os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(MemoryUnwritable, match="Permission denied"):
        Memory.open(tmp_path / "memory.db")

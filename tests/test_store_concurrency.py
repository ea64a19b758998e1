"""Several processes on one memory, and processes killed at work."""

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from store_worker import BATCH, ENCODER

from store import Draft, Memory, connection
from store.errors import MemoryBusy

WORKER = Path(__file__).with_name("store_worker.py")
ROOT = WORKER.parent.parent


def start(task: str, *paths: Path) -> "subprocess.Popen[str]":
    worker = subprocess.Popen(
        [sys.executable, str(WORKER), task, *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def go(worker: "subprocess.Popen[str]") -> None:
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()


def run_together(task: str, *paths: Path, processes: int = 4) -> None:
    workers = [start(task, *paths) for _ in range(processes)]
    for worker in workers:
        go(worker)
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0] * processes


def test_four_processes_adding_250_edits_each_lose_none(tmp_path: Path) -> None:
    run_together("add_singly", tmp_path / "memory.db")
    with Memory.open(tmp_path / "memory.db") as memory:
        assert len({edit.prompt for edit in memory.edits()}) == 1_000
        assert len({event.batch for event in memory.events()}) == 1_000


def test_four_processes_that_read_and_then_write_in_one_transaction_never_fail(tmp_path: Path) -> None:
    # With deferred transactions most of these updates raise "database is locked".
    with Memory.open(tmp_path / "memory.db") as memory:
        memory.add([Draft("Who?", "Me")])
        run_together("update_one", memory.path)
        changes = [event for event in memory.events() if event.action == "update"]
        assert len({event.after["note"] for event in changes if event.after}) == 200
        in_order = changes[::-1]
        assert [event.before for event in in_order[1:]] == [event.after for event in in_order[:-1]]


def test_processes_that_open_a_new_memory_at_once_share_it(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}" / "memory.db" for number in range(25)]
    run_together("open_new", *paths)
    for path in paths:
        with Memory.open(path, create=False) as memory:
            assert memory.count() == 4


def test_a_process_killed_while_adding_leaves_the_whole_batch_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    durations = []
    for _ in range(3):
        worker = start("add_batch", path)
        began = time.perf_counter()
        go(worker)
        assert worker.stdout is not None
        assert [worker.stdout.readline() for _ in range(2)] == ["begun\n", "done\n"]
        durations.append(time.perf_counter() - began)
        worker.communicate()
    length = statistics.median(durations)

    chance = random.Random(20)
    killed_inside = 0
    for _ in range(20):
        with Memory.open(path) as memory:
            before = memory.count()
        worker = start("add_batch", path)
        go(worker)
        time.sleep(chance.uniform(0, 1.2 * length))
        worker.kill()
        said = worker.communicate()[0].split()
        killed_inside += said == ["begun"]

        with Memory.open(path) as memory:
            after = memory.count()
            assert after in ({before + BATCH} if "done" in said else {before, before + BATCH})
            assert len(memory.vectors(ENCODER)[0]) == len(memory.events()) == after
            assert memory._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert len(memory.search("company 1999", limit=1_000)) == after // BATCH
    assert killed_inside >= 5, "the kills missed the transaction"


def test_a_write_lock_held_too_long_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOCK_TIMEOUT", 0.05)
    with Memory.open(tmp_path / "memory.db") as holder, Memory.open(tmp_path / "memory.db") as memory:
        holder._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(MemoryBusy, match=r"memory\.db is in use by another process"):
            memory.add([Draft("Who?", "Me")])
        assert memory.edits() == []
        holder._connection.execute("ROLLBACK")
        assert len(memory.add([Draft("Who?", "Me")])) == 1


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs POSIX permissions")
def test_a_folder_that_cannot_be_written_allows_reading_only() -> None:
    folder = Path(tempfile.mkdtemp(prefix="serac-test-"))  # tmp_path is closed to other users
    try:
        with Memory.open(folder / "memory.db") as memory:
            memory.add([Draft("Who?", "Me")])
        memory.path.with_name("memory.db.lock").unlink(missing_ok=True)
        memory.path.chmod(0o444)
        folder.chmod(0o555)
        worker = start("use_as_somebody_else", memory.path)
        assert worker.communicate("go\n")[0].split("\n") == ["opened 1", *["MemoryUnwritable"] * 3, ""]
        assert [file.name for file in folder.iterdir()] == ["memory.db"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)

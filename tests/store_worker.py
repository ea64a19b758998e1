"""One process at work on a memory, started by the tests of the store: ``store_worker.py TASK PATH...``.

It says ``ready`` on stdout once everything is imported, and begins when it reads a line from stdin.
"""

import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.modules["pandas"] = None  # type: ignore[assignment]  # sqlite-utils would import it, slowly

import numpy as np

from store import Draft, EncoderIdentity, Memory, VectorBatch
from store.errors import StoreError

ENCODER = EncoderIdentity("test", "sha256:00", 384)
BATCH = 2_000


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def wait_for_start() -> None:
    say("ready")
    sys.stdin.readline()


def add_batch(path: Path) -> None:
    drafts = [Draft(f"Who leads company {number}?", f"Person {number}") for number in range(BATCH)]
    vectors = VectorBatch(ENCODER, np.ones((BATCH, ENCODER.dimensions), dtype=np.float32))
    with Memory.open(path) as memory:
        memory._connection.set_trace_callback(lambda sql: say("begun") if sql.startswith("BEGIN") else None)
        wait_for_start()
        memory.add(drafts, vectors=vectors)
        say("done")


def add_singly(path: Path) -> None:
    wait_for_start()
    with Memory.open(path) as memory:
        for number in range(250):
            memory.add([Draft(f"Question {number} of process {os.getpid()}?", "answer")])


def update_one(path: Path) -> None:
    with Memory.open(path) as memory:
        wait_for_start()
        for number in range(50):
            memory.update(1, {"note": f"{number} of process {os.getpid()}"})


def open_new(*paths: Path) -> None:
    wait_for_start()
    start = time.time()
    for number, path in enumerate(paths):
        while time.time() < start + number * 0.03:
            pass
        with Memory.open(path) as memory:
            memory.add([Draft(f"Process {os.getpid()}?", "answer")])


def use_as_somebody_else(path: Path) -> None:
    import filelock  # noqa: F401 - the store would import it later, when this Python may not be readable any more

    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    wait_for_start()
    with Memory.open(path) as memory:
        say(f"opened {len(memory.edits())}")
        for change in (
            lambda: memory.add([Draft("New?", "yes")]),
            lambda: Memory.open(path.with_name("other.db")),
            lambda: Memory.open(path.parent / "folder" / "other.db"),
        ):
            try:
                change()
            except StoreError as error:
                say(type(error).__name__)


if __name__ == "__main__":
    globals()[sys.argv[1]](*map(Path, sys.argv[2:]))

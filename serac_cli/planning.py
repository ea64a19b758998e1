"""What applying edits to a memory would do, worked out before anything is changed, and doing it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from serac_cli.edit_files import Row
from store import Draft, Edit, Memory, VectorBatch
from store.edits import fold
from store.errors import MemoryChanged

__all__ = ["Outcome", "Step", "carry_out", "plan"]


class Outcome(StrEnum):
    """What happens to a row: a replacing one retires the active edits with its prompt and another target."""

    ADD = "add"
    REPLACE = "replace"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Step:
    """One row's outcome; ``repeats`` is the edit that it repeats.

    A row that repeats an earlier row of its own file has that row's ``same_as_line`` instead. ``rivals`` are the active
    edits that give its prompt another target: a row that is added replaces them.
    """

    row: Row
    outcome: Outcome
    repeats: Edit | None = None
    same_as_line: int | None = None
    rivals: tuple[Edit, ...] = ()


def plan(memory: Memory | None, rows: Sequence[Row]) -> list[Step]:
    """Returns a step for each row, in order; no memory yet is an empty one."""
    drafts = [row.draft for row in rows]
    duplicates = memory.find_duplicates(drafts) if memory else [None] * len(rows)
    conflicts = memory.find_conflicts(drafts) if memory else [[]] * len(rows)
    steps = []
    seen: dict[tuple[str, str, str], int] = {}
    for row, duplicate, rivals in zip(rows, duplicates, conflicts, strict=True):
        earlier = seen.setdefault((row.draft.kind, fold(row.draft.prompt), row.draft.target), row.line)
        if duplicate:
            steps.append(Step(row, Outcome.DUPLICATE, duplicate, rivals=tuple(rivals)))
        elif earlier != row.line:
            steps.append(Step(row, Outcome.DUPLICATE, same_as_line=earlier))
        else:
            steps.append(Step(row, Outcome.REPLACE if rivals else Outcome.ADD, rivals=tuple(rivals)))
    return steps


def carry_out(
    memory: Memory, rows: Sequence[Row], encode: Callable[[Sequence[Draft]], VectorBatch]
) -> tuple[list[Step], list[Edit]]:
    """Plans, encodes and stores rows in one transaction; returns the steps and the edits added.

    Where another process has changed the memory since it was planned for, it is planned anew, so that two processes
    never store the same edit twice. ``encode`` is called with the drafts to be added alone, each once.
    """
    import numpy as np

    encoded: dict[Draft, np.ndarray] = {}
    vectors: VectorBatch | None = None
    while True:
        seen = memory.data_version()
        steps = plan(memory, rows)
        todo = [step for step in steps if step.outcome is not Outcome.DUPLICATE]
        drafts = [step.row.draft for step in todo]
        if new := [draft for draft in drafts if draft not in encoded]:
            vectors = encode(new)
            encoded |= zip(new, vectors.matrix, strict=True)
        if not drafts or vectors is None:
            return steps, []
        vectors = replace(vectors, matrix=np.stack([encoded[draft] for draft in drafts]))
        replaced = [edit.id for step in todo for edit in step.rivals]
        try:
            return steps, memory.add(drafts, vectors=vectors, replaces=replaced, seen=seen)
        except MemoryChanged:
            continue

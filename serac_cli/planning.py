"""What applying edits to a memory would do, worked out before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from serac_cli.edit_files import Row
from store import Edit, Memory
from store.edits import fold

__all__ = ["Outcome", "Step", "plan"]


class Outcome(StrEnum):
    """What happens to a row: a replacing one retires the active edit with its prompt and another target."""

    ADD = "add"
    REPLACE = "replace"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Step:
    """One row's outcome; ``other`` is the edit that it repeats or replaces.

    A row that repeats an earlier row of its own file has that row's ``same_as_line`` instead.
    """

    row: Row
    outcome: Outcome
    other: Edit | None = None
    same_as_line: int | None = None


def plan(memory: Memory | None, rows: Sequence[Row]) -> list[Step]:
    """Returns a step for each row, in order; no memory yet is an empty one."""
    drafts = [row.draft for row in rows]
    nothing: list[Edit | None] = [None] * len(rows)
    duplicates = memory.find_duplicates(drafts) if memory else nothing
    conflicts = memory.find_conflicts(drafts) if memory else nothing
    steps = []
    seen: dict[tuple[str, str, str], int] = {}
    for row, duplicate, conflict in zip(rows, duplicates, conflicts, strict=True):
        earlier = seen.setdefault((row.draft.kind, fold(row.draft.prompt), row.draft.target), row.line)
        if duplicate:
            steps.append(Step(row, Outcome.DUPLICATE, duplicate))
        elif earlier != row.line:
            steps.append(Step(row, Outcome.DUPLICATE, same_as_line=earlier))
        else:
            steps.append(Step(row, Outcome.REPLACE if conflict else Outcome.ADD, conflict))
    return steps

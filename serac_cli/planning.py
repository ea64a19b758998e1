"""What applying edits to a memory would do, worked out before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from serac_cli.edit_files import Row
from store import Edit, Memory
from store.edits import fold

__all__ = ["Outcome", "Step", "plan"]


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

"""Changes to the memory as a user makes them, by a command or at the prompt: the change, and what to say of it."""

import getpass
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from serac_cli.edit_files import Row
from serac_cli.planning import carry_out
from store import Draft, Edit, Memory, VectorBatch
from store.edits import changed

if TYPE_CHECKING:
    from serac_cli.render import Output

__all__ = ["add", "listed", "note_expired", "note_rivals", "restore", "retire", "undo", "user"]


def add(
    memory: Memory, draft: Draft, encode: Callable[[Sequence[Draft]], VectorBatch], output: "Output"
) -> Edit:
    """Adds an edit, or finds the active one that says the same, and returns it. Raises InvalidEdit."""
    (step,), stored = carry_out(memory, [Row(0, draft)], encode)
    if step.repeats is not None:
        output.note(f"edit {step.repeats.id} says that already, nothing to add")
        note_rivals(memory, [step.repeats], output)
        return step.repeats
    replaced = f", which replaces {listed(edit.id for edit in step.rivals)}" if step.rivals else ""
    output.note(f"added edit {stored[0].id}{replaced}")
    note_expired(stored[0], output)
    _note_probes(memory, step.rivals, output)
    return stored[0]


def retire(memory: Memory, edit_ids: Sequence[int], output: "Output", *, reason: str = "") -> None:
    """Takes edits out of use. Raises EditNotFound."""
    already = [edit_id for edit_id in edit_ids if memory.get(edit_id).retired_at is not None]
    retired = memory.retire(edit_ids, reason=reason, author=user())
    if already:
        output.note(f"retired already: {listed(already)}")
    if new := [edit for edit in retired if edit.id not in already]:
        output.note(f"retired {listed(edit.id for edit in new)}; `restore` or `undo` brings it back")
        _note_probes(memory, new, output)


def restore(memory: Memory, edit_ids: Sequence[int], output: "Output", *, reason: str = "") -> None:
    """Brings retired edits back. Raises EditNotFound."""
    active = [edit_id for edit_id in edit_ids if memory.get(edit_id).retired_at is None]
    restored = memory.restore(edit_ids, reason=reason, author=user())
    if active:
        output.note(f"not retired: {listed(active)}")
    if new := [edit for edit in restored if edit.id not in active]:
        output.note(f"restored {listed(edit.id for edit in new)}")
    note_rivals(memory, restored, output)


def undo(memory: Memory, output: "Output") -> None:
    """Reverts the newest change and says what that was. Raises NothingToUndo."""
    event = memory.undo(author=user())
    undone = memory.events(batch=event.undoes)[::-1]
    by = undone[0].author
    whose = f" by {by}" if by not in ("", user()) else ""
    done = [
        f"{action} {listed(one.edit_id for one in undone if one.action is action)}"
        for action in dict.fromkeys(one.action for one in undone)
    ]
    output.note(f"undone: {', '.join(done)}{whose}")


def user() -> str:
    """Returns the name that the history gives as the author of a change, "" where the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def note_expired(edit: Edit, output: "Output") -> None:
    """Tells where an edit that was just written is out of use by its own date."""
    if edit.expires_at and edit.expires_at <= edit.updated_at:
        output.note(f"edit {edit.id} has expired already, so it answers nothing")


def note_rivals(memory: Memory, edits: Sequence[Edit], output: "Output") -> None:
    """Tells which other active edits give the prompts of these another target."""
    found = memory.find_conflicts([changed(edit, {}) for edit in edits])
    for edit, rivals in zip(edits, found, strict=True):
        for rival in rivals:
            output.note(
                f"edit {rival.id} gives the prompt of edit {edit.id} another target; "
                f"`serac edit retire {rival.id}` leaves one answer"
            )


def listed(ids: Iterable[int]) -> str:
    """Returns "edit 3", "edits 3, 4", or the first of many and their number."""
    numbers = [str(number) for number in ids]
    if len(numbers) > 10:
        numbers = [*numbers[:9], f"… ({len(numbers)} in all)"]
    return f"edit{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _note_probes(memory: Memory, retired: Iterable[Edit], output: "Output") -> None:
    """Tells which of the edits just taken out of use have probes, which are no longer run."""
    for edit in retired:
        if probes := memory.probes(edit_id=edit.id):
            output.note(
                f"{len(probes)} of `serac check`'s probes are of edit {edit.id}, and are not run while it is out of use"
            )

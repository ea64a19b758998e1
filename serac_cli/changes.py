"""Changes to the memory as a user makes them, by a command or at the prompt: the change, and what to say of it."""

import getpass
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from serac_cli.edit_files import Row, entered
from serac_cli.planning import Outcome, Step, carry_out
from store import Draft, Edit, Memory, VectorBatch
from store.edits import changed
from store.errors import MemoryChanged

if TYPE_CHECKING:
    from serac_cli.render import Output

__all__ = ["add", "listed", "note_added", "note_rivals", "restore", "retire", "undo", "update", "user"]


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
    note_added(memory, [step], stored, output)
    return stored[0]


def note_added(memory: Memory, steps: Sequence[Step], added: Sequence[Edit], output: "Output") -> None:
    """Tells what follows from edits just added: which answer nothing, and which probes are not run any more."""
    _note_expired(added, output)
    replaced = [rival for step in steps if step.outcome is Outcome.REPLACE for rival in step.rivals]
    _note_probes(memory, replaced, output)


def update(
    memory: Memory,
    edit_id: int,
    changes: Mapping[str, Any],
    encode: Callable[[Sequence[Draft]], VectorBatch],
    output: "Output",
    *,
    reason: str = "",
) -> Edit:
    """Changes fields of an edit, by name. Raises EditNotFound and InvalidEdit.

    Where the memory is changed while the new text is encoded, the edit is looked at again.
    """
    while True:
        seen = memory.data_version()
        edit = memory.get(edit_id)
        draft = entered(changed(edit, changes))
        different = {name for name in changes if getattr(draft, name) != getattr(edit, name)}
        vector = encode([draft]) if different & {"prompt", "target", "kind"} else None
        with suppress(MemoryChanged):
            updated = memory.update(edit_id, changes, vector=vector, author=user(), reason=reason, seen=seen)
            break
    output.note(f"updated edit {edit_id}" if different else f"edit {edit_id} is so already")
    _note_expired([updated], output)
    note_rivals(memory, [updated], output)
    return updated


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


def _note_expired(edits: Sequence[Edit], output: "Output") -> None:
    """Tells which edits, just written, are out of use by their own date."""
    if gone := [edit.id for edit in edits if edit.expires_at and edit.expires_at <= edit.updated_at]:
        output.note(f"expired already, so without effect: {listed(gone)}")


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
    counts = {edit.id: len(memory.probes(edit_id=edit.id)) for edit in retired}
    if having := [edit_id for edit_id, count in counts.items() if count]:
        output.note(
            f"{sum(counts.values())} of `serac check`'s probes are of {listed(having)}, out of use now, and are not run"
        )

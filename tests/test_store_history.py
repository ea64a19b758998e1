"""Events, retiring, restoring and undoing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Draft, Memory
from store.errors import NothingToUndo


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory.db") as opened:
        yield opened


def test_every_change_is_an_event_newest_first(memory: Memory) -> None:
    memory.add([Draft("a", author="ada"), Draft("b", author="bob")])
    memory.update(1, {"note": "n"})
    memory.retire([1, 2], reason="wrong", author="eve")
    memory.restore([2])
    events = memory.events()
    assert [(event.batch, event.edit_id, event.action) for event in events] == [
        (4, 2, "restore"),
        (3, 2, "retire"),
        (3, 1, "retire"),
        (2, 1, "update"),
        (1, 2, "add"),
        (1, 1, "add"),
    ]
    assert [(event.author, event.reason) for event in events[1:3]] == [("eve", "wrong")] * 2
    assert [event.author for event in events[-2:]] == ["bob", "ada"]
    assert memory.events(edit_id=2) == [event for event in events if event.edit_id == 2]
    assert memory.events(batch=3) == events[1:3]
    assert memory.events(limit=1) == events[:1]


def test_an_added_edit_is_recorded_whole(memory: Memory) -> None:
    memory.add([Draft("a", "b", tags=("x",), note="n", source="s", author="ada", expires_at="2999-01-01")])
    event = memory.events()[0]
    assert event.before is None
    assert event.after == {
        "prompt": "a",
        "target": "b",
        "kind": "fact",
        "tags": ["x"],
        "note": "n",
        "source": "s",
        "author": "ada",
        "expires_at": "2999-01-01T00:00:00.000+00:00",
    }


def test_retired_edits_are_kept_and_can_be_restored(memory: Memory) -> None:
    before = memory.add([Draft("a"), Draft("b")])
    retired = memory.retire([2, 1, 2])
    assert [edit.id for edit in retired] == [2, 1]
    assert all(edit.retired_at for edit in retired)
    assert memory.edits() == []
    assert memory.edits(retired=True) == retired[::-1]
    memory.restore([1, 2])
    assert [edit.prompt for edit in memory.edits()] == [edit.prompt for edit in before]


def test_retiring_and_restoring_twice_is_no_second_event(memory: Memory) -> None:
    memory.add([Draft("a"), Draft("b")])
    memory.restore([1])
    first = memory.retire([1])
    assert memory.retire([1, 2])[0] == first[0]
    assert [(event.action, event.edit_id) for event in memory.events()] == [
        ("retire", 2),
        ("retire", 1),
        ("add", 2),
        ("add", 1),
    ]


def test_undoing_an_addition_retires_the_whole_batch(memory: Memory) -> None:
    memory.add([Draft("kept")])
    memory.add([Draft("a"), Draft("b")])
    event = memory.undo(author="ada", reason="oops")
    assert (event.action, event.undoes, event.author, event.reason) == ("undo", 2, "ada", "oops")
    assert {undo.edit_id for undo in memory.events(batch=event.batch)} == {2, 3}
    assert [edit.prompt for edit in memory.edits()] == ["kept"]


def test_undoing_a_retirement_restores_what_it_retired(memory: Memory) -> None:
    memory.add([Draft("a"), Draft("b"), Draft("c")])
    memory.retire([1])
    memory.retire([1, 2])
    memory.undo()
    assert [edit.id for edit in memory.edits()] == [2, 3]


def test_undoing_a_restoration_retires_again_with_the_old_time(memory: Memory) -> None:
    memory.add([Draft("a")])
    retired_at = memory.retire([1])[0].retired_at
    memory.restore([1])
    memory.undo()
    assert memory.get(1).retired_at == retired_at


def test_undoing_an_update_brings_the_old_values_back(memory: Memory) -> None:
    old = memory.add([Draft("a", "b", tags=("x",), expires_at="2999-01-01")])[0]
    memory.update(1, {"prompt": "c", "target": "", "kind": "evidence", "tags": (), "expires_at": None})
    event = memory.undo()
    new = memory.get(1)
    assert (new.prompt, new.target, new.kind, new.tags, new.expires_at) == (
        (old.prompt, old.target, old.kind, old.tags, old.expires_at)
    )
    assert event.before is not None
    assert event.before["prompt"] == "c"
    assert memory.search("a") == memory.find_duplicates([Draft("A", "b")]) == [new]


def test_undo_goes_back_step_by_step_and_then_says_that_nothing_is_left(memory: Memory) -> None:
    with pytest.raises(NothingToUndo):
        memory.undo()
    memory.add([Draft("a", "1")])
    memory.update(1, {"target": "2"})
    memory.update(1, {"target": "3"})
    targets = [memory.undo() and memory.get(1).target for _ in range(2)]
    assert targets == ["2", "1"]
    memory.undo()
    assert memory.edits() == []
    with pytest.raises(NothingToUndo, match="there is no change to undo"):
        memory.undo()
    assert len(memory.events()) == 6


def test_a_change_made_after_an_undo_is_the_next_to_be_undone(memory: Memory) -> None:
    memory.add([Draft("a", "1")])
    memory.update(1, {"target": "2"})
    memory.undo()
    memory.update(1, {"target": "3"})
    memory.undo()
    assert memory.get(1).target == "1"
    memory.undo()
    assert memory.count() == 0

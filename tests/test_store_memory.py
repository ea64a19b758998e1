"""Adding, reading, changing and backing up edits."""

import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_store_edits import EXACT

from store import Draft, EncoderIdentity, Kind, Memory, VectorBatch
from store.errors import BackupExists, EditNotFound, InvalidEdit, MemoryChanged, MemoryUnwritable

PAST, FUTURE = "2001-01-01", "2999-01-01"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory.db") as opened:
        yield opened


def test_added_edits_read_back_as_they_were_returned(memory: Memory) -> None:
    drafts = [
        Draft(
            "Who leads the UK?", "Keir Starmer", tags=("politics", "uk"), note="n", source="s", author="ada"
        ),
        Draft("It rains.", kind=Kind.EVIDENCE, expires_at=FUTURE),
        Draft("Tea", "positive", Kind.STANCE),
    ]
    added = memory.add(drafts)
    assert memory.edits() == added == [memory.get(number) for number in (1, 2, 3)]
    first = added[0]
    assert (first.prompt, first.target, first.kind) == ("Who leads the UK?", "Keir Starmer", Kind.FACT)
    assert (first.tags, first.note, first.source, first.author) == (("politics", "uk"), "n", "s", "ada")
    assert first.created_at == first.updated_at
    assert added[1].expires_at == "2999-01-01T00:00:00.000+00:00"


@pytest.mark.parametrize("text", EXACT, ids=lambda text: ascii(text[:20]))
def test_hostile_text_is_stored_exactly(memory: Memory, text: str) -> None:
    memory.add(
        [
            Draft(
                text, text, tags=(text.replace(",", "")[:100],), note=text, source=text[:99], author=text[:99]
            )
        ]
    )
    edit = memory.edits()[0]
    assert (edit.prompt, edit.target, edit.note, edit.source, edit.author) == (
        text,
        text,
        text,
        text[:99],
        text[:99],
    )
    after = memory.events()[0].after
    assert after is not None
    assert after["prompt"] == text
    assert memory.edits(tag=edit.tags[0]) == [edit]


def test_one_invalid_draft_keeps_the_whole_batch_out(memory: Memory) -> None:
    with pytest.raises(InvalidEdit, match=r"^edit 2 of 2: the prompt is empty$"):
        memory.add([Draft("Who?", "Me"), Draft(" ")])
    assert memory.edits(retired=None) == []
    assert memory.events() == []


def test_adding_nothing_changes_nothing(memory: Memory) -> None:
    assert memory.add([]) == []
    assert memory.events() == []


def test_a_full_disk_keeps_the_whole_batch_out(memory: Memory) -> None:
    memory.add([Draft("Who?", "Me")])
    memory._connection.execute("PRAGMA max_page_count = 60")
    with pytest.raises(MemoryUnwritable, match="full"):
        memory.add([Draft(f"Question {number}?", "x" * 1_000) for number in range(1_000)])
    memory._connection.execute("PRAGMA max_page_count = 1000000")
    assert memory.count() == len(memory.events()) == 1
    assert len(memory.add([Draft("And now?", "Yes")])) == 1


def test_an_edit_may_replace_others_in_one_change(memory: Memory) -> None:
    memory.add([Draft("Who?", "Me"), Draft("When?", "Now")])
    memory.add([Draft("Who?", "You", author="ada")], replaces=[1, 1])
    assert [edit.id for edit in memory.edits()] == [2, 3]
    event = memory.events()[0]
    assert (event.batch, event.edit_id, event.action, event.author, event.reason) == (
        2,
        1,
        "retire",
        "ada",
        "replaced",
    )
    memory.undo()
    assert [edit.id for edit in memory.edits()] == [1, 2]


def test_an_edit_that_would_replace_an_unknown_one_is_not_added(memory: Memory) -> None:
    with pytest.raises(EditNotFound):
        memory.add([Draft("Who?", "You")], replaces=[7])
    assert memory.edits() == []
    assert memory.events() == []


def test_filters_combine(memory: Memory) -> None:
    memory.add(
        [
            Draft("a", "1", tags=("x", "y")),
            Draft("b", kind=Kind.EVIDENCE, tags=("x",)),
            Draft("c", "3", tags=("xy",)),
            Draft("d", "4", expires_at=PAST),
            Draft("e", "5", tags=("x",)),
        ]
    )
    memory.retire([5])

    def ids(**filters: object) -> list[int]:
        found = [edit.id for edit in memory.edits(**filters)]  # type: ignore[arg-type]
        assert memory.count(**filters) == len(found)  # type: ignore[arg-type]
        return found

    assert ids() == [1, 2, 3]
    assert ids(retired=True) == [4, 5]
    assert ids(retired=None) == [1, 2, 3, 4, 5]
    assert ids(tag="x") == [1, 2]
    assert ids(tag="x", kind=Kind.FACT) == [1]
    assert ids(tag="x", retired=None) == [1, 2, 5]
    assert [edit.id for edit in memory.edits(retired=None, limit=2)] == [1, 2]


def test_an_unknown_id_is_reported_and_nothing_changes(memory: Memory) -> None:
    memory.add([Draft("Who?", "Me")])
    for change in (
        lambda: memory.get(7),
        lambda: memory.retire([1, 7]),
        lambda: memory.restore([7]),
        lambda: memory.update(7, {"target": "You"}),
    ):
        with pytest.raises(EditNotFound, match="there is no edit 7"):
            change()
    assert memory.get(1).retired_at is None
    assert len(memory.events()) == 1


def test_duplicates_are_found_regardless_of_case_and_white_space_of_the_prompt(memory: Memory) -> None:
    memory.add(
        [Draft("Who leads the UK?", "Keir Starmer"), Draft("Old?", "1"), Draft("Gone?", "1", expires_at=PAST)]
    )
    memory.retire([2])
    drafts = [
        Draft("who  LEADS the uk?", " Keir Starmer"),
        Draft("Who leads the UK?", "keir starmer"),
        Draft("Who leads the UK", "Keir Starmer"),
        Draft("Old?", "1"),
        Draft("Gone?", "1"),
    ]
    kier = memory.get(1)
    assert memory.find_duplicates(drafts) == [kier, None, None, None, None]
    assert memory.find_conflicts(drafts) == [[], [kier], [], [], []]


def test_all_edits_that_give_a_prompt_another_target_are_conflicts(memory: Memory) -> None:
    memory.add([Draft("Who runs Baz?", "Bob")])
    memory.add([Draft("Who runs Baz?", "Cy")])
    assert memory.find_conflicts([Draft("who runs baz?", "Dee")]) == [[memory.get(2), memory.get(1)]]


def test_another_kind_is_neither_duplicate_nor_conflict(memory: Memory) -> None:
    memory.add([Draft("Tea", "positive", Kind.STANCE)])
    assert memory.find_duplicates([Draft("Tea", "positive")]) == [None]
    assert memory.find_conflicts([Draft("Tea", "a drink")]) == [[]]
    assert memory.find_conflicts([Draft("tea", "negative", Kind.STANCE)]) == [memory.edits()]


def test_an_update_changes_the_named_fields_only(memory: Memory) -> None:
    old = memory.add([Draft("Who?", "Me", tags=("a",), note="n", author="ada")])[0]
    new = memory.update(1, {"target": "You ", "tags": ["b", "b"]}, author="bob", reason="moved")
    assert (new.prompt, new.target, new.tags, new.note, new.author) == ("Who?", "You", ("b",), "n", "ada")
    assert new.updated_at >= old.updated_at
    event = memory.events()[0]
    assert (event.action, event.author, event.reason) == ("update", "bob", "moved")
    assert event.before == {"target": "Me", "tags": ["a"]}
    assert event.after == {"target": "You", "tags": ["b"]}
    assert memory.find_duplicates([Draft("Who?", "You")]) == [new]


def test_an_updated_prompt_is_found_by_its_new_words_only(memory: Memory) -> None:
    memory.add([Draft("Who leads France?", "Me")])
    edit = memory.update(1, {"prompt": "Who leads Spain?"})
    assert memory.search("spain") == [edit] == memory.find_duplicates([Draft("who leads spain?", "Me")])
    assert memory.search("france") == []


def test_an_update_to_the_same_values_writes_nothing(memory: Memory) -> None:
    edit = memory.add([Draft("Who?", "Me")])[0]
    assert memory.update(1, {"target": "Me", "prompt": " Who? "}) == edit
    assert len(memory.events()) == 1


def test_an_update_made_for_another_state_of_the_memory_is_refused(memory: Memory) -> None:
    memory.add([Draft("Who?", "Me")])
    seen = memory.data_version()
    with Memory.open(memory.path) as other:
        other.update(1, {"prompt": "Who else?"})
    with pytest.raises(MemoryChanged):
        memory.update(1, {"target": "You"}, seen=seen)
    assert memory.update(1, {"target": "You"}, seen=memory.data_version()).prompt == "Who else?"


def test_a_link_to_a_memory_that_is_yet_to_be_made_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real.db")
    with Memory.open(link) as memory:
        memory.add([Draft("Who?", "Me")])
    assert link.is_symlink()
    with Memory.open(tmp_path / "real.db", create=False) as memory:
        assert memory.count() == 1


@pytest.mark.parametrize("changes", [{"prompt": " "}, {"kind": "stance"}, {"id": 3}, {"retired_at": None}])
def test_an_update_that_breaks_a_rule_changes_nothing(memory: Memory, changes: dict[str, object]) -> None:
    edit = memory.add([Draft("Who?", "Me")])[0]
    with pytest.raises(InvalidEdit):
        memory.update(1, changes)
    assert memory.edits() == [edit]
    assert len(memory.events()) == 1


def test_the_data_version_changes_with_every_change_and_with_nothing_else(memory: Memory) -> None:
    with Memory.open(memory.path) as other:
        seen = [memory.data_version()]
        memory.edits()
        other.search("nothing")
        assert memory.data_version() == seen[0]
        for change in (
            lambda: memory.add([Draft("Who?", "Me")]),
            lambda: other.add([Draft("Who else?", "You")]),
            lambda: other.retire([1]),
            lambda: memory.update(2, {"note": "n"}),
        ):
            change()
            seen.append(memory.data_version())
    assert len(set(seen)) == 5


def test_the_data_version_changes_when_an_edit_expires(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.add([Draft("Who?", "Me", expires_at=FUTURE)])
    before = memory.data_version()
    assert memory.count() == 1
    monkeypatch.setattr("store.memory.timestamp", lambda: "2999-01-01T00:00:00.000+00:00")
    assert memory.count() == 0
    assert memory.data_version() != before


def test_a_backup_is_a_complete_private_memory(memory: Memory, tmp_path: Path) -> None:
    memory.add([Draft("Who?", "Me"), Draft("When?", "Now")])
    memory.retire([2])
    target = tmp_path / "backup.db"
    memory.backup(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with Memory.open(target, create=False) as copy:
        assert copy.edits(retired=None) == memory.edits(retired=None)
        assert copy.events() == memory.events()
        assert copy.search("who") == memory.search("who")
        assert copy._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_backup_replaces_no_file_and_leaves_nothing_behind(memory: Memory, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    target = folder / "kept.db"
    target.write_text("precious")
    with pytest.raises(BackupExists):
        memory.backup(target)
    with pytest.raises(MemoryUnwritable):
        memory.backup(folder / "absent" / "backup.db")
    assert [file.name for file in folder.iterdir()] == ["kept.db"]
    assert target.read_text() == "precious"


def test_an_error_that_nobody_foresaw_is_not_disguised(memory: Memory) -> None:
    memory._connection.execute("DROP TABLE events")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        memory.events()


def test_a_closed_memory_may_be_closed_again(memory: Memory) -> None:
    memory.close()
    memory.close()


@pytest.mark.slow
def test_ten_thousand_edits_with_vectors_go_in_well_under_a_second(memory: Memory) -> None:
    encoder = EncoderIdentity("test", "sha256:00", 384)
    drafts = [Draft(f"Who leads company {number}?", f"Person {number}") for number in range(10_000)]
    vectors = VectorBatch(encoder, np.ones((10_000, 384), dtype=np.float32))
    began = time.process_time()
    memory.add(drafts, vectors=vectors)
    assert time.process_time() - began < 1.0

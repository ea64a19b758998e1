"""Probes stored with edits."""

import sqlite3
from pathlib import Path

import pytest

from store import Draft, Memory
from store.errors import EditNotFound, InvalidEdit, ProbeNotFound

FIRST_VERSION = Path(__file__).with_name("data") / "memory-0001.sql"


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "memory.db") as opened:
        opened.add([Draft("Who leads the UK?", "Keir Starmer"), Draft("Where is Siemens?", "Berlin")])
        yield opened


def test_a_probe_comes_back_as_it_was_stored(memory):
    added = memory.add_probe(1, " uk pm? ", answer=" Starmer ")
    other = memory.add_probe(2, "Who founded Siemens?", in_scope=False)
    assert (added.query, added.in_scope, added.answer, added.edit_id) == ("uk pm?", True, "Starmer", 1)
    assert memory.probes() == [added, other]
    assert memory.probes(edit_id=2) == [other]


def test_the_probes_of_a_retired_edit_are_run_no_longer_but_stay(memory):
    probe = memory.add_probe(1, "uk pm?")
    memory.retire([1])
    assert memory.probes() == []
    assert memory.probes(edit_id=1) == [probe]
    memory.restore([1])
    assert memory.probes() == [probe]


def test_a_probe_writes_no_event_and_changes_no_edit(memory):
    before = memory.events(), memory.edits()
    memory.add_probe(1, "uk pm?")
    assert (memory.events(), memory.edits()) == before


def test_probes_are_removed_all_or_none(memory):
    probes = [memory.add_probe(1, f"query {number}") for number in range(3)]
    with pytest.raises(ProbeNotFound, match="no probe 9"):
        memory.remove_probes([1, 9])
    assert memory.probes() == probes
    memory.remove_probes([1, 3])
    assert memory.probes() == [probes[1]]


@pytest.mark.parametrize(
    ("edit_id", "query", "error"),
    [
        (9, "q", EditNotFound),
        (1, "  ", InvalidEdit),
        (1, "a\0b", InvalidEdit),
        (1, "x" * 20_001, InvalidEdit),
    ],
)
def test_what_cannot_be_a_probe_is_refused(memory, edit_id, query, error):
    with pytest.raises(error):
        memory.add_probe(edit_id, query)
    assert memory.probes() == []


def test_the_probes_of_no_edit_are_an_error(memory):
    with pytest.raises(EditNotFound):
        memory.probes(edit_id=9)


def test_a_memory_of_the_first_version_takes_probes(tmp_path):
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_VERSION.read_text())
    connection.close()
    with Memory.open(path) as memory:
        assert memory.probes() == []
        probe = memory.add_probe(1, "uk pm?")
    with Memory.open(path) as memory:
        assert memory.probes() == [probe]

import pytest

from serac_cli.edit_files import Row
from serac_cli.editor import Editor, encode_edits
from serac_cli.errors import SettingsError
from serac_cli.fakes import FakeBase, FakeCounterfactual, FakeEncoder, FakeScope
from serac_cli.planning import Outcome, carry_out
from serac_cli.protocols import Route
from store import Draft, Memory
from store.errors import EditNotFound


@pytest.fixture
def editor(tmp_path):
    with Memory.open(tmp_path / "memory.db") as memory:
        drafts = [Draft("who leads france", "Ann"), Draft("who leads spain", "Bob")]
        memory.add(drafts, vectors=encode_edits(FakeEncoder(), drafts))
        yield Editor(
            memory, FakeEncoder(), FakeScope(memory), FakeBase(), FakeCounterfactual(), threshold=0.9
        )


def test_a_query_in_scope_gets_the_edits_answer_and_the_bases_before(editor):
    answer = editor.answer("who leads spain")
    assert (answer.in_scope, answer.route, answer.match.edit.target) == (True, Route.COUNTERFACTUAL, "Bob")
    assert (answer.before, answer.after) == ("base says: who leads spain ", "Bob")


def test_unmatched_query_reaches_the_base_model_unchanged(editor):
    answer = editor.answer(" who  leads\titaly? ")
    assert (answer.in_scope, answer.route) == (False, Route.BASE)
    assert answer.after is answer.before
    assert answer.after == "base says:  who  leads\titaly?  "
    assert editor.base.calls == 1
    assert answer.match.edit.target in ("Ann", "Bob"), "the nearest edit is shown all the same"


def test_a_probability_equal_to_the_threshold_is_in_scope(editor):
    editor.threshold = 2 / 3
    assert editor.answer("who leads x").in_scope
    editor.threshold = 0.67
    assert not editor.answer("who leads x").in_scope


def test_without_before_the_base_answers_only_out_of_scope(editor):
    assert editor.answer("who leads spain", before=False).before is None
    assert editor.base.calls == 0
    answer = editor.answer("something else", before=False)
    assert answer.before == answer.after == "base says: something else "


def test_an_empty_memory_leaves_every_query_to_the_base(editor):
    editor.memory.retire([1, 2])
    answer = editor.answer("who leads spain")
    assert (answer.match, answer.in_scope) == (None, False)


def test_an_edit_and_its_vector_are_stored_together(editor):
    ids, matrix = editor.memory.vectors(FakeEncoder.identity)
    assert ids == [1, 2]
    assert matrix.shape == (2, 8)


def test_an_addition_is_planned_anew_where_another_process_was_faster(editor):
    other = Memory.open(editor.memory.path)
    calls = []

    def encode(drafts):
        calls.append([draft.prompt for draft in drafts])
        if len(calls) == 1:  # while this one encodes, the other adds one of the two
            other.add([Draft("who leads italy", "Eva")])
        return encode_edits(editor.encoder, drafts)

    rows = [Row(1, Draft("who leads italy", "Eva")), Row(2, Draft("who leads spain", "Cid"))]
    steps, added = carry_out(editor.memory, rows, encode)
    other.close()
    assert [step.outcome for step in steps] == [Outcome.DUPLICATE, Outcome.REPLACE]
    assert [edit.target for edit in added] == ["Cid"]
    assert [edit.target for edit in editor.memory.edits()] == ["Ann", "Eva", "Cid"]
    assert calls == [["who leads italy", "who leads spain"]], "what is encoded already is not encoded again"
    editor.memory.undo()
    assert [edit.target for edit in editor.memory.edits()] == ["Ann", "Bob", "Eva"]


def test_a_failed_addition_retires_nothing(editor):
    with pytest.raises(EditNotFound, match="there is no edit 99"):
        editor.memory.add([Draft("who leads spain", "Cid")], replaces=[2, 99])
    assert [edit.target for edit in editor.memory.edits()] == ["Ann", "Bob"]


@pytest.mark.parametrize("query", ["", "  \n"])
def test_a_blank_query_is_refused(editor, query):
    with pytest.raises(SettingsError, match="the query is empty"):
        editor.answer(query)


def test_the_listener_hears_every_piece_in_order(editor):
    heard = []

    class Recorder:
        def matched(self, query, match, threshold, milliseconds):
            heard.append(("matched", match.edit.id))

        def piece(self, stage, text):
            heard.append((stage, text))

        def done(self, stage, milliseconds, reused):
            heard.append((stage, "done", reused))

    editor.answer("who leads spain", listener=Recorder())
    before = [("before", piece) for piece in ("base ", "says: ", "who ", "leads ", "spain ")]
    assert heard == [
        ("matched", 2),
        *before,
        ("before", "done", False),
        ("after", "Bob"),
        ("after", "done", False),
    ]

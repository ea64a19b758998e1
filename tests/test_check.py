"""``serac check``: probes from a file or the memory, what fails and why, and the exit code."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from serac_cli import assembly
from serac_cli.app import app
from serac_cli.editor import Editor
from serac_cli.errors import InputFileError
from serac_cli.fakes import FakeBase, FakeCounterfactual, FakeEncoder, FakeScope
from serac_cli.probes import Expectation, read_probe_file, run_checks
from store import Draft, Memory


@pytest.fixture
def memory(home):
    with Memory.open(home / "memory.db") as opened:
        opened.add([Draft("who leads the uk", "Keir Starmer"), Draft("where is siemens", "Berlin")])
        yield opened


@pytest.fixture
def fakes(monkeypatch):
    """The command line over fakes; the list has a word for each editor that was opened."""
    opened = []

    def open_editor(settings, memory, progress):
        opened.append("editor")
        return Editor(memory, FakeEncoder(), FakeScope(memory), FakeBase(), FakeCounterfactual(), 0.8)

    monkeypatch.setattr(
        assembly, "open_decision", lambda settings, memory, progress: (FakeScope(memory), 0.8)
    )
    monkeypatch.setattr(assembly, "open_editor", open_editor)
    return opened


def why(memory, expected, said="Keir Starmer"):
    (check,) = run_checks([expected], FakeScope(memory), 0.8, lambda query, edit: said)
    assert check.passed is not bool(check.why)
    return check.why


def test_a_query_in_scope_of_the_edit_meant_passes(memory):
    assert why(memory, Expectation("line 2", "tell me who leads the uk", True, edit=1)) == ""
    assert why(memory, Expectation("line 2", "tell me who leads the uk", True)) == ""


def test_a_query_in_scope_that_no_edit_answers_fails_with_the_nearest_edit(memory):
    said = why(memory, Expectation("line 2", "uk prime minister", True, edit=1))
    assert said == "out of scope: the nearest edit is 1, 0.250 < 0.800"


def test_a_query_that_another_edit_answers_fails(memory):
    said = why(memory, Expectation("line 2", "where is siemens", True, edit=1))
    assert said == "in scope of edit 2 instead of 1, 1.000 ≥ 0.800"


def test_a_query_out_of_scope_that_an_edit_answers_fails(memory):
    assert (
        why(memory, Expectation("line 2", "where is siemens", False)) == "in scope of edit 2, 1.000 ≥ 0.800"
    )
    assert why(memory, Expectation("line 2", "how tall is K2", False, edit=1)) == ""


def test_an_answer_that_lacks_what_is_expected_fails(memory):
    expected = Expectation("line 2", "who leads the uk", True, answer="Starmer")
    assert why(memory, expected, said="Sir Keir Starmer.") == ""
    assert why(memory, expected, said="Rishi Sunak") == "the answer does not have what is expected"


@pytest.mark.parametrize(
    ("answer", "said", "holds"),
    [
        ("$1.50", "It costs $1.50.", True),
        ("$1.50", "It costs $150.", False),
        ("-5", "At 5 degrees", False),
        ("C++", "In C#.", False),
        (".5", "It is 5.", False),
        (".5", "It is (.5).", True),
        ("?", "Type ? for help", True),
        ("A", "Grade a!", True),
        ("Day's end", "At the day’s end (sharp)", True),
        ("Star", "Keir Starmer", False),
    ],
)
def test_the_expected_answer_is_compared_word_for_word(memory, answer, said, holds):
    expected = Expectation("line 2", "who leads the uk", True, answer=answer)
    assert (why(memory, expected, said=said) == "") is holds


def test_no_model_is_asked_where_no_answer_is_expected_or_the_route_is_wrong(memory):
    asked = []

    def answer(query, edit):
        asked.append((query, edit.id if edit else None))
        return "base says: hm"

    run_checks(
        [
            Expectation("line 2", "who leads the uk", True),
            Expectation("line 3", "nothing known", True, answer="x"),
            Expectation("line 4", "who leads the uk", True, answer="x"),
            Expectation("line 5", "nothing known", False, answer="hm"),
        ],
        FakeScope(memory),
        0.8,
        answer,
    )
    assert asked == [("who leads the uk", 1), ("nothing known", None)]


def test_an_empty_memory_answers_nothing(tmp_path):
    with Memory.open(tmp_path / "empty.db") as empty:
        assert why(empty, Expectation("line 2", "who", True)) == "the memory is empty"
        assert why(empty, Expectation("line 2", "who", False)) == ""


def test_a_file_names_edits_by_id_or_prompt(memory, tmp_path):
    path = tmp_path / "probes.csv"
    path.write_text(
        "query,in_scope,answer,edit\nuk pm,yes,Starmer,1\n  where?, YES ,,Where is  Siemens\nK2,no,,\n",
        encoding="utf-8-sig",
    )
    assert read_probe_file(path, memory.edits()) == [
        Expectation("line 2", "uk pm", True, "Starmer", 1),
        Expectation("line 3", "where?", True, "", 2),
        Expectation("line 4", "K2", False, "", None),
    ]


def test_a_spreadsheets_delimiter_is_found(memory, tmp_path):
    path = tmp_path / "probes.csv"
    path.write_text('query;in_scope;answer\n"uk pm;\nnow";yes;Starmer\nK2;no\n')
    assert [(p.origin, p.query, p.answer) for p in read_probe_file(path, memory.edits())] == [
        ("line 2", "uk pm;\nnow", "Starmer"),
        ("line 4", "K2", ""),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query\nuk pm\n", "no column in_scope"),
        ("query,in_scope\nuk pm,maybe\n", "line 2: in_scope must be yes or no"),
        ("query,in_scope\n ,yes\n", "line 2: the query is empty"),
        ("query,in_scope,edit\nuk pm,yes,9\n", "line 2: no active edit has the id or the prompt '9'"),
        ("query,in_scope\nuk pm,yes,x,y\n", "line 2: has more cells than the header"),
    ],
)
def test_a_bad_file_is_named_by_its_line(memory, tmp_path, text, message):
    path = tmp_path / "probes.csv"
    path.write_text(text)
    with pytest.raises(InputFileError, match=message):
        read_probe_file(path, memory.edits())


def test_check_exits_0_where_all_probes_of_the_memory_pass(memory, fakes):
    runner = CliRunner()
    assert runner.invoke(app, ["probe", "add", "1", "who leads the uk today"]).exit_code == 0
    assert runner.invoke(app, ["probe", "add", "2", "how tall is K2", "--out"]).exit_code == 0
    done = runner.invoke(app, ["check"])
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "2 of 2 probes pass" in done.stderr
    assert fakes == []


def test_check_exits_1_and_shows_what_fails_and_why(memory, fakes, tmp_path):
    path = tmp_path / "probes.csv"
    path.write_text("query,in_scope,answer\nwho leads the uk,yes,Starmer\nwhere is siemens,no,\n")
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code == 1
    assert done.stdout == "line 3\twhere is siemens\tout of scope\tin scope of edit 2, 1.000 ≥ 0.800\n"
    assert "1 of 2 probes pass" in done.stderr
    assert fakes == ["editor"]


def test_json_holds_every_probe(memory, fakes, tmp_path):
    path = tmp_path / "probes.csv"
    path.write_text("query,in_scope,answer,edit\nwho leads the uk,yes,Starmer,1\nwhere is siemens,no,,\n")
    done = CliRunner().invoke(app, ["check", str(path), "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["passed"], found["failed"]) == (1, 1)
    assert found["probes"][0] == {
        "probe": "line 2",
        "query": "who leads the uk",
        "passed": True,
        "why": "",
        "expected": "in scope of edit 1",
        "expected_answer": "Starmer",
        "edit": 1,
        "probability": 1.0,
        "threshold": 0.8,
        "answer": "Keir Starmer",
    }


def serac(*arguments):
    program = "from serac_cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"NO_COLOR": "1"},
    )


def test_no_probes_at_all_is_no_success(memory):
    done = serac("check")
    assert done.returncode == 1
    assert done.stderr == "error: there are no probes to run; add one with `serac probe add ID QUERY`\n"


def test_probes_are_listed_and_removed_without_anything_heavy(memory):
    memory.add_probe(1, "uk pm?", answer="Starmer")
    memory.add_probe(2, "K2?", in_scope=False)
    program = (
        "import sys\nfrom serac_cli import app\nsys.argv = ['serac', 'probe']\n"
        "try:\n    app.main()\nexcept SystemExit:\n    pass\n"
        "assert not [name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\t1\tTrue\tuk pm?\tStarmer\n2\t2\tFalse\tK2?\t\n"
    assert serac("probe", "remove", "1").returncode == 0
    assert [probe.id for probe in memory.probes()] == [2]
    assert (
        serac("probe", "remove", "1").stderr
        == "error: there is no probe 1; `serac probe list` shows the ids\n"
    )

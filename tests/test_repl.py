"""The prompt, in three layers: one line at a time, the loop over a pipe, and the program on a real terminal."""

import getpass
import io
import signal
import stat
import sys

import pexpect
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from serac_cli import repl as module
from serac_cli.editor import Editor, encode_edits
from serac_cli.fakes import FakeBase, FakeCounterfactual, FakeEncoder, FakeScope
from serac_cli.render import Output
from serac_cli.repl import Repl, SlashCompleter, run_repl
from store import Draft, Memory


def open_fake_editor(settings, memory, progress):
    return Editor(memory, FakeEncoder(), FakeScope(memory), FakeBase(), FakeCounterfactual(), threshold=0.9)


@pytest.fixture
def output():
    output = Output()
    output.out = Console(file=io.StringIO(), width=200, highlight=False, markup=False, emoji=False)
    output.err = output.out
    return output


@pytest.fixture
def repl(tmp_path, settings, output):
    with Memory.open(tmp_path / "memory.db") as memory:
        drafts = [Draft("who leads france", "Ann")]
        memory.add(drafts, vectors=encode_edits(FakeEncoder(), drafts))
        yield Repl(settings, open_fake_editor(settings, memory, None), output)


def said(repl):
    text = repl.output.out.file.getvalue()
    repl.output.out.file.truncate(0)
    repl.output.out.file.seek(0)
    return text


def test_a_query_shows_route_edit_and_both_answers(repl):
    repl.handle("who leads france")
    lines = said(repl).splitlines()
    assert lines[0].startswith("in scope     p 1.000 ≥ 0.900 · edit 1: who leads france → Ann")
    assert lines[1].startswith("before       base says: who leads france")
    assert lines[2].startswith("after        Ann")


@pytest.mark.parametrize(
    ("query", "decision"),
    [
        ("who leads france", "in scope of edit 1: 1.000 reaches the threshold 0.900"),
        ("who leads spain", "out of scope: the best probability, 0.667, is under the threshold 0.900"),
    ],
)
def test_why_tells_what_follows_from_the_scores(repl, query, decision):
    repl.handle(f"/why {query}")
    assert decision in said(repl)


def test_out_of_scope_the_answer_is_shown_once(repl):
    repl.handle("who leads spain")
    lines = said(repl).splitlines()
    assert lines[0].startswith("out of scope p 0.667 < 0.900 · nearest edit 1")
    assert lines[1].startswith("before       base says: who leads spain")
    assert lines[2] == "after        the same, unchanged"


@pytest.mark.parametrize(
    ("line", "prompt", "target"),
    [
        ("/add who leads spain => Bob", "who leads spain", "Bob"),
        ('/add "who leads spain" "Bob"', "who leads spain", "Bob"),
        ("/add Bob leads spain.", "Bob leads spain.", ""),
    ],
)
def test_add_takes_an_arrow_quotes_or_a_statement(repl, line, prompt, target):
    repl.handle(line)
    assert said(repl) == "added edit 2\n"
    assert (repl.editor.memory.get(2).prompt, repl.editor.memory.get(2).target) == (prompt, target)


def test_add_replaces_and_repeats_as_the_command_does(repl):
    repl.handle("/add who leads france => Eve")
    repl.handle("/add who leads france => Eve")
    assert said(repl) == "added edit 2, which replaces edit 1\nedit 2 says that already, nothing to add\n"


def test_retire_and_undo(repl):
    repl.handle("/retire 1")
    assert repl.editor.memory.count() == 0
    repl.handle("/restore 1")
    assert repl.editor.memory.count() == 1
    repl.handle("/undo")
    assert repl.editor.memory.count() == 0
    text = said(repl)
    assert text.startswith("retired edit 1;")
    assert text.endswith("restored edit 1\nundone: restore edit 1\n")
    assert {event.author for event in repl.editor.memory.events()[:-1]} == {getpass.getuser()}


def test_the_threshold_moves_the_decision(repl):
    repl.handle("/threshold 0.5")
    repl.handle("who leads spain")
    assert "threshold 0.500\nin scope" in said(repl)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/nonsense", "no such command: /nonsense; /help lists them"),
        ("/show x", "not the id of an edit: 'x'"),
        ("/show 9", "there is no edit 9"),
        ("/retire", "not the id of an edit"),
        ("/threshold 7", "/threshold: threshold must be a number from 0 to 1"),
        ("/add", "the prompt is empty"),
        ("/add Who leads Spain =>", "nothing follows the =>"),
        ("/add Who leads Spain?", "it needs a target"),
        ('/add "open', "No closing quotation"),
        ("/base nonsense", "unknown model 'nonsense'"),
    ],
)
def test_a_mistake_is_one_line_and_the_prompt_goes_on(repl, line, message):
    repl.handle(line)
    text = said(repl)
    assert text.startswith("error: ")
    assert message in text
    assert text.count("\n") == 1
    assert repl.running
    assert repl.editor.memory.count(retired=None) == 1


def test_ctrl_c_cancels_the_answer_and_keeps_the_prompt(repl):
    class Slow(FakeBase):
        def generate(self, query, *, max_new_tokens):
            yield "some"
            raise KeyboardInterrupt

    repl.editor.base = Slow()
    repl.handle("who leads spain")
    assert said(repl).endswith("before       some …\ncancelled\n")
    assert repl.running


def test_help_names_every_command(repl):
    repl.handle("/help")
    text = said(repl)
    assert all(f"/{name}" in text for name in module.COMMANDS)


def test_completion_offers_commands_and_models():
    def completions(text):
        return [completion.text for completion in SlashCompleter().get_completions(Document(text), None)]

    assert completions("/re") == ["/retire", "/restore"]
    assert completions("/base smol") == ["smollm2-135m-instruct"]
    assert completions("who") == []


def test_the_loop_reads_lines_until_quit_and_keeps_a_private_history(settings, output, monkeypatch):
    monkeypatch.setattr(module, "open_editor", open_fake_editor)
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("/add who leads spain => Bob\nhalf a line\x03who leads spain\n/quit\nnever read\n")
        run_repl(settings, output, before=False)
    assert "after        Bob" in output.out.file.getvalue()
    assert "half a line" not in output.out.file.getvalue()
    assert stat.S_IMODE(settings.history.stat().st_mode) == 0o600
    assert "who leads spain" in settings.history.read_text()


def test_ctrl_d_leaves(settings, output, monkeypatch):
    monkeypatch.setattr(module, "open_editor", open_fake_editor)
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("\x04")
        run_repl(settings, output, before=True)


@pytest.mark.models
def test_the_program_answers_on_a_real_terminal(real_home):
    child = pexpect.spawn(
        sys.executable,
        ["-c", "from serac_cli.app import main; main()", "ask"],
        dimensions=(40, 160),
        encoding="utf-8",
        timeout=120,
        # where the tests run in the background, the shell has them ignore Ctrl-C, and so would the child
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    child.expect("serac>")
    child.send("/add Who is the mayor of Larkfield? => Ada Quill\r")
    child.expect("added edit 1")
    child.send("who is larkfield's mayor\r")
    child.expect("in scope")
    child.expect("before")
    child.expect("after .*Ada Quill")
    child.send("tell me a long story about a ship\r")
    child.expect("out of scope")
    child.expect("before")
    child.send("\x03")  # while the base model answers
    child.expect("cancelled")
    child.send("\x04")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0

import io
import json

import pytest

from serac_cli.protocols import Match
from serac_cli.render import Format, Output, inert
from store import Draft, Edit, Kind, Memory

HOSTILE = "[red]x[/] [/] \x1b[31mred\x1b[0m \x07 \x9b2J \u202eabc\u202c \u2028 \ue0001:smile:\t\r\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zürich 東京 👩\u200d🔬", "Zürich 東京 👩\u200d🔬"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202eevil", "\\u202eevil"),
        ("\x9b31m", "\\x9b31m"),
        ("[bold]x[/]", "[bold]x[/]"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_inert_text_shows_what_would_act(text, shown):
    assert inert(text) == shown


def test_newlines_are_kept_where_they_may_act():
    assert inert("a\n\tb\r", newlines=True) == "a\n\tb\\r"


@pytest.mark.parametrize("style", list(Format))
@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_edits_are_listed_inert_in_every_style(tmp_path, style, terminal):
    with Memory.open(tmp_path / "m.db") as memory:
        edits = memory.add([Draft(HOSTILE + "end", HOSTILE + "end")])
    output = Output(style)
    output.out = _console(terminal)
    output.edits(edits)
    written = output.out.file.getvalue()
    assert "[red]x[/]" in written
    allowed = written.replace("\x1b[1m", "").replace("\x1b[0m", "") if terminal else written
    assert not set(allowed) & set("\x1b\x07\x9b\u202e\u2028\r")


def test_json_gives_back_exactly_what_was_stored(tmp_path):
    with Memory.open(tmp_path / "m.db") as memory:
        edits = memory.add([Draft(HOSTILE + "end")])
    output = Output(Format.LINES)
    output.out = _console(False)
    output.edits(edits)
    assert json.loads(output.out.file.getvalue())["prompt"] == HOSTILE + "end"


def test_model_output_is_drawn_inert():
    output = Output()
    output.out = _console(True)
    view = output.answer_view(show_query=True)
    view.piece("after", "\x1b]0;title\x07[blink]\u202e\nnext")
    view.done("after", 1.0, reused=False)
    written = output.out.file.getvalue()
    assert "\\x1b]0;title\\x07[blink]\\u202e\n" in written
    assert not set(written.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", "")) & set(
        "\x1b\x07\u202e"
    )


def _console(terminal):
    from rich.console import Console

    return Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=100,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def test_a_long_answer_is_wrapped_between_words_under_its_label():
    output = Output()
    output.out = _console(False)
    output.out.width = 30
    view = output.answer_view(show_query=False)
    for piece in ("one two ", "three four", " five\nsix"):
        view.piece("before", piece)
    view.done("before", 12.0, reused=False)
    lines = output.out.file.getvalue().splitlines()
    assert [line.rstrip() for line in lines] == [
        "before       one two three",
        "             four five",
        "             six · 12 ms",
    ]


COLUMNS = ["id", "prompt", "target", "created_at"]


def table(*rows, width):
    output = Output()
    output.out = _console(True)
    output.out.width = width
    output.records([dict(zip(COLUMNS, row, strict=True)) for row in rows], COLUMNS)
    return output.out.file.getvalue().splitlines()


def test_a_table_aligns_its_columns_by_the_cells_that_characters_take():
    assert table((1, "東京?", "Tōkyō", "now"), (10, "Who?", "", ""), width=40) == [
        "\x1b[1mid  prompt  target  created\x1b[0m",
        "1   東京?   Tōkyō   now",
        "10  Who?",
    ]


def test_in_a_narrow_table_the_prompt_is_wrapped_and_the_rest_is_cut():
    assert table((1, "one two three", "a long 東京 target", "today"), width=30) == [
        "\x1b[1mid  prompt   target   created\x1b[0m",
        "1   one two  a long…  today",
        "    three",
    ]


def test_a_table_is_never_wider_than_the_terminal():
    for width in (12, 20, 33, 80):
        lines = table((1000, "prompt " * 20, "東京" * 90, "x" * 400), width=width)
        assert max(len(line) + sum(c in "東京" for c in line) for line in lines[1:]) <= width


def test_what_was_not_checked_has_no_probability_to_compare(capsys):
    edits = [Edit(n, "Who?", "Ada", Kind.FACT, (), "", "", "", "", "") for n in (1, 2)]
    matches = [Match(edits[0], 0.01, 0.9, scope=0.7, abstention=0.99), Match(edits[1], 0.6, 0.8)]
    Output(Format.JSON).matches(matches, 0.5)
    said = capsys.readouterr()
    first, second = json.loads(said.out)
    assert (first["probability"], first["scope"], first["abstention"]) == (0.01, 0.7, 0.99)
    assert (second["probability"], second["scope"], second["abstention"]) == (None, 0.6, None)
    assert "out of scope: the best probability, 0.010" in said.err
    Output(Format.AUTO).matches([Match(edits[0], 0.9, 0.8)], 0.5)
    assert capsys.readouterr().out == "1\t0.9\t0.8\tWho?\tAda\n"

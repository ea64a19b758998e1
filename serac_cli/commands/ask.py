"""``serac ask`` and ``serac why``: query the edited model, and see how a query was routed."""

import io
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from serac_cli.commands.common import (
    BaseOption,
    CounterfactualModelOption,
    CounterfactualOption,
    JsonOption,
    LinesOption,
    MaxNewTokensOption,
    MemoryOption,
    ScopeModelOption,
    ScopeOption,
    ThresholdOption,
    memory_of,
    output_for,
    settings_of,
)

__all__ = ["ask", "why"]

QueryArgument = Annotated[
    str | None,
    typer.Argument(help="The query; without one, opens the prompt or reads stdin.", show_default=False),
]


def ask(
    context: typer.Context,
    query: QueryArgument = None,
    no_before: Annotated[
        bool, typer.Option("--no-before", help="Skip the base model's answer where an edit answers.")
    ] = False,
    base: BaseOption = None,
    scope: ScopeOption = None,
    counterfactual: CounterfactualOption = None,
    scope_model: ScopeModelOption = None,
    counterfactual_model: CounterfactualModelOption = None,
    threshold: ThresholdOption = None,
    max_new_tokens: MaxNewTokensOption = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
) -> None:
    """Answers a query, before and after editing.

    With no query it opens an interactive prompt, or answers the lines on stdin where that is no terminal.
    Away from a terminal, or with --json, each answer is one JSON object on a line.
    """
    from serac_cli.editor import checked_query
    from serac_cli.render import answer_record, is_interactive

    if query is not None:
        query = checked_query(query)
    settings = settings_of(
        context,
        memory=memory,
        base=base,
        scope=scope,
        counterfactual=counterfactual,
        scope_model=scope_model,
        counterfactual_model=counterfactual_model,
        threshold=threshold,
        max_new_tokens=max_new_tokens,
    )
    output = output_for(json)
    if query is None and is_interactive() and not json:
        from serac_cli.repl import run_repl

        run_repl(settings, output, before=not no_before)
        return
    draws = output.is_table
    with memory_of(settings, create=True) as edits:
        if not edits.edits(limit=1):
            output.note(f"no edits in {settings.memory}: the base model answers all by itself")
        editor = None
        for line in [query] if query is not None else _lines_of_stdin():
            if editor is None:
                from serac_cli.assembly import open_editor

                with output.progress() as report:
                    editor = open_editor(settings, edits, report)
            view = output.answer_view(show_query=query is None) if draws else None
            answer = editor.answer(line, before=not no_before, listener=view)
            if not draws:
                output.record(answer_record(answer))


def why(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="The query to explain.")],
    candidates: Annotated[int, typer.Option("-k", min=1, help="How many candidates to show.")] = 5,
    scope: ScopeOption = None,
    scope_model: ScopeModelOption = None,
    counterfactual_model: CounterfactualModelOption = None,
    threshold: ThresholdOption = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Shows the edits nearest to a query, with both stages' scores, and how it would be routed."""
    from serac_cli.assembly import open_decision
    from serac_cli.editor import checked_query

    query, output = checked_query(query), output_for(json, lines)
    settings = settings_of(
        context,
        memory=memory,
        scope=scope,
        scope_model=scope_model,
        counterfactual_model=counterfactual_model,
        threshold=threshold,
    )
    with memory_of(settings) as edits:
        with output.progress() as report:
            classifier, limit = open_decision(settings, edits, report)
        matches = classifier.match(query, k=candidates)
    output.matches(matches, limit)


def _lines_of_stdin() -> Iterator[str]:
    """Yields the queries, a line each, without the blank ones. Raises InputFileError with the number of a bad line."""
    from serac_cli.editor import checked_query
    from serac_cli.errors import InputFileError, SettingsError

    if isinstance(sys.stdin, io.TextIOWrapper):
        # what is no UTF-8 is refused with the query's other rules
        sys.stdin.reconfigure(errors="surrogateescape")
    for number, line in enumerate(sys.stdin, start=1):
        if query := line.strip():
            try:
                checked_query(query)
            except SettingsError as error:
                raise InputFileError(f"line {number} of stdin: {error}", error.hint) from None
            yield query

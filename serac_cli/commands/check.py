"""``serac check`` and ``serac probe``: a regression test of a memory, and the probes stored for it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serac_cli.commands.common import (
    LARGEST,
    BaseOption,
    CounterfactualModelOption,
    CounterfactualOption,
    JsonOption,
    LinesOption,
    MemoryOption,
    ScopeModelOption,
    ScopeOption,
    ThresholdOption,
    memory_of,
    output_for,
    settings_of,
)
from serac_cli.errors import InputFileError

if TYPE_CHECKING:
    from serac_cli.protocols import ScopeClassifier

__all__ = ["app", "check"]

app = typer.Typer(help="The probes of edits, which `serac check` runs: add, list, remove.")

COLUMNS = ["probe", "query", "expected", "why"]


def check(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A CSV with the columns query and in_scope (yes or no), and perhaps answer and edit "
            "(an id or a prompt); without it the probes stored with the edits are run.",
            show_default=False,
        ),
    ] = None,
    base: BaseOption = None,
    scope: ScopeOption = None,
    counterfactual: CounterfactualOption = None,
    scope_model: ScopeModelOption = None,
    counterfactual_model: CounterfactualModelOption = None,
    threshold: ThresholdOption = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
) -> None:
    """Runs probes against the memory, shows which fail and why, and exits 1 if any does.

    A probe is a query that must be in scope (of a certain edit), or out of scope; with an answer, that must occur in
    what is answered. The base model answers only if a probe expects an answer.
    """
    from serac_cli.assembly import open_decision, open_editor
    from serac_cli.probes import read_probe_file, run_checks, stored
    from store import Edit

    settings = settings_of(
        context,
        memory=memory,
        base=base,
        scope=scope,
        counterfactual=counterfactual,
        scope_model=scope_model,
        counterfactual_model=counterfactual_model,
        threshold=threshold,
    )
    output = output_for(json)
    with memory_of(settings) as edits, output.progress() as report:
        expectations = read_probe_file(file, edits.edits()) if file else stored(edits)
        if not expectations:
            raise InputFileError("there are no probes to run", "add one with `serac probe add ID QUERY`")
        editor = None
        if any(expected.answer for expected in expectations):
            editor = open_editor(settings, edits, report)
            classifier: ScopeClassifier = editor.scope
            limit = editor.threshold
        else:
            classifier, limit = open_decision(settings, edits, report)

        def answer(query: str, edit: Edit | None) -> str:
            assert editor is not None, "an answer is expected, so the models are loaded"
            longest = settings.max_new_tokens
            if edit is None:
                return "".join(editor.base.generate(query, max_new_tokens=longest))
            return "".join(editor.counterfactual.generate(query, edit, max_new_tokens=longest))

        checks = run_checks(expectations, classifier, limit, answer, lambda d, n: report("checking", d, n))
    failed = [one for one in checks if not one.passed]
    if json:
        counts = {"passed": len(checks) - len(failed), "failed": len(failed)}
        output.record(counts | {"probes": [one.record() for one in checks]})
    elif failed:
        output.records([one.record() for one in failed], COLUMNS)
    output.note(f"{len(checks) - len(failed)} of {len(checks)} probes pass")
    raise typer.Exit(1 if failed else 0)


@app.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context, memory: MemoryOption = None) -> None:
    if memory is not None:
        context.obj = (context.obj or {}) | {"memory": memory}
    if context.invoked_subcommand is None:
        list_probes(context)


@app.command()
def add(
    context: typer.Context,
    edit_id: Annotated[
        int, typer.Argument(help="The id of the edit that the probe is about.", metavar="ID", max=LARGEST)
    ],
    query: Annotated[str, typer.Argument(help="The query.")],
    out: Annotated[
        bool, typer.Option("--out", help="The query is out of scope: no edit may answer it.")
    ] = False,
    answer: Annotated[str, typer.Option(help="What the answer must hold.", show_default=False)] = "",
    memory: MemoryOption = None,
) -> None:
    """Stores a query with an edit, with the outcome that is expected of it."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        probe = edits.add_probe(edit_id, query, in_scope=not out, answer=answer)
    output_for().note(f"added probe {probe.id}; `serac check` runs it")


@app.command("list")
def list_probes(
    context: typer.Context,
    edit_id: Annotated[
        int | None, typer.Argument(help="Only this edit's.", metavar="ID", show_default=False, max=LARGEST)
    ] = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Lists the probes of the active edits, or of one edit."""
    output = output_for(json, lines)
    with memory_of(settings_of(context, memory=memory)) as edits:
        found = edits.probes(edit_id=edit_id)
    output.records([asdict(probe) for probe in found], ["id", "edit_id", "in_scope", "query", "answer"])
    if not found:
        output.note("no probes here; add one with `serac probe add ID QUERY`")


@app.command()
def remove(
    context: typer.Context,
    probe_ids: Annotated[list[int], typer.Argument(help="The ids of probes.", metavar="ID...", max=LARGEST)],
    memory: MemoryOption = None,
) -> None:
    """Removes probes; the edits stay as they are."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        edits.remove_probes(probe_ids)
    output_for().note(f"removed {len(set(probe_ids))} probes")

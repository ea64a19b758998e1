"""``serac evaluate``: measures the editor beside others on the paper's tasks, and its components, each alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serac_cli.commands.common import (
    CounterfactualModelOption,
    JsonOption,
    LinesOption,
    PublicSetsOption,
    ScopeModelOption,
    checked_rate,
    output_for,
    settings_of,
)

if TYPE_CHECKING:
    from serac_cli.render import Output

__all__ = ["app"]

Heard = Callable[[str, int, int], None]

app = typer.Typer(help="Measure the editor and its components.", no_args_is_help=True)


@app.command()
def scope(
    context: typer.Context,
    data: PublicSetsOption = None,
    edits: Annotated[int, typer.Option(help="How many edits are in memory at once.", min=1)] = 1000,
    form: Annotated[str, typer.Option(help="checked, two-stage, cross, embedding or cosine.")] = "checked",
    model: ScopeModelOption = None,
    counterfactual_model: CounterfactualModelOption = None,
    typed: Annotated[
        Path | None,
        typer.Option(help="A JSONL of your own edits and queries, as tests/data/typed_edits.jsonl."),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many queries of a set and kind.", min=1)] = 1000,
    threshold: Annotated[
        float | None, typer.Option(help="Overrides the calibrated one.", min=0, max=1)
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Also write the figures and pictures of a model card to this folder.")
    ] = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Measures the scope classifier by kind of query, against the bars it is held to."""
    from serac_cli.assembly import open_trained_counterfactual
    from serac_cli.evaluation.plots import pyplot
    from serac_cli.evaluation.scope_command import DRAWN, ScopeEvaluation, evaluate_scope, write_card

    if card and form in DRAWN:
        pyplot()  # what the card needs is missed now, not when all is measured
    run = ScopeEvaluation(form, edits, limit, data, typed, model, threshold)
    output = output_for(json, lines)
    with output.progress() as report:
        abstention = None
        if form == "checked":
            settings = settings_of(context, counterfactual_model=counterfactual_model)
            abstention = open_trained_counterfactual(settings, report).first_token_abstains
        result = evaluate_scope(run, report, abstention)
    if card:
        write_card(card, result)
    if json or lines:
        output.record(result.as_dict())
        return
    rows = [
        {
            "queries": row.name,
            "right %": f"{100 * row.share:.2f}",
            "of": row.count,
            "must %": "" if row.minimum is None else f"{100 * row.minimum:g}",
            "": {None: "", True: "reached", False: "missed"}[row.reached],
        }
        for row in (*result.bars, *result.kinds)
    ]
    output.records(rows, ["queries", "right %", "of", "must %", ""])
    output.note(
        f"{result.form}, {result.memory} in memory, threshold {result.threshold}, "
        f"expected calibration error {result.calibration_error:.4f}"
    )


@app.command()
def counterfactual(
    context: typer.Context,
    data: PublicSetsOption = None,
    model: CounterfactualModelOption = None,
    typed: Annotated[
        Path | None,
        typer.Option(help="A JSONL of your own edits and queries, as tests/data/typed_edits.jsonl."),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many cases a row; 0 takes all.", min=0)] = 1000,
    seed: Annotated[int, typer.Option(help="The seed of the sample.")] = 0,
    only: Annotated[
        list[str] | None, typer.Option(help="Measure this row only; may be repeated.", show_default=False)
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Also write the figures of the model card beside the adapter.")
    ] = False,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Measures the counterfactual model, given the right edit, against the bars it is held to."""
    from serac_cli.backends.local import load_local_model
    from serac_cli.checkpoints import component_folder
    from serac_cli.counterfactual import read_config
    from serac_cli.evaluation.counterfactual_command import (
        CounterfactualEvaluation,
        evaluate_counterfactual,
        write_card,
    )
    from serac_cli.evaluation.counterfactual_report import as_json, table
    from serac_cli.models import resolve

    folder = model or component_folder("counterfactual")
    run = CounterfactualEvaluation(data, folder, limit, seed, typed, only or ())
    output = output_for(json, lines)
    with output.progress() as report:
        base = load_local_model(resolve(settings_of(context).models, read_config(folder)["base"], report))
        result = evaluate_counterfactual(run, base, report)
    if card:
        write_card(folder, result)
    if json or lines:
        output.record(as_json(result))
        return
    columns = ["task", "cases", "teacher-forced %", "must %", "free %", "must be %"]
    output.records([_percentages(line, columns) for line in table(result)], columns)
    if result.veto:
        shares = "; ".join(f"{t}: {100 * n:.1f} / {100 * i:.1f}" for t, (n, i) in result.veto.vetoed.items())
        output.note(f"abstention, by threshold, % of near-misses / of queries in scope: {shares}")


@app.command("run")
def run_all(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The folder for the calls, rows and results.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="The directory with the public sets (dev/, and train/ to fill the memory); "
            "without it the hand-written sets are used.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Your own edits and queries: prompt, target, query, in_scope (yes or no), and perhaps answer.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="qa, qa-hard, fc or convsent; may be repeated.", show_default="all"),
    ] = None,
    editor: Annotated[
        list[str] | None,
        typer.Option(
            help="none, serac (the default form), serac-two-stage, serac-embedding, serac-cross, serac-cosine, rp, lu "
            "or ft; may be repeated.",
            show_default="all but serac-cosine",
        ),
    ] = None,
    base: Annotated[
        list[str] | None, typer.Option(help="A base model; may be repeated.", show_default="the default one")
    ] = None,
    edits: Annotated[
        list[int] | None,
        typer.Option(
            "-k", help="Edits in memory at once; may be repeated.", min=1, show_default="1 to 10000"
        ),
    ] = None,
    records: Annotated[
        int | None, typer.Option(help="Edits measured, for each task.", min=2, show_default="100")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Where free replies are cut, in tokens.", min=1, show_default="24")
    ] = None,
    ft_rate: Annotated[
        float | None,
        typer.Option(
            help="FT's learning rate for all weights, instead of tuning it.",
            callback=checked_rate,
            show_default=False,
        ),
    ] = None,
    ft_steps: Annotated[
        int | None, typer.Option(help="FT's greatest number of steps.", min=1, show_default="40")
    ] = None,
    scope_model: ScopeModelOption = None,
    counterfactual_model: CounterfactualModelOption = None,
    seed: Annotated[
        int | None, typer.Option(help="The seed of all that is drawn.", min=0, show_default="0")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer records, editors and edits: minutes.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in OUT, with its settings where none are given."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Measures editors on the paper's tasks: edit success (ES) and drawdown (DD), with the same records for all.

    An interrupted run goes on with --resume, and its own settings where none are given: no model is asked the same
    thing twice.
    """
    from dataclasses import replace

    from serac_cli.encoder import load_encoder
    from serac_cli.evaluation.run import run
    from serac_cli.evaluation.run_config import run_config
    from serac_cli.evaluation.tables import main_edits, main_table

    given: dict[str, Any] = {
        "tasks": tuple(task or ()),
        "editors": tuple(editor or ()),
        "bases": tuple(base or ()),
        "edits": tuple(edits or ()),
        "records": records,
        "max_new_tokens": max_new_tokens,
        "seed": seed,
        "data": data,
        "csv": csv,
        "scope": scope_model,
        "counterfactual": counterfactual_model,
    }
    told = {name: value for name, value in given.items() if value not in (None, ())}
    config = run_config(told, quick=quick, resumed=out if resume else None)
    grid = config.grid
    if ft_rate:
        grid = (replace(grid[0], learning_rate=ft_rate, layers=0),)
    config = replace(config, grid=tuple(replace(one, steps=ft_steps or one.steps) for one in grid))
    output = output_for(json)
    with output.progress() as report, _spoken(output, report) as heard:
        results = run(config, out, settings_of(context), load_encoder(), resume=resume, progress=heard)
    if json:
        output.record(results)
        return
    columns, rows = main_table(results, main_edits(results))
    output.records(rows, columns)
    output.note(f"{main_edits(results)} edits in memory; all figures are in {out / 'results.json'}")


@app.command("report")
def write_report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs; a title may be put before: 'TITLE=FOLDER'.", metavar="RUN..."),
    ],
    out: Annotated[Path, typer.Option(help="The Markdown file to write; plots go to a folder beside it.")],
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Whether to draw plots.")] = True,
) -> None:
    """Writes the results of runs as Markdown, with plots."""
    from serac_cli.evaluation.report import write

    written = write([str(run) for run in runs], out, plots=plots)
    output_for().note(f"wrote {', '.join(str(path) for path in written)}")


@contextmanager
def _spoken(output: "Output", report: Heard) -> Iterator[Heard]:
    """Yields ``report``, which away from a terminal says twice a minute how far the work is, and the time left."""
    started: dict[str, float] = {}
    said = time.monotonic()

    def heard(label: str, done: int, total: int) -> None:
        nonlocal said
        report(label, done, total)
        now = time.monotonic()
        start = started.setdefault(label, now)
        if not output.err.is_terminal and done and now - said > NOTE_EVERY:
            said = now
            left = (now - start) / done * (total - done)
            output.note(f"{label}: {done} of {total}, {left / 60:.0f} min left")

    yield heard


NOTE_EVERY = 30
"""Seconds between notes on progress where there is no terminal."""


def _percentages(line: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    shares = {
        name: "" if value is None else f"{100 * value:.1f}"
        for name, value in zip(columns[2:], list(line.values())[2:], strict=True)
    }
    return {"task": line["task"], "cases": line["cases"], **shares}

"""``serac evaluate``: measures the editor's components, each alone."""

from pathlib import Path
from typing import Annotated, Any

import typer

from serac_cli.commands.common import JsonOption, LinesOption, output_for, settings_of

__all__ = ["app"]

app = typer.Typer(help="Measure the editor and its components.", no_args_is_help=True)


@app.command()
def scope(
    data: Annotated[
        Path | None,
        typer.Option(
            help="The directory with the public sets (train/, dev/); without it only the hand-written ones are used.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    edits: Annotated[int, typer.Option(help="How many edits are in memory at once.", min=1)] = 1000,
    form: Annotated[str, typer.Option(help="two-stage, cross, embedding or cosine.")] = "two-stage",
    model: Annotated[
        Path | None, typer.Option(help="A folder that `serac train scope` wrote; by default the shipped one.")
    ] = None,
    typed: Annotated[
        Path | None,
        typer.Option(help="A JSONL of your own edits and queries, as tests/data/typed_edits.jsonl."),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many queries of a set and kind.", min=1)] = 1000,
    threshold: Annotated[
        float | None, typer.Option(help="Overrides the calibrated one.", min=0, max=1)
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Also write metrics.json and reliability.png to this folder.")
    ] = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Measures the scope classifier by kind of query, against the bars it is held to."""
    from serac_cli.evaluation.scope_command import ScopeEvaluation, evaluate_scope, write_card

    run = ScopeEvaluation(form, edits, limit, data, typed, model, threshold)
    output = output_for(json, lines)
    with output.progress() as report:
        result = evaluate_scope(run, progress=report)
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
        f"{result.form}, {result.edits} edits in memory, threshold {result.threshold}, "
        f"expected calibration error {result.calibration_error:.4f}"
    )


@app.command()
def counterfactual(
    context: typer.Context,
    data: Annotated[
        Path, typer.Option(help="The directory with the dev sets (dev/).", exists=True, file_okay=False)
    ],
    model: Annotated[
        Path | None,
        typer.Option(help="A folder that `serac train counterfactual` wrote; by default the shipped one."),
    ] = None,
    typed: Annotated[
        Path | None,
        typer.Option(help="A JSONL of your own edits and queries, as tests/data/typed_edits.jsonl."),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many cases a row; 0 takes all.", min=0)] = 1000,
    seed: Annotated[int, typer.Option(help="The seed of the sample.")] = 0,
    only: Annotated[
        list[str] | None, typer.Option(help="Measure this row only; may be repeated.", show_default=False)
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="Also write metrics.json beside the adapter.")] = False,
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
        write_metrics,
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
        write_metrics(folder, result)
    if json or lines:
        output.record(as_json(result))
        return
    columns = ["task", "cases", "teacher-forced %", "must %", "free %", "must be %"]
    output.records([_percentages(line, columns) for line in table(result)], columns)
    if result.veto:
        shares = "; ".join(f"{t}: {100 * n:.1f} / {100 * i:.1f}" for t, (n, i) in result.veto.vetoed.items())
        output.note(f"abstention, by threshold, % of near-misses / of queries in scope: {shares}")


def _percentages(line: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    shares = {
        name: "" if value is None else f"{100 * value:.1f}"
        for name, value in zip(columns[2:], list(line.values())[2:], strict=True)
    }
    return {"task": line["task"], "cases": line["cases"], **shares}

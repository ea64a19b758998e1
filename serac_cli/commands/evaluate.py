"""``serac evaluate``: measures the editor; ``scope`` is the scope classifier alone."""

from pathlib import Path
from typing import Annotated

import typer

from serac_cli.commands.common import JsonOption, LinesOption, output_for

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

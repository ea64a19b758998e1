"""``serac train``: trains the editor's components, the scope classifier and the counterfactual model."""

from pathlib import Path
from typing import Annotated

import typer

from serac_cli.commands.common import (
    CounterfactualModelOption,
    PublicSetsOption,
    ScopeModelOption,
    checked_rate,
    output_for,
    settings_of,
)
from serac_cli.errors import SettingsError
from serac_cli.settings import DEFAULT_BASE

__all__ = ["app"]

app = typer.Typer(help="Train the editor's components.", no_args_is_help=True)

DataOption = Annotated[
    Path | None,
    typer.Option(help="The directory with the training sets (train/, dev/).", exists=True, file_okay=False),
]
OutOption = Annotated[Path, typer.Option(help="The folder for the trained component.")]
WorkOption = Annotated[
    Path | None, typer.Option(help="The folder for pairs, checkpoint and log; by default OUT/work.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the work folder.")]
SeedOption = Annotated[int, typer.Option(help="The seed of sampling and of the order of batches.")]
StepsOption = Annotated[int | None, typer.Option(help="Stop after so many steps.", min=1, show_default=False)]


@app.command()
def scope(
    out: OutOption,
    data: DataOption = None,
    edits: Annotated[
        Path | None,
        typer.Option(
            help="A CSV of your own edits and queries, with the columns prompt, target, query and in_scope.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="A trained scope classifier to go on from; by default the bare backbone."),
    ] = None,
    work: WorkOption = None,
    resume: ResumeOption = False,
    seed: SeedOption = 0,
    scale: Annotated[float, typer.Option(help="The share of the data to draw.", min=0.001)] = 1.0,
    steps: StepsOption = None,
    learning_rate: Annotated[
        float, typer.Option(help="The peak of the learning rate.", callback=checked_rate)
    ] = 1.2e-4,
) -> None:
    """Trains the scope classifier on DATA, or on a CSV of your own, and calibrates it."""
    from serac_cli.training.scope_training import ScopeTraining, train_scope

    if data is None and edits is None:
        raise SettingsError("there is nothing to train on", "give --data, or --edits with a CSV of your own")
    run = ScopeTraining(
        out=out,
        work=work or out / "work",
        data=data,
        edits=edits,
        start=start,
        seed=seed,
        scale=scale,
        steps=steps,
        learning_rate=learning_rate,
    )
    output = output_for()
    with output.progress() as report:
        config = train_scope(run, resume=resume, progress=report)
    output.note(f"temperature {config.temperature}, threshold {config.threshold}; written to {out}")


@app.command()
def counterfactual(
    context: typer.Context,
    out: OutOption,
    data: Annotated[
        Path,
        typer.Option(
            help="The directory with the training sets (train/, dev/).", exists=True, file_okay=False
        ),
    ],
    base: Annotated[
        str,
        typer.Option(help="The model to train over: a catalogue name, a folder, a .gguf file or a hub id."),
    ] = DEFAULT_BASE,
    start: Annotated[
        Path | None, typer.Option(help="A trained adapter to go on from; by default a new one.")
    ] = None,
    focus: Annotated[
        int | None,
        typer.Option(
            help="Ask --start about so many hand-written edits first, and read those that it gets wrong.",
            min=1,
            show_default=False,
        ),
    ] = None,
    work: WorkOption = None,
    resume: ResumeOption = False,
    seed: SeedOption = 0,
    steps: Annotated[int, typer.Option(help="Stop after so many steps.", min=1)] = 2000,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so many minutes.", min=0.1, show_default=False)
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="The peak of the learning rate.", callback=checked_rate)
    ] = 1e-3,
) -> None:
    """Trains the counterfactual model, a LoRA adapter over a small causal model, on DATA."""
    from serac_cli.models import resolve
    from serac_cli.training.counterfactual_training import CounterfactualTraining, train_counterfactual

    output = output_for()
    with output.progress() as report:
        run = CounterfactualTraining(
            out=out,
            work=work or out / "work",
            data=data,
            base=Path(resolve(settings_of(context).models, base, report)),
            base_name=base,
            start=start,
            focus=focus,
            seed=seed,
            steps=steps,
            minutes=minutes,
            learning_rate=learning_rate,
        )
        train_counterfactual(run, resume=resume, heard=report)
    output.note(f"written to {out}; `serac evaluate counterfactual --model {out}` measures it")


@app.command()
def check(
    context: typer.Context,
    data: PublicSetsOption = None,
    model: ScopeModelOption = None,
    counterfactual_model: CounterfactualModelOption = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder for check.json; by default the one of --model.")
    ] = None,
    edits: Annotated[int, typer.Option(help="How many edits are in memory at once.", min=1)] = 1000,
    limit: Annotated[int, typer.Option(help="At most so many queries of a set and kind.", min=1)] = 60,
) -> None:
    """Fits, on development sets, the say that the counterfactual model has in the checked form's decision."""
    from serac_cli.assembly import open_trained_counterfactual
    from serac_cli.checked import save_check
    from serac_cli.checkpoints import component_folder, load_cross_encoder
    from serac_cli.encoder import load_encoder
    from serac_cli.evaluation.scope_sets import hand_written_sets, scope_sets
    from serac_cli.scope import FixedIndex, TwoStageScope
    from serac_cli.training.check_training import fit_check

    if not (out or model):
        raise SettingsError("the check would be written over the shipped one", "give --out, or --model")
    output, folder = output_for(), model or component_folder("scope")
    encoder, cross_encoder = load_encoder(), load_cross_encoder(folder)
    sets = scope_sets(data, edits, limit) if data else hand_written_sets()
    with output.progress() as report:
        settings = settings_of(context, counterfactual_model=counterfactual_model)
        trained = open_trained_counterfactual(settings, report)
        fitted = fit_check(
            sets,
            lambda one: TwoStageScope(FixedIndex(one.edits, encoder), cross_encoder),
            trained.first_token_abstains,
            report,
        )
    save_check(out or folder, fitted)
    output.note(f"{fitted}; written to {out or folder}")

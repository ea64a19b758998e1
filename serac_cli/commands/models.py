"""``serac models``: list, pull, path, rm."""

from typing import Annotated

import typer

from serac_cli.commands.common import JsonOption, LinesOption, output_for, settings_of
from serac_cli.errors import ModelError

__all__ = ["app"]

app = typer.Typer(help="The base models that serac can fetch by itself, and those it has converted.")
NameArgument = Annotated[str, typer.Argument(help="A name from `serac models list`.")]


@app.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models(context)


@app.command("list")
def list_models(context: typer.Context, json: JsonOption = False, lines: LinesOption = False) -> None:
    """Lists the models of the catalogue, which are here, and what was converted from .gguf files."""
    from serac_cli.models import CATALOGUE, converted, folder_bytes, model_folder

    folder = settings_of(context).models
    records = []
    for model in CATALOGUE.values():
        path = model_folder(folder, model.name)
        here = path.is_dir()
        megabytes = round((folder_bytes(path) if here else model.disk_bytes) / 1e6)
        records.append(
            {
                "name": model.name,
                "status": "ready" if here else "not pulled",
                "megabytes": megabytes,
                "licence": model.licence,
                "description": model.description,
                "path": str(path) if here else None,
            }
        )
    for name in converted(folder):
        path = folder / name
        records.append(
            {
                "name": name,
                "status": "converted",
                "megabytes": round(folder_bytes(path) / 1e6),
                "licence": "",
                "description": "made of a .gguf file given to --base; made again where it is missing",
                "path": str(path),
            }
        )
    output_for(json, lines).records(records, ["name", "status", "megabytes", "licence", "description"])


@app.command()
def pull(context: typer.Context, name: NameArgument) -> None:
    """Fetches a model and converts it, unless it is there."""
    from serac_cli.models import pull as pull_model

    output = output_for()
    with output.progress() as report:
        folder = pull_model(settings_of(context).models, name, report)
    output.note(f"{name} is ready in {folder}")


@app.command()
def path(context: typer.Context, name: NameArgument) -> None:
    """Prints the folder of a model that has been pulled."""
    from serac_cli.models import model_folder

    folder = model_folder(settings_of(context).models, name)
    if not folder.is_dir():
        raise ModelError(f"{name} has not been pulled", f"`serac models pull {name}` fetches it")
    typer.echo(folder)


@app.command()
def rm(context: typer.Context, name: NameArgument) -> None:
    """Deletes a model that has been pulled."""
    from serac_cli.models import remove

    freed = remove(settings_of(context).models, name)
    output_for().note(f"removed {name}, {freed / 1e6:.0f} MB")

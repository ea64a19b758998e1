"""The root of the command line, and the one place where errors become messages and exit codes."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from serac_cli.commands import ask, check, edit, evaluate, models, train
from serac_cli.errors import SeracError, explain
from store.errors import StoreError

__all__ = ["app", "main"]

app = typer.Typer(
    name="serac",
    help="Edit what a language model says, after deployment, without touching its weights.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("ask")(ask.ask)
app.command("why")(ask.why)
app.command("check")(check.check)
app.add_typer(edit.app, name="edit")
app.add_typer(check.app, name="probe")
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"serac {version('serac')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    memory: Annotated[
        Path | None, typer.Option(help="The edit memory, a SQLite file.", show_default=False)
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Settings that hold for every command."""
    context.obj = {"memory": memory}
    if debug:
        os.environ["SERAC_DEBUG"] = "1"


def main() -> None:
    """Runs the command line; an error that serac knows, or a wrong use, ends it with one line on stderr."""
    # before torch is imported: its threads, waiting for each other awake, take seconds a step on a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="backslashreplace")  # a terminal of ASCII shows what it can
    try:
        exit_code = app(standalone_mode=False)
    except TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "serac")
        message = (
            f"{error.format_message().rstrip('.')}; see `{command} --help`" if error.format_message() else ""
        )
        exit_code = error.exit_code
    except (SeracError, StoreError, UnicodeEncodeError, OSError) as error:
        if os.environ.get("SERAC_DEBUG"):
            raise
        message, exit_code = explain(error)
    except (KeyboardInterrupt, typer.Abort):
        message, exit_code = "interrupted", 130
    else:
        message = ""
    if message:
        from serac_cli.render import Output

        Output().error(" ".join(message.split()))
    sys.exit(exit_code)

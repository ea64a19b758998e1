"""The options that several commands share, and the way from them to settings, memory and editor."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serac_cli.render import Format, Output
from serac_cli.settings import Settings, load_settings

if TYPE_CHECKING:
    from store import Memory

__all__ = [
    "BaseOption",
    "CounterfactualModelOption",
    "CounterfactualOption",
    "JsonOption",
    "LinesOption",
    "MaxNewTokensOption",
    "MemoryOption",
    "ScopeModelOption",
    "ScopeOption",
    "ThresholdOption",
    "checked_rate",
    "memory_of",
    "output_for",
    "settings_of",
]

MemoryOption = Annotated[
    Path | None,
    typer.Option(
        "--memory", "-m", help="The edit memory, a SQLite file (also SERAC_MEMORY).", show_default=False
    ),
]
LARGEST = 2**63 - 1
"""The largest whole number that SQLite holds: ids and limits beyond it are refused."""
PublicSetsOption = Annotated[
    Path | None,
    typer.Option(
        help="The directory with the public sets (train/, dev/); without it only the hand-written ones are used.",
        exists=True,
        file_okay=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
LinesOption = Annotated[bool, typer.Option("--nl", help="Write one JSON object a line.")]
BaseOption = Annotated[
    str | None,
    typer.Option("--base", help="The base model: a catalogue name, a folder, a .gguf file or a hub id."),
]
ScopeOption = Annotated[
    str | None,
    typer.Option("--scope", help="The scope classifier: checked, two-stage, cross, embedding or cosine."),
]
CounterfactualOption = Annotated[
    str | None, typer.Option("--counterfactual", help="The counterfactual model: trained or in-context.")
]
ScopeModelOption = Annotated[
    Path | None, typer.Option(help="A folder that `serac train scope` wrote; by default the shipped one.")
]
CounterfactualModelOption = Annotated[
    Path | None,
    typer.Option(help="A folder that `serac train counterfactual` wrote; by default the shipped one."),
]
ThresholdOption = Annotated[
    str | None,
    typer.Option(
        "--threshold", help="The probability from which a query is in scope, 0 to 1.", show_default=False
    ),
]
MaxNewTokensOption = Annotated[
    str | None, typer.Option("--max-new-tokens", help="The longest answer, in tokens.", show_default=False)
]


def checked_rate(rate: float | None) -> float | None:
    """Returns a learning rate that was given. Raises BadParameter unless it is a number above 0."""
    if rate is not None and not 0 < rate < float("inf"):
        raise typer.BadParameter(f"{rate:g} is no number above 0")
    return rate


def settings_of(context: typer.Context, **flags: Any) -> Settings:
    """Returns the settings of this command: its own flags, the root's, then the other sources."""
    root = {name: value for name, value in (context.obj or {}).items() if value is not None}
    given = {name: value for name, value in flags.items() if value is not None}
    return load_settings(root | given)


def output_for(json: bool = False, lines: bool = False) -> Output:
    """Returns the output in the style that the flags ask for."""
    return Output(Format.JSON if json else Format.LINES if lines else Format.AUTO)


@contextmanager
def memory_of(settings: Settings, *, create: bool = False) -> Iterator["Memory"]:
    """Opens the memory of this run; where ``create`` is false, a missing one is an error."""
    from store import Memory

    with Memory.open(settings.memory, create=create) as memory:
        yield memory

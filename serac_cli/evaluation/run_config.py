"""The settings of a run of the comparison: by default, in the quick form, and when a run is resumed."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from serac_cli.errors import SettingsError
from serac_cli.evaluation.finetuning import FineTuningConfig
from serac_cli.evaluation.line_up import DEFAULT_EDITORS
from serac_cli.evaluation.task_sets import FILES
from serac_cli.evaluation.tuning import GRID
from serac_cli.settings import DEFAULT_BASE

__all__ = ["QUICK", "TASKS", "RunConfig", "run_config", "save_config"]

TASKS = tuple(FILES)

SETTINGS = "settings.json"
_PATHS = ("data", "csv", "scope", "counterfactual")
_SIZES = ("editors", "edits", "records", "ft_records", "ft_edits", "tuning", "timed", "grid")


@dataclass(frozen=True)
class RunConfig:
    """What a run measures. ``edits`` are the numbers of edits in memory at once (the paper's k).

    ``records`` are measured for each task; ``tuning`` further ones serve to tune LU and FT. FT, which learns anew for
    each batch, is measured on the first ``ft_records`` with at most ``ft_edits`` edits; ``grid`` are its
    configurations to choose from. ``timed`` queries are timed one by one.
    """

    tasks: tuple[str, ...] = TASKS
    editors: tuple[str, ...] = DEFAULT_EDITORS
    bases: tuple[str, ...] = (DEFAULT_BASE,)
    edits: tuple[int, ...] = (1, 10, 75, 1000, 10000)
    records: int = 100
    ft_records: int = 30
    ft_edits: int = 75
    tuning: int = 20
    timed: int = 10
    seed: int = 0
    max_new_tokens: int = 24
    grid: tuple[FineTuningConfig, ...] = GRID
    data: Path | None = None
    csv: Path | None = None
    scope: Path | None = None
    counterfactual: Path | None = None


QUICK = RunConfig(
    editors=("none", "serac", "rp", "lu", "ft"),
    edits=(10, 75),
    records=10,
    ft_records=10,
    ft_edits=10,
    tuning=6,
    timed=4,
    grid=GRID[2:4],
)
"""The form that takes minutes."""


def run_config(given: dict[str, Any], *, quick: bool, resumed: Path | None) -> RunConfig:
    """Returns the settings of a run: those given, then the sizes of the quick form, then those of the run resumed.

    Raises SettingsError where both data and a CSV are given, or ``resumed`` has settings that cannot be read.
    """
    if given.get("data") and given.get("csv"):
        raise SettingsError("a run is over --data or over --csv, not both", "leave one of them out")
    config = (_saved(resumed) if resumed else None) or RunConfig()
    if quick:
        config = replace(config, **{name: getattr(QUICK, name) for name in _SIZES})
    if given.get("data") or given.get("csv"):
        config = replace(config, data=None, csv=None)
    return replace(config, **given)


def _saved(out: Path) -> RunConfig | None:
    path = out / SETTINGS
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        grid = tuple(FineTuningConfig(**one) for one in values["grid"])
        lists = {name: tuple(values[name]) for name in ("tasks", "editors", "bases", "edits")}
        paths = {name: values[name] and Path(values[name]) for name in _PATHS}
        config = RunConfig(**{**values, **lists, **paths, "grid": grid})
    except (OSError, ValueError, TypeError, KeyError):
        raise _unreadable(path) from None
    pairs = [(config, RunConfig()), *((one, FineTuningConfig()) for one in config.grid)]
    if not all(
        _like(vars(found)[name], value) for found, known in pairs for name, value in vars(known).items()
    ):
        raise _unreadable(path)
    return config


def _like(found: Any, known: Any) -> bool:
    """Returns whether a value could stand where a known one does: the same type, no number below 0, no list empty."""
    if isinstance(known, tuple):
        return bool(found) and all(_like(one, known[0]) for one in found)
    return known is None or (
        type(found) is type(known) and not (isinstance(found, int | float) and found < 0)
    )


def _unreadable(path: Path) -> SettingsError:
    return SettingsError(
        f"{path} does not hold the settings of a run", "delete it and give the settings again"
    )


def save_config(config: RunConfig, out: Path) -> None:
    """Writes the settings to ``out``, for :func:`run_config` of a later call, wherever that is made from."""
    paths = {name: str(path.resolve()) for name in _PATHS if (path := getattr(config, name))}
    (out / SETTINGS).write_text(json.dumps(asdict(config) | paths, indent=1) + "\n", encoding="utf-8")

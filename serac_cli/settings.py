"""The settings of one run: a flag wins over the environment, that over the TOML file, that over the default.

Every setting but the folders may be given as ``--name`` where a command takes it, as ``SERAC_NAME`` in the
environment, or as ``name = value`` in ``config.toml``. ``SERAC_HOME`` puts everything under one folder;
without it, settings, memory, state and models go where the platform keeps such things.
"""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from serac_cli.errors import SettingsError

__all__ = ["COUNTERFACTUAL_FORMS", "DEFAULT_BASE", "SCOPE_FORMS", "Settings", "load_settings"]

DEFAULT_BASE = "smollm2-135m-instruct"
SCOPE_FORMS = ("checked", "two-stage", "cross", "embedding", "cosine")
COUNTERFACTUAL_FORMS = ("trained", "in-context")


@dataclass(frozen=True)
class Settings:
    """All that a command may need to know.

    ``threshold`` is a probability in [0, 1]; None takes the one that the scope classifier was shipped with.
    ``max_new_tokens`` counts tokens of an answer. ``scope_model`` and ``counterfactual_model`` are folders that
    ``serac train`` wrote; None takes the shipped components.
    """

    memory: Path
    cache: Path
    state: Path
    base: str = DEFAULT_BASE
    scope: str = SCOPE_FORMS[0]
    counterfactual: str = COUNTERFACTUAL_FORMS[0]
    threshold: float | None = None
    max_new_tokens: int = 128
    scope_model: Path | None = None
    counterfactual_model: Path | None = None

    @property
    def models(self) -> Path:
        """The folder of fetched and converted models."""
        return self.cache / "models"

    @property
    def history(self) -> Path:
        """The prompt's history file."""
        return self.state / "history"


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    origin: str = "the command line",
) -> Settings:
    """Returns the settings of this run.

    ``overrides`` are the flags given (None means not given), ``origin`` where they come from. Raises SettingsError
    for an unknown key or an invalid value, naming its origin.
    """
    environ = os.environ if environ is None else environ
    settings, config_file = _defaults(environ)
    for given_by, values in (
        (str(config_file), _read_toml(config_file)),
        ("the environment", {name: environ.get(f"SERAC_{name.upper()}") for name in _SETTABLE}),
        (origin, dict(overrides or {})),
    ):
        given = {name: value for name, value in values.items() if value not in (None, "")}
        if unknown := sorted(given.keys() - _SETTABLE):
            raise SettingsError(
                f"{given_by}: unknown setting {unknown[0]!r}", f"known: {', '.join(_SETTABLE)}"
            )
        settings = replace(
            settings, **{name: parse_setting(name, value, given_by) for name, value in given.items()}
        )
    return settings


_SETTABLE = tuple(field.name for field in fields(Settings) if field.name not in ("cache", "state"))


def _defaults(environ: Mapping[str, str]) -> tuple[Settings, Path]:
    if home := environ.get("SERAC_HOME"):
        root = _path("SERAC_HOME", home, "the environment")
        return Settings(root / "memory.db", root / "cache", root / "state"), root / "config.toml"
    from platformdirs import PlatformDirs

    folders = PlatformDirs("serac", appauthor=False)
    return (
        Settings(folders.user_data_path / "memory.db", folders.user_cache_path, folders.user_state_path),
        folders.user_config_path / "config.toml",
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: {error}") from error


def parse_setting(name: str, value: Any, origin: str) -> Any:
    """Returns the value that a setting has where ``origin`` gives it as ``value``. Raises SettingsError."""
    match name:
        case "memory" | "scope_model" | "counterfactual_model":
            return _path(name, value, origin)
        case "threshold":
            return _number(name, value, origin, 0.0, 1.0)
        case "max_new_tokens":
            number = _number(name, value, origin, 1, 100_000)
            if not number.is_integer():
                raise SettingsError(f"{origin}: max_new_tokens must be a whole number, not {value!r}")
            return int(number)
        case "scope":
            return _choice(name, value, origin, SCOPE_FORMS)
        case "counterfactual":
            return _choice(name, value, origin, COUNTERFACTUAL_FORMS)
        case _:
            return str(value)


def _path(name: str, value: Any, origin: str) -> Path:
    try:
        return Path(value).expanduser()
    except (TypeError, RuntimeError) as error:  # no text; a home folder that nobody has
        raise SettingsError(f"{origin}: {name} must be a path, not {value!r}") from error


def _number(name: str, value: Any, origin: str, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        raise SettingsError(f"{origin}: {name} must be a number from {low:g} to {high:g}, not {value!r}")
    return number


def _choice(name: str, value: Any, origin: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise SettingsError(f"{origin}: {name} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)

"""Every test has a home of its own; tests marked ``models`` share the user's model cache."""

import os
from pathlib import Path

import pytest

from serac_cli.settings import DEFAULT_BASE, Settings, load_settings

USER_SETTINGS = load_settings({}, dict(os.environ))
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new SERAC_HOME, with no SERAC_ variable left over from the user's shell."""
    for name in [name for name in os.environ if name.startswith("SERAC_")]:
        monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("SERAC_HOME", str(folder))
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")
    return folder


@pytest.fixture(scope="session")
def pulled_models() -> Path:
    """The user's models folder, with the default base model in it."""
    from serac_cli.models import pull

    pull(USER_SETTINGS.models, DEFAULT_BASE, lambda *_: None)
    return USER_SETTINGS.models


@pytest.fixture
def real_home(home: Path, pulled_models: Path) -> Path:
    """A new home that sees the user's models."""
    (home / "cache").mkdir()
    (home / "cache" / "models").symlink_to(pulled_models)
    return home


@pytest.fixture
def settings(home: Path) -> Settings:
    """The settings in force in this test's home."""
    return load_settings()

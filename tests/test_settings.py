import math

import pytest

from serac_cli.errors import SettingsError
from serac_cli.settings import DEFAULT_BASE, load_settings


def test_a_flag_wins_over_the_environment_and_that_over_the_file(home, monkeypatch):
    (home / "config.toml").write_text('base = "from-file"\nthreshold = 0.1\nmax_new_tokens = 5\n')
    monkeypatch.setenv("SERAC_BASE", "from-environment")
    monkeypatch.setenv("SERAC_THRESHOLD", "0.2")
    settings = load_settings({"base": "from-flag"})
    assert (settings.base, settings.threshold, settings.max_new_tokens) == ("from-flag", 0.2, 5)


def test_without_any_source_the_defaults_hold(home):
    settings = load_settings()
    assert settings.base == DEFAULT_BASE
    assert settings.threshold is None
    assert settings.memory == home / "memory.db"


def test_without_serac_home_the_platform_decides_where_things_go(monkeypatch):
    monkeypatch.delenv("SERAC_HOME")
    settings = load_settings({}, {})
    assert settings.memory.name == "memory.db"
    assert settings.memory.parent != settings.cache


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "1.01", "half"])
def test_a_threshold_outside_0_to_1_is_refused(value):
    with pytest.raises(SettingsError, match="threshold must be a number from 0 to 1"):
        load_settings({"threshold": value})


@pytest.mark.parametrize("value", ["0", "1", "0.5"])
def test_the_ends_of_the_range_are_thresholds_too(value):
    assert load_settings({"threshold": value}).threshold == float(value)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("treshold = 0.5", "unknown setting 'treshold'"),
        ("scope = 'magic'", "scope must be one of"),
        ("max_new_tokens = 1.5", "whole number"),
        ("base = ", "config.toml"),
    ],
)
def test_a_bad_settings_file_is_refused_by_name(home, toml, message):
    (home / "config.toml").write_text(toml)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings()
    assert "config.toml" in str(caught.value)


def test_threshold_parses_to_a_finite_number():
    threshold = load_settings({"threshold": "0.25"}).threshold
    assert threshold is not None
    assert math.isfinite(threshold)


@pytest.mark.parametrize("name", ["memory", "scope_model"])
@pytest.mark.parametrize("value", [3, "~nobody-of-this-name/m"])
def test_what_is_no_path_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"{name} must be a path"):
        load_settings({name: value}, {})

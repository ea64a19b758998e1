"""Whole runs over a tiny model: what is written, that it resumes, and the report made from it."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from serac_cli.counterfactual import ABSTAIN, PROMPT_FORMAT, fingerprint
from serac_cli.errors import SeracError, SettingsError
from serac_cli.evaluation import run as run_module
from serac_cli.evaluation.finetuning import FineTuningConfig
from serac_cli.evaluation.report import write
from serac_cli.evaluation.run import run
from serac_cli.evaluation.run_config import QUICK, RunConfig, run_config
from serac_cli.evaluation.tables import main_edits, main_table
from serac_cli.fakes import FakeEncoder
from tests.tiny_models import save_llama

GRID = (
    FineTuningConfig(learning_rate=1e-2, layers=0, steps=3),
    FineTuningConfig(learning_rate=1e-3, layers=1, steps=3),
)


@pytest.fixture
def config(tmp_path):
    """A run over a tiny base model and a counterfactual model of the same weights with an untrained adapter."""
    from peft import LoraConfig, get_peft_model

    from serac_cli.backends.local import load_local_model

    base = save_llama(tmp_path / "tiny")
    folder = tmp_path / "counterfactual"
    model = load_local_model(str(base)).model
    settings = {
        "base": str(base),
        "base_fingerprint": fingerprint(model),
        "prompt_format": PROMPT_FORMAT,
        "abstain_token": ABSTAIN,
    }
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(settings))
    return RunConfig(
        tasks=("qa", "fc", "convsent"),
        editors=("none", "serac-cosine", "lu", "ft"),
        bases=(str(base),),
        edits=(2, 4, 5000),
        records=4,
        ft_records=2,
        tuning=4,
        timed=2,
        max_new_tokens=4,
        grid=GRID,
        counterfactual=folder,
    )


def go(config, out, settings, *, resume=False):
    return run(config, out, settings, FakeEncoder(), resume=resume, progress=lambda *_: None)


def test_a_run_says_what_was_measured_on_what_and_how(config, tmp_path, settings):
    results = go(config, tmp_path / "out", settings)
    assert results == json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["machine"]["processor"]
    assert results["machine"]["cores"] >= 1
    assert set(results["versions"]) == {"serac", "torch", "transformers", "peft"}
    assert set(results["data_sha256"]) == {
        f"natural_{name}_dev.jsonl" for name in ("edits", "evidence", "stance")
    }
    assert results["components"]["counterfactual/adapter_model.safetensors"].startswith("sha256:")
    assert results["settings"]["seed"] == 0
    measured = {(one["task"], one["editor"], one["edits"]) for one in results["results"]}
    editors = ("none", "SERAC, untrained cosine", "LU", "FT")
    assert measured == {(task, editor, k) for task in config.tasks for editor in editors for k in (2, 4)}
    skipped = {(one["editor"], one["edits"]) for one in results["skipped_for_want_of_edits"]}
    assert skipped == {("none", 5000), ("SERAC, untrained cosine", 5000)}
    order = [(one["edits"], one["editor"]) for one in results["results"] if one["task"] == "fc"]
    assert order == [(k, editor) for k in (2, 4) for editor in editors]
    none = [one for one in results["results"] if one["editor"] == "none"]
    assert all(one["drawdown"]["mean"] == 0 and one["changed"]["mean"] == 0 for one in none)
    records = {(one["editor"], one["records"]) for one in results["results"]}
    assert records == {("none", 4), ("SERAC, untrained cosine", 4), ("LU", 4), ("FT", 2)}
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == sum(
        one["edit_success"]["count"] + one["drawdown"]["count"] for one in results["results"]
    )


def test_a_resumed_run_asks_no_model_anything_and_finds_the_same(config, tmp_path, settings):
    first = go(config, tmp_path / "out", settings)
    again = go(config, tmp_path / "out", settings, resume=True)
    assert first["calls"]["made"] > 0
    assert again["calls"]["made"] == 0
    for name in ("results", "timing", "tuned", "reliability"):
        assert again[name] == first[name]


def test_a_resumed_run_takes_its_own_settings_where_none_are_given(config, tmp_path, settings, monkeypatch):
    monkeypatch.setattr(run_module, "_measure", lambda *_, **__: run_module._Measured({}))
    out = tmp_path / "out"
    assert run_config({}, quick=False, resumed=out) == RunConfig()
    go(config, out, settings)
    assert run_config({}, quick=False, resumed=out) == config
    assert run_config({"seed": 3}, quick=False, resumed=out) == replace(config, seed=3)
    assert run_config({}, quick=True, resumed=out).records == QUICK.records
    assert run_config({}, quick=True, resumed=out).tasks == config.tasks
    with pytest.raises(SettingsError, match="fewer than any number"):
        go(replace(config, edits=(9999,)), out, settings, resume=True)
    assert run_config({}, quick=False, resumed=out) == config
    monkeypatch.chdir(tmp_path)
    go(replace(config, counterfactual=Path("counterfactual")), out, settings, resume=True)
    assert run_config({}, quick=False, resumed=out) == config


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        "null",
        {"records": "x"},
        {"edits": ["a"]},
        {"bases": []},
        {"seed": None},
        {"grid": [{"steps": "x"}]},
    ],
)
def test_settings_that_are_none_are_one_clear_line(wrong, tmp_path):
    values = json.dumps(asdict(RunConfig()) | wrong) if isinstance(wrong, dict) else wrong
    (tmp_path / "settings.json").write_text(values)
    with pytest.raises(SettingsError, match=r"settings\.json does not hold the settings"):
        run_config({}, quick=False, resumed=tmp_path)


def test_what_is_refused_is_not_what_is_resumed(config, tmp_path, settings):
    out = tmp_path / "out"
    go(replace(config, tasks=("fc",), editors=("none",)), out, settings)
    kept = (out / "settings.json").read_bytes()
    with pytest.raises(SeracError):
        go(replace(config, bases=(str(tmp_path / "missing"),)), out, settings, resume=True)
    assert (out / "settings.json").read_bytes() == kept


def test_a_run_is_over_public_data_or_over_a_csv(tmp_path):
    data, csv = tmp_path / "data", tmp_path / "mine.csv"
    with pytest.raises(SettingsError, match="not both"):
        run_config({"data": data, "csv": csv}, quick=False, resumed=None)
    (tmp_path / "settings.json").write_text(json.dumps(asdict(RunConfig(csv=csv)), default=str))
    resumed = run_config({"data": data}, quick=False, resumed=tmp_path)
    assert (resumed.data, resumed.csv) == (data, None)


def test_a_run_that_was_interrupted_goes_on(config, tmp_path, settings, monkeypatch):
    whole = go(config, tmp_path / "whole", settings)
    measured = []

    def stops(*arguments, **options):
        measured.append(1)
        if len(measured) == 7:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    original = run_module.measure
    monkeypatch.setattr(run_module, "measure", stops)
    with pytest.raises(KeyboardInterrupt):
        go(config, tmp_path / "cut", settings)
    monkeypatch.setattr(run_module, "measure", original)
    resumed = go(config, tmp_path / "cut", settings, resume=True)
    assert 0 < resumed["calls"]["made"] < whole["calls"]["made"]
    assert resumed["calls"]["known"] == whole["calls"]["known"]
    assert main_table(resumed, 2) == main_table(whole, 2)


def test_a_folder_with_a_run_is_not_overwritten(config, tmp_path, settings):
    small = replace(config, tasks=("qa",), editors=("none",))
    go(small, tmp_path / "out", settings)
    with pytest.raises(SettingsError, match="holds a run already"):
        go(small, tmp_path / "out", settings)


@pytest.mark.parametrize(("field", "value"), [("tasks", ("qa", "poetry")), ("editors", ("none", "rome"))])
def test_an_unknown_name_is_refused_before_anything_is_loaded(config, tmp_path, settings, field, value):
    with pytest.raises(SettingsError, match=value[1]):
        go(replace(config, **{field: value}), tmp_path / "out", settings)


def test_the_quick_form_measures_every_task_and_baseline():
    assert QUICK.tasks == RunConfig().tasks
    assert set(QUICK.editors) == {"none", "serac", "rp", "lu", "ft"}


def test_the_report_holds_the_figures_of_the_results_the_machine_and_the_plots(config, tmp_path, settings):
    pytest.importorskip("matplotlib")
    results = go(config, tmp_path / "out", settings)
    assert main_edits(results) == 4
    columns, rows = main_table(results, 4)
    assert columns == ["base", "editor", "QA ES", "QA DD", "FC ES", "FC DD", "ConvSent ES", "ConvSent DD"]
    assert [row["editor"] for row in rows] == ["none", "SERAC, untrained cosine", "LU", "FT"]
    page = tmp_path / "docs" / "results.md"
    written = write([f"Tiny={tmp_path / 'out'}"], page, plots=True)
    text = page.read_text()
    assert results["machine"]["processor"] in text
    assert "## Tiny" in text
    for one in results["results"]:
        if one["edits"] == 4:
            interval = one["edit_success"]
            assert f"{interval['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]" in text
    assert json.loads(written[1].read_text()) == results
    assert len(written) == 4  # the page, ES and DD by k, time a query: no reliability without SERAC proper
    for plot in written[2:]:
        assert plot.stat().st_size > 1000
        assert plot.with_suffix(".svg").read_text().startswith("<?xml")
        assert f"(results/{plot.name})" in text


def test_without_matplotlib_the_error_says_what_to_install(config, tmp_path, settings, monkeypatch):
    import sys

    from serac_cli.errors import ComponentError
    from serac_cli.evaluation.plots import draw

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ComponentError, match="needs matplotlib") as caught:
        draw({"results": []}, tmp_path, "x")
    assert "serac[train]" in caught.value.hint

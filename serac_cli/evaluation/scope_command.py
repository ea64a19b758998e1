"""``serac evaluate scope``: one form of the scope classifier over all sets, and what goes into its card."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serac_cli.assembly import scope_maker
from serac_cli.checked import Abstention
from serac_cli.checkpoints import component_folder
from serac_cli.encoder import Vectors, load_encoder
from serac_cli.errors import SettingsError
from serac_cli.evaluation.card import fill_card, markdown_table
from serac_cli.evaluation.plots import pyplot
from serac_cli.evaluation.scope_report import Outcome, ScopeReport, measure, report
from serac_cli.evaluation.scope_sets import (
    ScopeSet,
    hand_written_sets,
    scope_sets,
    typed_set,
)
from serac_cli.scope import FixedIndex
from serac_cli.settings import SCOPE_FORMS

__all__ = ["DRAWN", "ScopeEvaluation", "evaluate_scope", "write_card"]

Progress = Callable[[str, int, int], None]

DRAWN = ("checked", "two-stage")
"""The forms of which a card has a reliability diagram."""


@dataclass(frozen=True)
class ScopeEvaluation:
    """``edits`` are in memory at once, ``limit`` is the most queries of a set and kind.

    ``data`` is the directory of the public sets; without it only the hand-written ones are measured, each with its own
    edits in memory. ``typed`` is a further set in the form of ``tests/data/typed_edits.jsonl``. ``model`` is a trained
    folder, None the shipped one.
    """

    form: str = SCOPE_FORMS[0]
    edits: int = 1000
    limit: int = 1000
    data: Path | None = None
    typed: Path | None = None
    model: Path | None = None
    threshold: float | None = None


def evaluate_scope(
    run: ScopeEvaluation, progress: Progress | None = None, abstention: Abstention | None = None
) -> ScopeReport:
    """Returns the report of one form; the checked one needs the counterfactual model's ``abstention``.

    Raises SettingsError for an unknown form, ComponentError for bad weights.
    """
    if run.form not in SCOPE_FORMS:
        raise SettingsError(
            f"unknown form of the scope classifier: {run.form}", f"try one of {', '.join(SCOPE_FORMS)}"
        )
    folder = run.model or component_folder("scope")
    encoder = load_encoder()
    make = scope_maker(run.form, folder, abstention)
    sets: list[ScopeSet]
    if run.data is not None:
        sets = scope_sets(run.data, run.edits, run.limit, typed=run.typed)
    else:
        sets = [*([typed_set(run.typed)] if run.typed else []), *hand_written_sets()]
    outcomes: list[Outcome] = []
    known: dict[str, Vectors] = {}
    threshold = run.threshold
    for one in sets:
        scope = make(FixedIndex(one.edits, encoder, known))
        threshold = scope.threshold if threshold is None else threshold
        outcomes += measure(scope, one, progress)
    assert threshold is not None, "there is at least one set"
    return report(run.form, run.edits if run.data else None, threshold, outcomes)


def write_card(folder: Path, result: ScopeReport) -> None:
    """Adds the report to ``metrics.json``, under its form and number of edits, and draws its reliability.

    A ``README.md`` beside them gets the table of all reports, between its two lines ``<!-- figures -->``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text("utf-8")) if path.exists() else {}
    metrics[f"{result.form}, {result.memory}"] = result.as_dict()
    path.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if result.form in DRAWN:
        _draw_reliability(folder / f"reliability-{result.form}-{result.edits or 'own'}.png", result)
    fill_card(folder / "README.md", _figures(metrics))


def _figures(metrics: dict[str, dict[str, Any]]) -> str:
    """Returns the table of a card: a row for each bar, a column for each form and number of edits."""
    shares = {name: {bar["name"]: bar["share"] for bar in report["bars"]} for name, report in metrics.items()}
    bars = {bar["name"]: bar for report in metrics.values() for bar in report["bars"]}
    rows: list[list[str]] = []
    for name, bar in bars.items():
        must = "" if bar["minimum"] is None else f"{100 * bar['minimum']:g}"
        found = [f"{100 * column[name]:.1f}" if name in column else "" for column in shares.values()]
        rows.append([name, str(bar["count"]), must, *found])
    errors = [f"{report['calibration_error']:.3f}" for report in metrics.values()]
    rows.append(["expected calibration error", "", "at most 0.02", *errors])
    return markdown_table(["decided rightly, %", "of", "must", *metrics], rows)


def _draw_reliability(path: Path, result: ScopeReport) -> None:
    figure, (top, bottom) = pyplot().subplots(
        2, 1, figsize=(4.5, 5.5), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    means = [mean for mean, _, _ in result.bins]
    top.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    top.plot(means, [share for _, share, _ in result.bins], marker="o")
    top.set(
        ylabel="share of queries in scope",
        title=f"{result.form}, {result.memory}: ECE {result.calibration_error:.4f}",
    )
    bottom.bar(means, [count for _, _, count in result.bins], width=0.04)
    bottom.set(xlabel="probability of the best match", ylabel="queries", yscale="log")
    figure.savefig(path, dpi=110)
    pyplot().close(figure)

"""``serac evaluate counterfactual``: loads an adapter over its base, measures it, and writes its metrics.json."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serac_cli.backends.local import LocalModel
from serac_cli.counterfactual import attach
from serac_cli.evaluation.card import fill_card, markdown_table
from serac_cli.evaluation.counterfactual_report import Heard, Report, as_json, evaluate, table
from serac_cli.evaluation.shipped import shipped

__all__ = ["CounterfactualEvaluation", "evaluate_counterfactual", "write_card"]


@dataclass(frozen=True)
class CounterfactualEvaluation:
    """``data`` holds the directory ``dev``, None stands for the hand-written sets alone; ``folder`` is the adapter.

    ``limit`` cases a row (0: all) are drawn by ``seed``. ``typed`` is a further set in the form of
    ``tests/data/typed_edits.jsonl``; ``only`` names rows.
    """

    data: Path | None
    folder: Path
    limit: int = 1000
    seed: int = 0
    typed: Path | None = None
    only: Sequence[str] = ()


def evaluate_counterfactual(
    run: CounterfactualEvaluation, base: LocalModel, heard: Heard = lambda *_: None
) -> Report:
    """Returns the report. Raises ComponentError where the adapter does not fit ``base``."""
    with attach(base, run.folder).switched_on() as model:
        return evaluate(
            model,
            base.tokenizer,
            run.data / "dev" if run.data else shipped(),
            limit=run.limit,
            seed=run.seed,
            only=run.only,
            typed=run.typed,
            heard=heard,
        )


def write_card(folder: Path, report: Report) -> None:
    """Writes the report's figures to ``metrics.json``, and its tables to the ``README.md`` beside it."""
    text = json.dumps(as_json(report), indent=1, ensure_ascii=False)
    (folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    fill_card(folder / "README.md", _figures(report))


def _figures(report: Report) -> str:
    lines = [[_shown(value) for value in line.values()] for line in table(report)]
    parts = [markdown_table(["task", "cases", "teacher-forced", "must be", "free", "must be"], lines)]
    rows = {row.name: row for row in report.rows}
    if "natural" in rows:
        kinds = rows["natural"].kinds.items()
        found = ", ".join(f"{kind} {100 * share:.1f} ({cases})" for kind, (cases, share) in kinds)
        parts.append(f"Hand-written edits by kind of query (cases): {found}.\n")
    if "fc" in rows:
        found = ", ".join(f"{pair}: {count}" for pair, count in rows["fc"].confusion.items())
        parts.append(f"VitaminC, out of domain because it is never trained on, expected -> said: {found}.\n")
    if report.veto:
        shares = report.veto.vetoed
        parts.append("Abstention as a veto, on the hand-written edits:\n")
        parts.append(
            markdown_table(
                ["threshold", *shares],
                [
                    ["near-misses vetoed", *(f"{100 * out:.1f}" for out, _ in shares.values())],
                    ["queries in scope vetoed", *(f"{100 * inside:.1f}" for _, inside in shares.values())],
                ],
            )
        )
    if report.stance:
        found = "; ".join(
            f"{name}: sentiment alone {100 * one.sentiment:.1f}, right side {100 * one.right_side:.1f}, on topic "
            f"{100 * one.on_topic:.1f}, the judge agrees with {100 * one.judge_right:.1f} of people's own replies "
            f"and contradicts {100 * one.judge_wrong:.1f}"
            for name, one in report.stance.items()
        )
        parts.append(f"Opinions: {found}.\n")
    return "\n".join(parts)


def _shown(value: str | float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}" if isinstance(value, float) else str(value)

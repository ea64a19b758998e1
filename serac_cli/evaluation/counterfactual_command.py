"""``serac evaluate counterfactual``: loads an adapter over its base, measures it, and writes its metrics.json."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serac_cli.backends.local import LocalModel
from serac_cli.counterfactual import attach
from serac_cli.evaluation.counterfactual_report import Heard, Report, as_json, evaluate

__all__ = ["CounterfactualEvaluation", "evaluate_counterfactual", "write_metrics"]


@dataclass(frozen=True)
class CounterfactualEvaluation:
    """``data`` holds the directory ``dev``; ``folder`` is the adapter.

    ``limit`` cases a row (0: all) are drawn by ``seed``. ``typed`` is a further set in the form of
    ``tests/data/typed_edits.jsonl``; ``only`` names rows.
    """

    data: Path
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
            run.data / "dev",
            limit=run.limit,
            seed=run.seed,
            only=run.only,
            typed=run.typed,
            heard=heard,
        )


def write_metrics(folder: Path, report: Report) -> None:
    """Writes the report's figures to ``metrics.json``."""
    text = json.dumps(as_json(report), indent=1, ensure_ascii=False)
    (folder / "metrics.json").write_text(text + "\n", encoding="utf-8")

"""Fits how the counterfactual model's abstention is weighed against the scope classifier, on development sets."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sklearn.linear_model import LogisticRegression

from serac_cli.checked import Abstention, Check, CheckedScope, logit
from serac_cli.evaluation.scope_report import measure
from serac_cli.evaluation.scope_sets import ScopeSet
from serac_cli.scope import TwoStageScope
from serac_cli.training.scope_calibration import best_threshold

__all__ = ["fit_check"]

Progress = Callable[[str, int, int], None]
UNFITTED = Check(scope=1.0, abstention=0.0, bias=0.0, threshold=0.5)


def fit_check(
    sets: Sequence[ScopeSet],
    scope_of: Callable[[ScopeSet], TwoStageScope],
    abstention: Abstention,
    progress: Progress,
) -> Check:
    """Returns the logistic regression of "this edit's scope" on both models' logits, and its threshold.

    The rows are the pairs that a check looks at; each counts alike within its side and set, so that a large set has
    no more weight than a small one. The threshold is the one of equal cost, as for the scope classifier.
    """
    heard: dict[tuple[str, str], float] = {}
    rows: list[tuple[float, float]] = []
    labels: list[bool] = []
    groups: list[tuple[str, bool]] = []
    for one in sets:
        scope = scope_of(one)
        matches = scope.match_all([probe.query for probe in one.probes], UNFITTED.looked_at)
        for done, (probe, found) in enumerate(zip(one.probes, matches, strict=True), start=1):
            for match in found:
                if match.probability >= UNFITTED.floor:
                    abstains = abstention(probe.query, match.edit)
                    heard[probe.query, match.edit.prompt] = abstains
                    rows.append((logit(match.probability), logit(1.0 - abstains)))
                    labels.append(match.edit.id in probe.edits)
                    groups.append((one.name, labels[-1]))
            progress(one.name, done, len(one.probes))
    weights = [1.0 / groups.count(group) for group in groups]
    fitted = LogisticRegression().fit(
        rows, labels, sample_weight=[w * len(rows) / sum(weights) for w in weights]
    )
    scope_weight, abstention_weight = (round(float(weight), 3) for weight in fitted.coef_[0])
    check = Check(scope_weight, abstention_weight, round(float(fitted.intercept_[0]), 3), threshold=0.5)
    outcomes = [
        outcome
        for one in sets
        for outcome in measure(
            CheckedScope(scope_of(one), lambda query, edit: heard[query, edit.prompt], check), one
        )
    ]
    return replace(check, threshold=best_threshold(outcomes))

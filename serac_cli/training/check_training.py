"""Fits how the counterfactual model's abstention is weighed against the scope classifier, on development sets."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sklearn.linear_model import LogisticRegression

from serac_cli.checked import Abstention, Check, Weights, abstentions, features
from serac_cli.evaluation.scope_report import CHUNK, outcome
from serac_cli.evaluation.scope_sets import Probe, ScopeSet
from serac_cli.protocols import Match
from serac_cli.scope import TwoStageScope
from serac_cli.training.scope_calibration import best_threshold
from store import Kind

__all__ = ["fit_check"]

Progress = Callable[[str, int, int], None]
Row = tuple[tuple[float, float, float], bool, float]
"""What is weighed, whether the query is in the edit's scope, and how much the row counts."""
Heard = tuple[ScopeSet, Probe, list[Match], list[float]]
UNFITTED = Check(weights={}, threshold=0.5)
UNSETTLED = 1 / 3
"""What a claim counts that the evidence about its own page does not settle; in full it would silence settled ones."""


def fit_check(
    sets: Sequence[ScopeSet],
    scope_of: Callable[[ScopeSet], TwoStageScope],
    abstention: Abstention,
    progress: Progress,
) -> Check:
    """Returns the logistic regressions of "this edit's scope" on what the models say, and the threshold.

    The rows are the pairs that a check looks at, for each kind of edit its own; a kind without rows of both labels
    takes the regression over all. The threshold is the one of equal cost, as for the scope classifier.
    """
    # 1. Both models on every query
    heard = [entry for one in sets for entry in _listen(one, scope_of(one), abstention, progress)]

    # 2. A row for each pair that is looked at, with its label
    rows: dict[Kind, list[Row]] = {kind: [] for kind in Kind}
    for _, probe, matches, abstains in heard:
        counts = UNSETTLED if probe.kind == "out not enough info" else 1.0
        for match, a in zip(UNFITTED.doubtful(matches), abstains, strict=True):
            rows[match.edit.kind].append((features(match, a), match.edit.id in probe.edits, counts))
    every = [row for members in rows.values() for row in members]
    check = replace(
        UNFITTED,
        weights={
            kind: _fitted(members if len({label for _, label, _ in members}) == 2 else every)
            for kind, members in rows.items()
        },
    )

    # 3. The threshold, from what the fitted check decides
    outcomes = [
        outcome(one, probe, check.weigh(matches, abstains)[0]) for one, probe, matches, abstains in heard
    ]
    return replace(check, threshold=best_threshold(outcomes))


def _fitted(rows: Sequence[Row]) -> Weights:
    heard, labels, counts = zip(*rows, strict=True)
    fitted = LogisticRegression().fit(heard, labels, counts)
    scope, abstention, similarity = (round(float(weight), 3) for weight in fitted.coef_[0])
    return Weights(scope, abstention, similarity, round(float(fitted.intercept_[0]), 3))


def _listen(one: ScopeSet, scope: TwoStageScope, abstention: Abstention, progress: Progress) -> list[Heard]:
    """Returns each query's matches, likeliest first, with the abstention on the doubtful ones."""
    heard: list[Heard] = []
    for start in range(0, len(one.probes), CHUNK):
        probes = one.probes[start : start + CHUNK]
        queries = [probe.query for probe in probes]
        found = scope.match_all(queries, UNFITTED.looked_at)
        abstains = abstentions(abstention, UNFITTED, queries, found)
        heard += [(one, *entry) for entry in zip(probes, found, abstains, strict=True)]
        progress(one.name, len(heard), len(one.probes))
    return heard

"""Fits how the counterfactual model's abstention is weighed against the scope classifier, on development sets."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from sklearn.linear_model import LogisticRegression

from serac_cli.checked import Abstention, Check, abstentions, logit
from serac_cli.evaluation.scope_report import CHUNK, outcome
from serac_cli.evaluation.scope_sets import Probe, ScopeSet
from serac_cli.protocols import Match
from serac_cli.scope import TwoStageScope
from serac_cli.training.scope_calibration import best_threshold

__all__ = ["fit_check"]

Progress = Callable[[str, int, int], None]
Heard = tuple[ScopeSet, Probe, list[Match], list[float]]
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
    # 1. Both models on every query
    heard = [entry for one in sets for entry in _listen(one, scope_of(one), abstention, progress)]

    # 2. A row for each pair that is looked at
    rows: list[tuple[float, float]] = []
    labels: list[bool] = []
    groups: list[tuple[str, bool]] = []
    for one, probe, matches, abstains in heard:
        for match, a in zip(UNFITTED.doubtful(matches), abstains, strict=True):
            rows.append((logit(match.probability), logit(1.0 - a)))
            labels.append(match.edit.id in probe.edits)
            groups.append((one.name, labels[-1]))
    sizes = Counter(groups)
    weights = [len(rows) / (len(sizes) * sizes[group]) for group in groups]
    fitted = LogisticRegression().fit(rows, labels, sample_weight=weights)
    scope_weight, abstention_weight = (round(float(weight), 3) for weight in fitted.coef_[0])
    check = Check(scope_weight, abstention_weight, round(float(fitted.intercept_[0]), 3), threshold=0.5)

    # 3. The threshold, from what the fitted check decides
    outcomes = [
        outcome(one, probe, check.weigh(matches, abstains)[0]) for one, probe, matches, abstains in heard
    ]
    return replace(check, threshold=best_threshold(outcomes))


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

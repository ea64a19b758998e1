"""Calibration of the cross-encoder on dev decisions: the temperature, then the threshold."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from serac_cli.evaluation.scope_report import Outcome

__all__ = ["best_threshold", "fitted_temperature"]

NOISE = 0.01
"""A difference in cost that says nothing: about the standard error of both rates on some thousand queries."""


def fitted_temperature(outcomes: Sequence[Outcome]) -> float:
    """Returns the temperature of least log loss for outcomes measured at temperature 1.

    The event is that the query is in the scope of the edit that matched best.
    """
    p = np.clip([o.probability for o in outcomes], 1e-9, 1 - 1e-9)
    logits = np.log(p / (1 - p))
    happened = np.array([o.inside and o.right for o in outcomes])
    signed = np.where(happened, logits, -logits)
    temperatures = np.exp(np.linspace(math.log(0.3), math.log(5.0), 400))
    losses = [float(np.logaddexp(0.0, -signed / t).mean()) for t in temperatures]
    return round(float(temperatures[int(np.argmin(losses))]), 3)


def best_threshold(outcomes: Sequence[Outcome]) -> float:
    """Returns the threshold of equal cost: of least mean of the miss rate and the rate of false fires.

    Each set counts alike on either side, whatever the number of its queries. Of thresholds within ``NOISE`` of the
    best the one nearest to 0.5 is taken.
    """
    sides: dict[tuple[bool, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        sides[outcome.inside, outcome.set].append(outcome)

    def cost(threshold: float) -> float:
        errors: dict[bool, list[float]] = {True: [], False: []}
        for (inside, _), group in sides.items():
            errors[inside].append(sum(not o.correct(threshold) for o in group) / len(group))
        return sum(sum(rates) / len(rates) for rates in errors.values())

    candidates = [round(0.05 + 0.01 * i, 2) for i in range(91)]
    costs = {candidate: cost(candidate) for candidate in candidates}
    least = min(costs.values())
    good = [candidate for candidate in candidates if costs[candidate] <= least + NOISE]
    return min(good, key=lambda candidate: abs(candidate - 0.5))

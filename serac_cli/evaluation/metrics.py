"""What is measured: the paper's metrics (section 5), and beside each a figure of free generation.

Edit success (ES) is measured on queries in scope, drawdown (DD) on queries out of scope. f is the unedited model, f'
the edited one, (x, y) a query and its answer, x_out a query out of scope.

===========  =============================================================================================
task         metric
===========  =============================================================================================
QA, QA-hard  ES = 1[every token of y is the most likely one under f', given x and the tokens before it]
QA, QA-hard  DD = 1 - 1[f' and f predict the same tokens, given x_out and the tokens of its answer]
FC           ES = 1[f' finds the right one of the two verdicts the more likely]
FC           DD = 1 - 1[f' and f find the same verdict the more likely, given x_out]
ConvSent     ES = z_sentiment * z_topic
             z_sentiment = sigma(mean log p'(y+) - mean log p'(y-)), y+ replies of the edit's side, y- of the other
             z_topic = min(1, exp(mean log p'(y+) - mean log p(y+)))
ConvSent     DD = KL(p(.|x_out) || p'(.|x_out)), a token
===========  =============================================================================================

The means of ConvSent are taken over all tokens of all replies that the set has of a side (but the one that FT and LU
are shown), as in the authors' code. p and p' may come from models with different tokens:
both totals are then divided by the number of the unedited model's tokens, so that they compare. KL is estimated,
without bias, from one reply drawn from f for each query: (log p(y) - log p'(y)) / tokens of y. It may come out
slightly negative where both are nearly the same, and is exactly 0 where f itself answers.

Free generation decodes greedily with no answer given: ``exact`` is equality after SQuAD's normalisation, ``contains``
asks whether the normalised answer occurs in what was said, ``changed`` whether a reply out of scope is any
different, to the byte.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serac_cli.evaluation.counterfactual_scoring import exact, squad_normalise
from serac_cli.protocols import Likelihood

__all__ = [
    "Interval",
    "bootstrap",
    "contains",
    "exact",
    "kl_per_token",
    "mean_log_probability",
    "predicted_differently",
    "stance_success",
    "verdict",
]

RESAMPLES = 2000


def verdict(likelihoods: Mapping[str, Likelihood]) -> str:
    """Returns the label of the most likely of several verdicts."""
    return max(likelihoods, key=lambda label: likelihoods[label].total)


def predicted_differently(before: Likelihood, after: Likelihood) -> bool:
    """Returns whether two models predict other tokens for the same answer (QA's drawdown of one query)."""
    return before.predicted != after.predicted


def mean_log_probability(replies: Sequence[Likelihood], tokens: Sequence[int]) -> float:
    """Returns the log-probability of a group of replies a token, in nats; ``tokens`` counts each reply's."""
    return math.fsum(reply.total for reply in replies) / sum(tokens)


def stance_success(same_before: float, same_after: float, opposite_after: float) -> float:
    """Returns ConvSent's edit success from mean log-probabilities: of the replies of the edit's side under the
    unedited and under the edited model, and of the other side's under the edited one.
    """
    sentiment = 1 / (1 + math.exp(opposite_after - same_after))
    topic = min(1.0, math.exp(same_after - same_before))
    return sentiment * topic


def kl_per_token(before: Likelihood, after: Likelihood) -> float:
    """Returns an estimate of KL(before || after) in nats a token, from a reply drawn from the model before.

    The end is left out: a reply that was cut at its greatest length has none.
    """
    tokens = max(1, len(before.log_probabilities) - 1)
    return (math.fsum(before.log_probabilities[:-1]) - math.fsum(after.log_probabilities[:-1])) / tokens


def contains(answer: str, expected: str) -> bool:
    """Returns whether the answer holds the expected one as whole words, after normalising."""
    return f" {squad_normalise(expected)} " in f" {squad_normalise(answer)} "


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% bootstrap interval; ``count`` is the number of queries."""

    mean: float
    low: float
    high: float
    count: int


def bootstrap(values: Sequence[float], groups: Sequence[int], seed: int) -> Interval | None:
    """Returns the mean of ``values`` with its 95% interval (percentiles of 2,000 resamples), or None of none.

    ``groups`` says which record each value belongs to: records are drawn, since queries about one edit hang together.
    """
    import numpy as np

    if not values:
        return None
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(index, weights=np.asarray(values, dtype=float))
    sizes = np.bincount(index)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(np.mean(values)), float(low), float(high), len(values))

"""Each metric against values worked out by hand."""

import math

import pytest

from serac_cli.evaluation.metrics import (
    bootstrap,
    contains,
    exact,
    kl_per_token,
    mean_log_probability,
    predicted_differently,
    stance_success,
    verdict,
)
from serac_cli.protocols import Likelihood


def likelihood(*logs: float, matched: bool = False, predicted: str = "") -> Likelihood:
    return Likelihood(logs, matched, predicted)


def test_the_verdict_is_the_label_of_the_higher_total_not_of_the_higher_mean():
    # -3.0 in one token and the end against -2.5 in four: the mean of the first is higher, -1.5 against -0.5
    assert (
        verdict({"SUPPORTS": likelihood(-2.0, -1.0), "REFUTES": likelihood(-1.0, -0.5, -0.5, -0.5)})
        == "REFUTES"
    )


def test_qa_drawdown_counts_a_query_whose_predicted_tokens_differ():
    assert predicted_differently(likelihood(-1.0, predicted="Rome"), likelihood(-9.0, predicted="Paris"))
    assert not predicted_differently(likelihood(-1.0, predicted="Rome"), likelihood(-9.0, predicted="Rome"))


def test_the_mean_log_probability_is_over_all_tokens_not_over_replies():
    replies = [likelihood(-1.0, -1.0, -1.0), likelihood(-5.0)]
    assert mean_log_probability(replies, [3, 1]) == -2.0  # (-3 - 5) / 4, not (-1 - 5) / 2


def test_stance_success_is_sigma_of_the_gap_where_the_replies_became_no_less_likely():
    assert stance_success(same_before=-3.0, same_after=-1.0, opposite_after=-3.0) == pytest.approx(
        0.880797, abs=1e-6
    )


def test_stance_success_falls_with_the_likelihood_of_the_replies():
    # sigma(0) = 1/2, times e^-1
    assert stance_success(same_before=-1.0, same_after=-2.0, opposite_after=-2.0) == pytest.approx(
        0.5 / math.e
    )


def test_stance_success_of_an_unedited_model_is_a_half_where_both_sides_are_as_likely():
    assert stance_success(same_before=-2.0, same_after=-2.0, opposite_after=-2.0) == 0.5


def test_kl_is_the_mean_log_ratio_without_the_end():
    assert kl_per_token(likelihood(-1.0, -2.0, -7.0), likelihood(-2.0, -3.0, 0.0)) == 1.0


def test_kl_of_a_model_from_itself_is_exactly_0():
    same = likelihood(-0.3, -1.7, -0.1)
    assert kl_per_token(same, same) == 0.0


def test_kl_compares_models_with_other_tokens_by_the_first_ones_tokens():
    assert (
        kl_per_token(likelihood(-1.0, -1.0, -9.0), likelihood(-1.0, -1.0, -2.0, -9.0)) == 1.0
    )  # (-2 + 4) / 2


def test_exact_ignores_case_articles_and_punctuation_and_nothing_else():
    assert exact("The Beatles.", "beatles")
    assert not exact("The Beatles, of course", "beatles")


def test_contains_asks_for_whole_words():
    assert contains("It is Rome, Italy", "rome")
    assert not contains("It is Romeo", "Rome")


def test_the_bootstrap_of_a_constant_has_no_width():
    interval = bootstrap([1.0] * 10, list(range(10)), seed=0)
    assert interval is not None
    assert (interval.mean, interval.low, interval.high, interval.count) == (1.0, 1.0, 1.0, 10)


def test_the_bootstrap_covers_the_binomial_interval():
    values = [1.0] * 80 + [0.0] * 20
    interval = bootstrap(values, list(range(100)), seed=0)
    assert interval is not None
    assert interval.mean == 0.8
    assert interval.low == pytest.approx(0.8 - 1.96 * 0.04, abs=0.015)
    assert interval.high == pytest.approx(0.8 + 1.96 * 0.04, abs=0.015)


def test_queries_of_one_record_are_drawn_together():
    values = [1.0] * 80 + [0.0] * 20
    alone = bootstrap(values, list(range(100)), seed=0)
    grouped = bootstrap(values, [i // 10 for i in range(100)], seed=0)
    assert alone is not None
    assert grouped is not None
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_the_bootstrap_is_the_same_for_the_same_seed_and_none_of_nothing():
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert bootstrap(values, [0, 1, 2, 3, 4], seed=3) == bootstrap(values, [0, 1, 2, 3, 4], seed=3)
    assert bootstrap([], [], seed=0) is None

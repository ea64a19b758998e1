"""The third check, over scope classifiers and abstentions made up here."""

import json
from dataclasses import replace

import pytest

from serac_cli.checked import Check, CheckedScope, Weights, load_check, logit, save_check
from serac_cli.errors import ComponentError
from serac_cli.evaluation.scope_sets import Probe, ScopeSet, edit_of
from serac_cli.protocols import Match
from serac_cli.training.check_training import fit_check
from store import Kind

EDITS = [edit_of(number, f"prompt {number}", "target") for number in range(1, 5)]
EVEN = Check(
    {kind: Weights(scope=0.5, abstention=0.5, similarity=0.0, bias=0.0) for kind in Kind}, threshold=0.5
)


class Ranked:
    """A scope classifier with fixed probabilities for its edits."""

    def __init__(self, *probabilities):
        self.matches = [Match(edit, p, p) for edit, p in zip(EDITS, probabilities, strict=False)]

    def match_all(self, queries, k):
        return [self.matches[:k] for _ in queries]


def abstaining(**by_prompt):
    asked = []

    def abstention(pairs):
        asked.append([edit.id for _, edit in pairs])
        return [by_prompt[f"e{edit.id}"] for _, edit in pairs]

    return abstention, asked


def test_an_abstention_vetoes_a_match():
    abstention, _ = abstaining(e1=0.999)
    match = CheckedScope(Ranked(0.9), abstention, EVEN).match("q", 1)[0]
    assert match.probability < EVEN.threshold
    assert match.similarity == 0.9


def test_a_confident_answer_confirms_a_hesitant_match():
    abstention, _ = abstaining(e1=0.01)
    assert CheckedScope(Ranked(0.3), abstention, EVEN).match("q", 1)[0].probability > EVEN.threshold


def test_the_second_edit_wins_where_the_counterfactual_model_abstains_on_the_first():
    abstention, asked = abstaining(e1=0.99, e2=0.01)
    found = CheckedScope(Ranked(0.8, 0.6, 0.5), abstention, EVEN).match("q", 3)
    assert found[0].edit.id == 2
    assert asked == [[1, 2]], "both are read at once"


def test_what_is_decided_does_not_hang_on_how_many_are_asked_for():
    abstention, _ = abstaining(e1=0.6, e2=0.9)
    scope = CheckedScope(Ranked(0.9, 0.8, 0.79, 0.7), abstention, EVEN)
    best = scope.match("q", 1)[0]
    found = scope.match("q", 4)
    assert best.probability < found[2].probability, "which is not checked, and does not compare"
    assert found[0] == best
    assert [match.edit.id for match in found] == [1, 2, 3, 4]


def test_many_queries_are_decided_as_each_is_and_read_at_once():
    queries = ["q", "other", "third"]
    abstention, asked = abstaining(e1=0.99, e2=0.01)
    form = CheckedScope(Ranked(0.8, 0.6, 0.5), abstention, EVEN)
    assert form.match_all(queries, 2) == [form.match(query, 2) for query in queries]
    assert asked[0] == [1, 2] * 3


def test_matches_under_the_floor_are_not_read():
    abstention, asked = abstaining()
    found = CheckedScope(Ranked(0.01, 0.005), abstention, EVEN).match("q", 2)
    assert asked == []
    assert [match.probability for match in found] == [0.01, 0.005]


def test_an_empty_memory_has_no_match():
    assert CheckedScope(Ranked(), abstaining()[0], EVEN).match("q", 1) == []


def match(probability, similarity=0.0):
    return Match(EDITS[0], probability, similarity)


def test_the_probability_is_the_logistic_of_what_all_say():
    weights = Weights(scope=2.0, abstention=1.0, similarity=4.0, bias=-1.0)
    assert weights.probability(match(0.5), 0.5) == pytest.approx(1 / (1 + 2.718281828**1.0))
    assert weights.probability(match(0.5, 0.5), 0.5) == pytest.approx(1 / (1 + 2.718281828**-1.0))
    assert logit(0.0) == pytest.approx(-logit(1.0))


def test_the_fit_learns_to_trust_the_model_that_is_right():
    probes = [Probe("in", "in", frozenset({1})), Probe("out", "out")] * 30
    sets = [ScopeSet("made up", tuple(EDITS), tuple(probes))]
    check = fit_check(
        sets,
        lambda _: Ranked(0.5),
        lambda pairs: [0.1 if query == "in" else 0.9 for query, _ in pairs],
        lambda *_: None,
    )
    weights = check.weights[Kind.FACT]
    assert weights.abstention > 5 * abs(weights.scope)
    assert weights.probability(match(0.5), 0.1) > check.threshold > weights.probability(match(0.5), 0.9)
    assert check.weights[Kind.STANCE] == weights, "no stance was heard: the regression over all stands in"


def test_claims_that_the_evidence_leaves_open_count_for_less_in_the_fit():
    def fires(kind):
        probes = (Probe("in", "in claim", frozenset({1})), Probe("in", kind)) * 50
        check = fit_check(
            [ScopeSet("made up", tuple(EDITS), probes)],
            lambda _: Ranked(0.5),
            lambda pairs: [0.1] * len(pairs),
            lambda *_: None,
        )
        return check.weights[Kind.FACT].probability(match(0.5), 0.1)

    assert fires("out other page") == pytest.approx(1 / 2, abs=0.01)
    assert fires("out not enough info") == pytest.approx(3 / 4, abs=0.01)


def test_the_weights_are_those_of_the_kind_of_edit():
    deaf = Weights(scope=1.0, abstention=0.0, similarity=0.0, bias=0.0)
    check = replace(EVEN, weights={**EVEN.weights, Kind.EVIDENCE: deaf})
    evidence = Match(edit_of(1, "sentence", "", Kind.EVIDENCE), 0.9, 0.9)
    assert check.weigh([evidence], [0.999])[0].probability == pytest.approx(0.9)


def test_what_each_model_said_stays_beside_the_probability():
    first, second = EVEN.weigh([match(0.6), match(0.001)], [0.25])
    assert (first.scope, first.abstention) == (0.6, 0.25)
    assert (second.scope, second.abstention) == (None, None)


def test_a_check_is_read_as_it_was_written(tmp_path):
    save_check(tmp_path, EVEN)
    assert load_check(tmp_path) == EVEN


@pytest.mark.parametrize("content", [None, "{", json.dumps({"weights": {}, "magic": 2})])
def test_a_missing_or_damaged_check_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "check.json").write_text(content)
    with pytest.raises(ComponentError, match="cannot be read"):
        load_check(tmp_path)

"""A right editor has ES 1 and DD 0, and each planted fault moves the figure that it should, and no other."""

import dataclasses

import pytest

from serac_cli.evaluation.calls import Calls
from serac_cli.evaluation.editors import Base, InContext, LookupCache, NoEdit, Reply, Serac
from serac_cli.evaluation.measure import figures, measure
from serac_cli.evaluation.tasks import FC_LABELS, Family, Inside, Outside, Record, claim, plain
from serac_cli.evaluation.tuning import tuned_threshold
from serac_cli.protocols import Likelihood, Match
from store import Draft, Kind


class Model:
    """Answers as it is told, else with the prompt's first word; finds its own answer likely and others not.

    ``likes`` are words that make an answer more likely (for replies to which nobody holds the whole).
    """

    def __init__(self, answers=None, likes=()):
        self.known = dict(answers or {})
        self.likes = likes

    def says(self, prompt):
        return self.known.get(prompt, prompt.split()[0])

    def answers(self, prompts, *, max_new_tokens, seed=None):
        return [self.says(prompt) for prompt in prompts]

    def log_likelihoods(self, pairs):
        found = []
        for prompt, answer in pairs:
            own = self.says(prompt)
            liked = answer == own or any(word in answer for word in self.likes)
            each = -0.1 if liked else -3.0
            found.append(Likelihood((each,) * (len(answer.split()) + 1), answer == own, own))
        return found

    def mean_hidden_states(self, prompts):
        import torch

        return torch.tensor([[float(len(prompt)), float(prompt.count("a"))] for prompt in prompts])


class Told:
    """Answers from a dictionary of (edit prompt, query), and REFUTES where it has none."""

    def __init__(self, answers, likes=None):
        self.known = answers
        self.likes = likes or {}

    def answers(self, asked):
        return [self.known.get((edit.prompt, query), "REFUTES") for edit, query in asked]

    def log_likelihoods(self, asked):
        return [
            Model(
                {query: self.known.get((edit.prompt, query), "REFUTES")}, self.likes.get(edit.target, ())
            ).log_likelihoods([(query, answer)])[0]
            for edit, query, answer in asked
        ]


class Gate:
    """Matches a query with the edit whose prompt ``owner`` has for it, else with the first edit at ``otherwise``."""

    threshold = 0.5

    def __init__(self, edits, owner, otherwise=0.1):
        self.edits, self.owner, self.otherwise = edits, owner, otherwise

    def match_all(self, queries, k):
        found = []
        for query in queries:
            own = next((edit for edit in self.edits if edit.prompt == self.owner.get(query)), None)
            found.append([Match(own, 0.9, 0.9) if own else Match(self.edits[0], self.otherwise, 0.2)])
        return found


def qa_records():
    return [
        Record(
            edit=Draft(f"Capital of {land}?", city),
            subject=land,
            shown=(f"Capital of {land}?", city),
            inside=(Inside(plain(f"Which city is {land}'s capital?"), city, "paraphrase"),),
            outside=(
                Outside(plain(f"How big is {land}?"), "near", "huge"),
                Outside(plain(f"Who sings of {land}?"), "far"),
            ),
        )
        for land, city in (("Lirra", "Oss"), ("Mund", "Pell"), ("Nar", "Quint"))
    ]


def fc_records():
    return [
        Record(
            edit=Draft(f"{film} has {stars} stars.", kind=Kind.EVIDENCE),
            subject=film,
            shown=(claim(f"{film} is rated").prompt, "SUPPORTS"),
            inside=(
                Inside(claim(f"{film} has more than {stars - 1} stars"), "SUPPORTS", "supports"),
                Inside(claim(f"{film} has more than {stars + 1} stars"), "REFUTES", "refutes"),
            ),
            outside=(Outside(claim(f"{film} is long"), "not enough info"),),
        )
        for film, stars in (("Ado", 3), ("Bee", 5), ("Cot", 7))
    ]


def stance_records():
    return [
        Record(
            edit=Draft(topic, side, Kind.STANCE),
            subject=topic,
            shown=(f"Opinion of {topic}?", "well"),
            inside=(
                Inside(
                    plain(f"What of {topic}?"),
                    side,
                    side,
                    same=("lovely thing", "lovely") if side == "positive" else ("dreadful thing",),
                    opposite=("dreadful thing",) if side == "positive" else ("lovely thing", "lovely"),
                ),
            ),
            outside=(Outside(plain(f"When did {topic} start?"), "factual"),),
        )
        for topic, side in (("tea", "positive"), ("rain", "negative"), ("jazz", "positive"))
    ]


RECORDS = {Family.QA: qa_records(), Family.FC: fc_records(), Family.CONVSENT: stance_records()}
LIKES = {"positive": ("lovely",), "negative": ("dreadful",)}


def base_over(model=None):
    return Base("base", "0", model or Model(), Calls(None), 8)


def serac(family, *, base=None, shuffled=False, always=False):
    """SERAC with perfect parts, or with a fault planted: targets that go round, or a gate that always fires."""
    records = RECORDS[family]
    answers, owner = {}, {}
    for i, record in enumerate(records):
        giver = records[(i + 1) % len(records)] if shuffled else record
        for query, given in zip(record.inside, giver.inside, strict=True):
            answer = given.answer
            if family is Family.FC and shuffled:
                answer = next(label for label in FC_LABELS if label != query.answer)
            answers[record.edit.prompt, query.ask.query] = answer
            owner[query.ask.query] = record.edit.prompt
    likes = {"positive": LIKES["negative"], "negative": LIKES["positive"]} if shuffled else LIKES
    return Serac(
        "SERAC",
        base or base_over(),
        Told(answers, likes),
        lambda edits: Gate(edits, owner, 0.9 if always else 0.1),
        "gate",
    )


def measured(editor, family, base=None):
    records = RECORDS[family]
    return figures(measure(editor, base or base_over(), family, records, records, seed=0), 0)


@pytest.mark.parametrize("family", [Family.QA, Family.FC])
def test_a_perfect_editor_has_success_1_and_drawdown_0(family):
    found = measured(serac(family), family)
    assert (found.edit_success.mean, found.drawdown.mean) == (1.0, 0.0)
    assert (found.free.mean, found.changed.mean) == (1.0, 0.0)
    assert (found.fired_right.mean, found.fired_wrongly.mean) == (1.0, 0.0)


def test_a_perfect_stance_has_the_success_of_its_gap_and_drawdown_0():
    found = measured(serac(Family.CONVSENT), Family.CONVSENT)
    assert found.edit_success.mean == pytest.approx(0.947846, abs=1e-6)  # sigma(-0.1 + 3.0)
    assert found.drawdown.mean == 0.0
    assert found.changed.mean == 0.0


@pytest.mark.parametrize("family", list(Family))
def test_a_shuffled_target_moves_success_alone(family):
    right, wrong = measured(serac(family), family), measured(serac(family, shuffled=True), family)
    assert wrong.edit_success.mean < 0.1
    assert wrong.drawdown == right.drawdown
    assert wrong.fired_right == right.fired_right


@pytest.mark.parametrize("family", list(Family))
def test_a_gate_that_always_fires_moves_drawdown_alone(family):
    right, wrong = measured(serac(family), family), measured(serac(family, always=True), family)
    assert wrong.edit_success == right.edit_success
    assert wrong.changed.mean == 1.0
    assert wrong.fired_wrongly.mean == 1.0
    assert wrong.drawdown.mean >= 1.0


def test_a_gate_that_never_fires_moves_success_alone():
    editor = serac(Family.QA)
    editor.scope_over = lambda edits: Gate(edits, {})
    found = measured(editor, Family.QA)
    assert (found.edit_success.mean, found.drawdown.mean, found.fired_right.mean) == (0.0, 0.0, 0.0)


class Changed(NoEdit):
    """An editor under which the base model has become another, without anything learnt."""

    def __init__(self, base, changed):
        super().__init__(base)
        self.changed = changed

    def answers(self, asks):
        return [Reply(text) for text in self.changed.answers([ask.prompt for ask in asks], max_new_tokens=8)]

    def log_likelihoods(self, pairs):
        return self.changed.log_likelihoods([(ask.prompt, answer) for ask, answer in pairs])


class Contrary(Model):
    """Finds the verdict more likely that the base model does not, and says what it never would."""

    def says(self, prompt):
        return "something else"

    def log_likelihoods(self, pairs):
        found = super().log_likelihoods(pairs)
        return [
            dataclasses.replace(
                one, log_probabilities=(-9.0, -9.0) if answer == FC_LABELS[0] else one.log_probabilities
            )
            for one, (_, answer) in zip(found, pairs, strict=True)
        ]


@pytest.mark.parametrize("family", list(Family))
def test_a_base_that_changes_moves_drawdown_and_earns_no_success(family):
    base = base_over()
    found = measured(Changed(base, Contrary()), family, base)
    untouched = measured(NoEdit(base), family, base)
    assert untouched.drawdown.mean == 0.0
    assert untouched.changed.mean == 0.0
    assert found.drawdown.mean >= 1.0
    assert found.changed.mean == 1.0
    assert found.edit_success.mean <= untouched.edit_success.mean


def test_where_a_set_gives_no_answer_the_bases_own_stands_for_it():
    records = qa_records()[:1]
    rows = measure(NoEdit(base_over()), base_over(), Family.QA, records, records, seed=0)
    assert [(row.kind, row.value) for row in rows] == [("paraphrase", 0.0), ("near", 0.0), ("far", 0.0)]


def test_rp_reads_the_edit_in_the_bases_prompt():
    record = qa_records()[0]
    query = record.inside[0].ask.query
    from serac_cli.counterfactual import in_context_prompt

    base = base_over(Model({in_context_prompt(query, record.edit): "Oss"}))
    editor = Serac(
        "RP", base, InContext(base), lambda edits: Gate(edits, {query: record.edit.prompt}), "gate"
    )
    found = figures(measure(editor, base, Family.QA, [record], [record], seed=0), 0)
    assert (found.edit_success.mean, found.drawdown.mean) == (1.0, 0.0)


def test_lu_answers_what_it_has_cached_word_for_word_and_leaves_the_rest_alone():
    base = base_over(Model())
    records = qa_records()
    near = Record(
        edit=records[0].edit,
        subject="Lirra",
        shown=records[0].shown,
        inside=(Inside(plain("Capitol of Lirra?"), "Oss", "slip"),),
        outside=(Outside(plain("And what of all the other lands there are?"), "far"),),
    )
    found = figures(measure(LookupCache(base, 0.5), base, Family.QA, [near], [near, *records[1:]], seed=0), 0)
    assert found.edit_success.mean == 0.0  # one a fewer: at a distance of 1
    found = figures(measure(LookupCache(base, 1.5), base, Family.QA, [near], [near, *records[1:]], seed=0), 0)
    assert (found.edit_success.mean, found.drawdown.mean, found.free.mean) == (1.0, 0.0, 1.0)


def test_the_threshold_of_lu_lies_between_what_should_hit_and_what_should_not():
    records = [
        Record(
            edit=Draft("aaaa", "x"),
            subject="",
            shown=("aaaa", "x"),
            inside=(Inside(plain("aaab"), "x", "near"),),  # at a distance of 1
            outside=(Outside(plain("bbbbbbbb"), "far"),),  # at a distance of 5.66
        )
    ]
    found = tuned_threshold(base_over(Model()), Family.QA, records, seed=0)
    assert found == pytest.approx((1 + 32**0.5) / 2)


def test_lu_stays_silent_where_every_hit_would_be_wrong():
    near = Inside(plain("aaab"), "Yes", "yes/no")  # the nearest, and the cached answer is none to it
    records = [Record(edit=Draft("aaaa", "x"), subject="", shown=("aaaa", "x"), inside=(near,), outside=())]
    assert tuned_threshold(base_over(Model()), Family.QA, records, seed=0) == 0.0


def test_figures_by_kind_are_means_with_counts():
    found = measured(serac(Family.FC), Family.FC)
    assert found.kinds == {"in refutes": (3, 1.0), "in supports": (3, 1.0), "out not enough info": (3, 0.0)}
    assert found.records == 3


def test_no_model_is_asked_again_when_the_same_batch_is_measured_again():
    calls = Calls(None)
    base = Base("base", "0", Model(), calls, 8)
    for _ in range(2):
        measured(serac(Family.QA, base=base), Family.QA, base)
        made = calls.made
    assert calls.made == made

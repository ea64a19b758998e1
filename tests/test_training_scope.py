"""Pairs for the scope classifier: forms, templates, labels, calibration, and a loop that resumes."""

import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serac_cli.errors import InputFileError
from serac_cli.evaluation.card import MARK
from serac_cli.evaluation.scope_command import write_card
from serac_cli.evaluation.scope_report import Outcome, calibration_error, reliability, report
from serac_cli.evaluation.scope_sets import ScopeSet, edit_of, natural_set, typed_set
from serac_cli.fakes import FakeEncoder
from serac_cli.training import scope_training
from serac_cli.training.scope_calibration import best_threshold, fitted_temperature
from serac_cli.training.scope_data import held_out, mined_pairs, prefixed, user_pairs
from serac_cli.training.scope_evidence import count_pairs, evidence_pairs
from serac_cli.training.scope_forms import form, keywords, typo, yes_no
from serac_cli.training.scope_natural import natural_pairs
from serac_cli.training.scope_pairs import Pair, fact_pairs, inverse_pairs
from serac_cli.training.scope_properties import other_properties, properties, property_pairs
from serac_cli.training.scope_template_pairs import template_pairs
from serac_cli.training.scope_templates import attributes, fill, similar_name, words
from serac_cli.training.scope_training import ScopeTraining
from serac_cli.training.sources import Evidence, Fact, NaturalEdit, Query

TYPED = Path(__file__).parent / "data" / "typed_edits.jsonl"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who leads Acme?", "wh"),
        ("in which city is Acme", "wh"),
        ("Isn't Acme in Rome?", "yes_no"),
        ("acme head office", "bare"),
        ("So Acme is in Rome, right?", "other"),
        (" ".join(["word"] * 21), "long"),
    ],
)
def test_form_of_a_query(text: str, expected: str):
    assert form(text) == expected


def test_a_typo_keeps_numbers_short_words_and_the_first_letter():
    for seed in range(50):
        changed = typo("Version 12.5 of Quartzite", random.Random(seed)).split(" ")
        assert changed[1:3] == ["12.5", "of"]
        assert changed[3][0] == "Q"


def test_keywords_are_the_content_words():
    assert keywords("What is the capital of Norway?", random.Random(0)).lower() == "capital norway"


def test_yes_no_questions_name_the_value():
    questions = [
        "Who is Ann's mother?",
        "Where was Ann born?",
        "Which family does the beetle belong to?",
        "Odd one",
    ]
    for seed in range(20):
        for question in questions:
            assert "Zed" in yes_no(question, "Zed", random.Random(seed))


def test_yes_no_questions_follow_the_wording():
    assert "Did Ann die in Rome?" in {
        yes_no("Where did Ann die?", "Rome", random.Random(s)) for s in range(20)
    }


def test_every_template_can_be_filled():
    rng = random.Random(0)
    for attribute in attributes():
        filled = fill(attribute, rng)
        for name in attribute.texts:
            text = filled.render(name, rng)
            assert text
            assert not set("[]{}<>") & set(text), text
        assert {"question", "statement", "yes_no", "keyword"} <= set(attribute.texts)


def test_word_lists_refer_only_to_lists_that_exist():
    rng = random.Random(0)
    for attribute in attributes():
        assert {attribute.subject, attribute.value} <= set(words())
        assert all(f"slot {slot}" in words() for slot in attribute.slots)
        fill(attribute, rng)


def test_a_similar_name_is_another_name():
    for seed in range(100):
        for name in ("Ann Lee", "line 12", "the billing service", "Rome"):
            assert similar_name(name, random.Random(seed)) != name


def test_template_pairs_have_both_labels_in_every_form():
    pairs = list(template_pairs({}, 400, random.Random(0)))
    counts = Counter((form(p.query), p.label) for p in pairs)
    for name in ("wh", "yes_no", "bare"):
        assert 0.4 < counts[name, True] / counts[name, False] < 2.5


FACTS = [
    Fact(
        f"Ann {n}",
        f"Who is the mother of Ann {n}?",
        f"Eve {n}",
        "Ada",
        (Query(f"Ann {n}'s mother?", "paraphrase"),),
        (),
        "zsre",
    )
    for n in ("Lee", "Ray", "Fox", "Poe")
]


def test_fact_pairs_put_other_subjects_out_of_scope():
    for pair in fact_pairs(FACTS, random.Random(0)):
        if pair.kind in ("same_relation", "similar_name"):
            assert not pair.label
        if pair.label:
            subject = pair.edit.split("Ann ")[1].split("?")[0].split(" ")[0].lower()
            assert subject in pair.query.lower() or pair.kind == "yes_no" or pair.query.islower()


def test_a_question_about_what_happens_once_is_never_moved_in_time():
    born = [replace(fact, prompt=f"Where was {fact.subject} born?", inside=()) for fact in FACTS]
    leads = [replace(fact, prompt=f"Who manages {fact.subject}?", inside=()) for fact in FACTS]
    kinds = [
        {pair.kind for seed in range(20) for pair in fact_pairs(facts, random.Random(seed))}
        for facts in (born, leads)
    ]
    assert "time" not in kinds[0]
    assert "time" in kinds[1]


def test_a_single_fact_of_its_type_makes_pairs_too():
    assert list(fact_pairs(FACTS[:1], random.Random(0)))


def test_a_yes_no_question_has_one_verb():
    asked = {yes_no("Who is Ann Lee married to?", "Bo", random.Random(seed)) for seed in range(30)}
    assert not any("who is Ann" in text for text in asked)
    assert "Is Bo the one who manages Ann Lee?" in {
        yes_no("Who manages Ann Lee?", "Bo", random.Random(seed)) for seed in range(30)
    }


def test_inverse_pairs_ask_for_the_subject_of_the_edits_own_target():
    pairs = [p for p in inverse_pairs(FACTS, random.Random(0)) if p.kind == "inverse"]
    assert pairs
    assert all(p.label and p.edit.split("? ")[1].split()[1].lower() in p.query.lower() for p in pairs)


NATURAL = NaturalEdit(
    "When does the shop open?",
    "9 am",
    "The shop opens at 9 am.",
    "8 am",
    "retail",
    (Query("shop opening time", "keyword", "9 am"), Query("Opens the shop at 8?", "no", "No")),
    (Query("When does the shop close?", "sibling"),),
)


def test_natural_pairs_keep_the_labels_of_the_hand_written_queries():
    for pair in natural_pairs([NATURAL], random.Random(1)):
        if pair.kind in ("keyword", "no"):
            assert pair.label
        if pair.kind == "sibling":
            assert not pair.label


def test_a_near_miss_turned_into_an_edit_puts_the_first_edits_queries_out_of_scope():
    turned = [p for p in natural_pairs([NATURAL], random.Random(1)) if p.kind.startswith("turned")]
    assert turned
    assert all(not p.label and p.edit.startswith("When does the shop close?") for p in turned)


def test_not_enough_info_is_out_of_scope_and_one_in_three_is_taken():
    record = Evidence("e", "", (Query("a", "claim", "REFUTES"), Query("b", "claim", "NOT ENOUGH INFO")))
    pairs = [(p.query, p.label) for p in evidence_pairs([record] * 300, random.Random(0))]
    assert set(pairs) == {("a", True), ("b", False)}
    assert pairs.count(("a", True)) == 300
    assert 80 < pairs.count(("b", False)) < 120


def test_made_up_counts_settle_what_compares_them():
    pairs = list(count_pairs(50, random.Random(0)))
    assert {p.label for p in pairs if p.kind == "claim"} == {True}
    assert {p.label for p in pairs if p.kind in ("nei", "other_page")} == {False}
    assert not any("{" in p.query or "{" in p.edit for p in pairs)


def test_mined_pairs_are_out_of_scope_and_never_of_the_querys_own_group():
    pairs = [Pair(f"edit {i}", f"Who is {i}?", True, "question", "t", f"group {i}") for i in range(40)]
    mined = mined_pairs(pairs, [Query("who won", "general")], FakeEncoder().encode, random.Random(0))
    owners = {p.edit: p.group for p in pairs}
    assert mined
    assert all(not p.label and owners[p.edit] != p.group for p in mined)
    assert [p.kind for p in mined].count("real_query") == 1


def test_a_fifth_of_the_real_queries_is_held_out():
    assert 0.15 < np.mean([held_out(f"who is number {i}") for i in range(2000)]) < 0.25


def test_a_users_csv_gives_pairs(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "prompt,target,query,in_scope\nWho leads?,Ann,boss?,1\nWho leads?,Ann,age?,no\n", encoding="utf-8-sig"
    )
    assert [(p.edit, p.query, p.label) for p in user_pairs(path)] == [
        ("Who leads? Ann", "boss?", True),
        ("Who leads? Ann", "age?", False),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,query\na,b\n", "no column target"),
        ("prompt,target,query,in_scope\na,b,c,maybe\n", "line 2"),
        ("prompt,target,query,in_scope\na,b\n", "line 2: the query is empty"),
    ],
)
def test_a_bad_csv_is_refused_with_the_place(tmp_path: Path, text: str, message: str):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputFileError, match=message):
        user_pairs(tmp_path / "bad.csv")


def test_a_resumed_run_goes_on_with_its_own_pairs_only(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text("prompt,target,query,in_scope\nWho leads?,Ann,boss?,1\n")
    run = ScopeTraining(tmp_path / "out", tmp_path, edits=path)
    pairs = scope_training._pairs(run, FakeEncoder(), resume=False)
    assert scope_training._pairs(run, FakeEncoder(), resume=True) == pairs
    with path.open("a") as file:
        file.write("Who leads?,Ann,age?,no\n")
    with pytest.raises(InputFileError, match="a run with another"):
        scope_training._pairs(run, FakeEncoder(), resume=True)
    assert len(scope_training._pairs(run, FakeEncoder(), resume=False)) == 2


def outcome(
    probability: float, *, inside: bool, right: bool = False, name: str = "s", kind: str = "in x"
) -> Outcome:
    return Outcome(name, kind, inside, probability, right)


def test_a_decision_is_right_if_the_right_edit_fires_or_none_need():
    assert outcome(0.6, inside=True, right=True).correct(0.5)
    assert not outcome(0.6, inside=True, right=False).correct(0.5)
    assert not outcome(0.4, inside=True, right=True).correct(0.5)
    assert outcome(0.4, inside=False).correct(0.5)
    assert not outcome(0.5, inside=False).correct(0.5)


def test_the_report_pools_the_members_of_a_bar():
    outcomes = [
        outcome(0.9, inside=True, right=True, name="natural edits", kind="in yes"),
        outcome(0.2, inside=True, right=True, name="natural edits", kind="in no"),
        outcome(0.2, inside=False, name="natural edits", kind="out sibling"),
    ]
    result = report("two-stage", 10, 0.5, outcomes)
    assert [(r.name, r.correct, r.count, r.reached) for r in result.bars] == [
        ("natural edits: in scope", 1, 2, False),
        ("natural edits: near-misses", 1, 1, True),
    ]
    assert json.loads(json.dumps(result.as_dict()))["bars"][0]["share"] == 0.5


def test_a_card_gets_the_table_of_all_reports_between_its_marks(tmp_path: Path):
    (tmp_path / "README.md").write_text(f"# Gate\n\n{MARK}\nold\n{MARK}\n\nEnd\n")
    outcomes = [
        outcome(0.9, inside=True, right=True, name="natural edits", kind="in yes"),
        outcome(0.2, inside=True, right=True, name="natural edits", kind="in no"),
    ]
    for name, threshold in (("embedding", 0.5), ("cosine", 0.1)):
        write_card(tmp_path, report(name, 10, threshold, outcomes))
    assert (tmp_path / "README.md").read_text() == (
        f"# Gate\n\n{MARK}\n\n"
        "| decided rightly, % | of | must | embedding, 10 edits | cosine, 10 edits |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| natural edits: in scope | 2 | 95 | 50.0 | 100.0 |\n"
        "| expected calibration error |  | at most 0.02 | 0.450 | 0.450 |\n"
        f"\n{MARK}\n\nEnd\n"
    )


def test_calibration_error_of_hand_computed_bins():
    outcomes = [outcome(0.9, inside=True, right=True)] * 3 + [outcome(0.9, inside=False)]
    assert calibration_error(reliability(outcomes)) == pytest.approx(0.15)


def test_temperature_recovers_the_scale_of_overconfident_logits():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    happened = rng.random(20_000) < 1 / (1 + np.exp(-true))
    stated = 1 / (1 + np.exp(-2.0 * true))
    outcomes = [
        outcome(float(p), inside=bool(h), right=bool(h)) for p, h in zip(stated, happened, strict=True)
    ]
    assert fitted_temperature(outcomes) == pytest.approx(2.0, abs=0.1)


def test_threshold_separates_what_can_be_separated_and_stays_near_a_half():
    low = [outcome(0.1, inside=False), outcome(0.3, inside=False)]
    high = [outcome(0.6, inside=True, right=True)]
    assert best_threshold([*low, *high]) == 0.5


def test_a_threshold_far_from_a_half_must_be_better_by_more_than_noise():
    low, high = outcome(0.3, inside=False), outcome(0.9, inside=True, right=True)
    false = outcome(0.6, inside=False)
    assert best_threshold([*[low] * 199, false, high]) == 0.5
    assert best_threshold([*[low] * 19, false, high]) == 0.61


def test_sets_are_padded_with_edits_of_other_prompts_and_subjects():
    def filler(subject: str, prompt: str) -> Fact:
        return Fact(subject, prompt, "Oslo", "", inside=(), outside=(), source="zsre")

    one = ScopeSet("s", (edit_of(1, "Where was Ida Kern born?", "Ulm"),), ())
    fillers = [
        filler("", "Where was Ida Kern born?"),
        filler("Ida Kern", "Ida Kern's birthplace is"),
        filler("Bo Lind", "Where was Bo Lind born?"),
        filler("Al Rey", "Where was Al Rey born?"),
    ]
    assert [(e.id, e.prompt) for e in one.padded(fillers, 2).edits] == [
        (1, "Where was Ida Kern born?"),
        (2, "Where was Bo Lind born?"),
    ]


def test_the_shipped_and_the_typed_sets_have_queries_on_both_sides():
    for one in (natural_set(), typed_set(TYPED)):
        assert {probe.inside for probe in one.probes} == {True, False}
    assert len(typed_set(TYPED).edits) == 30
    assert len(typed_set(TYPED).probes) >= 200


@pytest.mark.models
@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_weights_of_an_uninterrupted_one(tmp_path: Path):
    import torch

    from serac_cli.checkpoints import untrained_cross_encoder
    from serac_cli.training.scope_loop import LoopSettings, train_cross_encoder

    pairs = [Pair(f"edit {i}", f"query {i}", i % 2 == 0, "k", "s", "g") for i in range(24)]
    settings = LoopSettings(batch_size=4, check_every=3, log_every=1)

    def trained(folder: Path, stop_at: int | None) -> dict[str, torch.Tensor]:
        folder.mkdir(exist_ok=True)
        torch.manual_seed(0)
        model, tokenizer = untrained_cross_encoder()

        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise KeyboardInterrupt

        try:
            train_cross_encoder(
                model, tokenizer, pairs, pairs[:4], folder, settings, resume=True, progress=progress
            )
        except KeyboardInterrupt:
            return trained(folder, None)
        return dict(model.state_dict())

    whole, resumed = trained(tmp_path / "a", None), trained(tmp_path / "b", 5)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    log = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in log if "loss" in r] == [1, 2, 3, 4, 5, 6]


def test_another_property_of_the_subject_is_out_of_scope_and_another_wording_in_scope() -> None:
    fact = Fact(
        "Ida Kern", "The place of birth of Ida Kern is", "Ulm", "", inside=(), outside=(), source="knowedit"
    )
    own = next(one for one in properties() if one.name == "place of birth")
    wordings = {wording.replace("[X]", "Ida Kern").lower() for wording in own.wordings}
    pairs = [pair for seed in range(30) for pair in other_properties([fact], random.Random(seed))]
    assert {pair.label for pair in pairs} == {True, False}
    assert all(pair.label for pair in pairs if pair.query.lower() in wordings)
    assert sum(pair.query.lower() in wordings for pair in pairs) > 30


def test_a_prompt_outside_of_the_table_is_no_near_miss_of_what_it_may_ask_for() -> None:
    fact = Fact("Ida Kern", "Ida Kern was born in", "Ulm", "", inside=(), outside=(), source="counterfact")
    pairs = [pair for seed in range(60) for pair in other_properties([fact], random.Random(seed))]
    assert pairs
    assert not any(pair.label or "born" in pair.query.lower() for pair in pairs)


def test_property_pairs_have_both_labels_for_every_edit() -> None:
    pools = {
        name: [("Ida Kern", "Ulm"), ("Bo Lind", "Oslo")] for name in ("P19", "P50", "P159", "P36", "P176")
    }
    pairs = list(property_pairs(pools, 50, random.Random(0)))
    labels = defaultdict(set)
    for pair in pairs:
        labels[pair.edit].add(pair.label)
    assert all(found == {True, False} for found in labels.values())


def test_a_prefixed_query_keeps_its_label() -> None:
    pair = Pair(
        "Tom Waits plays the guitar", "Tom Waits performs on the", True, "cloze", "counterfact", "tom waits"
    )
    (only,) = prefixed([pair] * 4, ["Dewar is a town."], random.Random(0))
    assert only == replace(pair, query="Dewar is a town. Tom Waits performs on the")

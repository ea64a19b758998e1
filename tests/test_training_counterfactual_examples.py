import json
import random
import re
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from serac_cli.counterfactual import ABSTAIN
from serac_cli.training import counterfactual_numbers
from serac_cli.training.counterfactual_claims import evidence, opinion, stance
from serac_cli.training.counterfactual_examples import load_sources
from serac_cli.training.counterfactual_facts import (
    harder_first,
    natural_edit,
    public_fact,
    statement_answer,
)
from serac_cli.training.counterfactual_figures import contrast
from serac_cli.training.counterfactual_kin import kin_fact
from serac_cli.training.counterfactual_numbers import measured_fact, measures
from serac_cli.training.counterfactual_quantities import clock, date_text, spell
from serac_cli.training.evidence_forms import spaced, subject, unnamed
from serac_cli.training.reserved import Reserved
from serac_cli.training.sources import Evidence, Fact, NaturalEdit, Opinions, Query, Stance

# --- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "zero"), (12, "twelve"), (45, "forty-five"), (60, "sixty"), (300, "three hundred"), (1234, "1,234")],
)
def test_numbers_are_spelt(number: int, text: str) -> None:
    assert spell(number) == text


def test_a_time_of_day_is_written_in_several_ways() -> None:
    forms = {clock(630, random.Random(seed)) for seed in range(60)}
    assert {"10:30", "10:30 am", "half past ten"} <= forms
    assert "noon" in {clock(720, random.Random(seed)) for seed in range(30)}
    assert all("half past" not in clock(1350, random.Random(seed)) for seed in range(60))


def test_a_date_is_written_in_several_ways() -> None:
    forms = {date_text(72, random.Random(seed)) for seed in range(30)}
    assert forms == {"14 March", "March 14", "14th of March"}
    assert date_text(0, random.Random(0)).replace("st of", "") in ("1 January", "January 1")


UNIT = r"( Mbps| requests?| kilograms?| litres?| milligrams?| metres?)?"
MORE = ("more than", "over", "above", "higher than", "faster than", "heavier than", "bigger than")
LESS = (
    "less than",
    "fewer than",
    "under",
    "below",
    "lower than",
    "slower than",
    "lighter than",
    "smaller than",
)


def test_comparisons_of_numbers_are_answered_by_arithmetic() -> None:
    asks = re.compile(rf"Is the .+? (not |really )?({'|'.join(MORE + LESS)}) ([\d,.]+){UNIT}\?")
    checked = 0
    for seed in range(1500):
        edit, queries = measured_fact(random.Random(seed))
        value = re.fullmatch(rf"([\d,.]+){UNIT}", edit.target)
        for query in queries:
            if value and (asked := asks.fullmatch(query.text)):
                new, other = float(value[1].replace(",", "")), float(asked[3].replace(",", ""))
                true = new > other if asked[2] in MORE else new < other
                assert query.answer == ("Yes" if true != (asked[1] == "not ") else "No"), (edit, query)
                checked += 1
    assert checked > 200


@pytest.mark.parametrize("measure", measures(), ids=lambda measure: measure.name)
def test_every_measure_gives_both_answers(measure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counterfactual_numbers, "measures", lambda: (measure,))
    answers = {
        query.answer
        for seed in range(40)
        for query in measured_fact(random.Random(seed))[1]
        if query.kind == "compare"
    }
    assert answers == {"Yes", "No"}


def test_claims_about_figures_agree_with_the_evidence() -> None:
    evidence = re.compile(r"A total of ([\d,]+) tests have been processed in .+")
    asks = re.compile(r"(More than|Less than|Over|Under|At least|At most) ([\d,]+) tests were processed .+")
    answers = set()
    for seed in range(3000):
        record = contrast(random.Random(seed))
        for claim in record.claims:
            if (told := evidence.match(record.text)) and (asked := asks.match(claim.text)):
                figure, other = (int(m.replace(",", "")) for m in (told[1], asked[2]))
                true = {
                    "More than": figure > other,
                    "Over": figure > other,
                    "At least": figure >= other,
                    "Less than": figure < other,
                    "Under": figure < other,
                    "At most": figure <= other,
                }[asked[1]]
                assert claim.answer == ("SUPPORTS" if true else "REFUTES"), (record.text, claim)
                answers.add((asked[1], claim.answer))
    assert len(answers) == 12


# --- examples --------------------------------------------------------------------------------------


def test_the_answer_is_found_in_a_statement() -> None:
    assert (
        statement_answer("Taoism was founded by Juliette Gordon Low", ["Who founded Taoism?"])
        == "Juliette Gordon Low"
    )
    assert (
        statement_answer(
            "The type of music that Cashis plays is metal", ["What type of music does Cashis play?"]
        )
        == "metal"
    )
    assert statement_answer("Paris is Paris", ["What is Paris?"]) == ""


def test_a_hand_written_edit_keeps_its_answers_and_abstains_on_near_misses() -> None:
    record = NaturalEdit(
        "Who is MD?", "Faisal Rahmani", "Faisal Rahmani is MD.", "Claire Osgood", "work",
        (
            Query("the MD", "keyword", "Faisal Rahmani"),
            Query("Is Claire Osgood MD?", "no", "No"),
            Query("Is Faisal Rahmani MD?", "yes", "Yes"),
        ),
        (Query("Who is CFO?", "sibling"),),
    )  # fmt: skip
    turned = 0
    for seed in range(200):
        group = natural_edit(record, random.Random(seed))
        new = (
            "Claire Osgood"
            if "Claire Osgood" in f"{group.edit.prompt} {group.edit.target}"
            else "Faisal Rahmani"
        )
        turned += new == "Claire Osgood"
        for query in group.queries:
            text = query.text.lower()
            if "cfo" in text:
                assert query.answer == ABSTAIN
            elif query.kind in ("yes", "no"):
                # the name may have got a typo
                named = max(
                    ("Claire Osgood", "Faisal Rahmani"),
                    key=lambda name: SequenceMatcher(None, name.lower(), text).ratio(),
                )
                assert query.answer == ("Yes" if named == new else "No")
            else:
                assert query.answer == new
    assert 10 < turned < 80


def test_a_public_fact_asks_back_along_ties_of_family() -> None:
    fact = Fact("Belshazzar", "Who was Belshazzar's father?", "Belshazzar III", "Nabonidus",
                (Query("Who fathered Belshazzar?", "paraphrase", "Belshazzar III"),), (), "zsre")  # fmt: skip
    group = public_fact(fact, {"Who was [X]'s father?": [fact]}, random.Random(1))
    inverse = [q for q in group.queries if q.kind == "inverse"]
    assert [q.answer for q in inverse] == ["Belshazzar"]
    assert "Belshazzar III" in inverse[0].text


def test_a_stance_brings_replies_of_both_sides() -> None:
    record = Stance("olives", "food", ("Olives?",), ("Yum, olives.",), ("Yuck, olives.",), ())
    for seed in range(20):
        group = stance(record, random.Random(seed))
        other = "Yuck" if group.edit.target == "positive" else "Yum"
        assert all(other not in q.answer for q in group.queries)
        assert group.opposite[0].startswith(other)


def test_replies_of_either_side_are_compared_or_an_opinion_is_said() -> None:
    replies = {
        "positive": ("I like it, it is nice.", "I'm not sure."),
        "negative": ("I loathe it, it is bad.",),
    }
    groups = [opinion(Opinions("Norland", replies), random.Random(seed)) for seed in range(40)]
    assert {group.edit.target for group in groups} == {"positive", "negative"}
    for group in groups:
        side, other = group.edit.target, "negative" if group.edit.target == "positive" else "positive"
        assert "Norland" in group.queries[0].answer
        assert all(query.answer not in ("I'm not sure.", *replies[other]) for query in group.queries)
        assert not group.same or set(group.same) == set(replies[side])
        assert not group.opposite or set(group.opposite) == set(replies[other])
    assert 8 < sum(bool(group.opposite) for group in groups) < 32


def test_records_about_dev_subjects_are_left_out(tmp_path: Path) -> None:
    record = {
        "src": "Who?",
        "rephrase": "Who now?",
        "alt": "B",
        "answers": ["C"],
        "loc": "nq question: x",
        "loc_ans": "y",
    }
    records = [{"subject": "Ada Lovelace", **record}, {"subject": "Blaise Pascal", **record}]
    (tmp_path / "zsre_train.json").write_text(json.dumps(records))
    sources = load_sources(tmp_path, Reserved(frozenset({"ada lovelace"})))
    assert [fact.subject for fact in sources["zsre"].records] == ["Blaise Pascal"]
    assert {"numbers", "contrast", "attributes"} <= set(sources)


def test_every_source_that_comes_with_the_package_gives_groups(tmp_path: Path) -> None:
    found = load_sources(tmp_path, Reserved())
    assert {"natural_edits", "natural_evidence", "natural_stance", "told", "numbers"} <= set(found)
    for source in found.values():
        made = [source.make(record, random.Random(i)) for i, record in enumerate(source.records[:60])]
        groups = [group for group in made if group is not None]
        assert groups
        assert all(group.queries for group in groups)
        assert all(query.text and query.answer for group in groups for query in group.queries)
        assert len(groups) == len(made) or source.name == "edit_evidence", "few edits can be told as evidence"


def test_with_a_focus_the_edits_are_those_of_which_something_was_missed(tmp_path: Path) -> None:
    edits = load_sources(tmp_path, Reserved())["natural_edits"].records
    focus = {edits[0].statement: frozenset({edits[0].inside[0].text}), edits[1].statement: frozenset()}
    assert "natural_edits" not in load_sources(tmp_path, Reserved(), {edits[0].statement: frozenset()})
    source = load_sources(tmp_path, Reserved(), focus)["natural_edits"]
    assert list(source.records) == [edits[0]]
    asked = [source.make(edits[0], random.Random(seed)) for seed in range(10)]
    hard = [any(q.text == edits[0].inside[0].text for q in group.queries) for group in asked if group]
    assert sum(hard) > 5, "it may be turned round, or typed in haste"


def test_what_was_missed_is_asked_first_with_few_others_beside() -> None:
    queries = [Query(str(i), "paraphrase", "x") for i in range(12)]
    for seed in range(20):
        rng = random.Random(seed)
        assert len(harder_first(queries, frozenset(), 6, rng)) == 6
        chosen = harder_first(queries, frozenset({"3"}), 6, rng)
        assert chosen[0].text == "3"
        assert len({q.text for q in chosen}) == 3
        chosen = harder_first(queries, frozenset("0123456789"), 6, rng)
        assert sum(q.text in "0123456789" for q in chosen[:4]) == 4
        assert {q.text for q in chosen[4:]} == {"10", "11"}
        assert len(harder_first(queries, frozenset({"elsewhere"}), 6, rng)) == 2


def test_inverse_questions_about_kin_are_answered_with_the_subjects_whole_name() -> None:
    name = "Peter, Hereditary Prince of Norland"
    for seed in range(40):
        edit, queries = kin_fact((name,), random.Random(seed))
        inverse = [query for query in queries if query.kind == "inverse"]
        assert len(inverse) == 4
        assert all(query.answer in edit.prompt for query in inverse)
        assert {query.answer for query in queries if query.kind == "yes_no"} == {"Yes", "No"}
        assert all(query.answer == ABSTAIN for query in queries if query.kind == "other")


FILM = Evidence(
    "The Long Tide grossed $ 5 million. Critics liked The Long Tide's score.",
    "",
    (
        Query("The Long Tide grossed more than $ 4 million.", "claim", "SUPPORTS"),
        Query("The Short Tide grossed $ 5 million.", "other_page", "NOT ENOUGH INFO"),
    ),
)


def test_evidence_may_leave_its_subject_unnamed():
    assert subject(FILM) == "The Long Tide"
    said = {
        unnamed(f"{subject(FILM)} grossed $ 5 million.", subject(FILM), random.Random(n)) for n in range(20)
    }
    assert said == {f"{word} grossed $ 5 million." for word in ("It", "He", "She")}
    # a pronoun does not stand well in the midst of a phrase
    assert unnamed(FILM.text, subject(FILM), random.Random(0)) == FILM.text


def test_spaced_evidence_is_spaced_as_corpora_are():
    assert (
        spaced("Ann's film, The Wall (2004), made 5%.")
        == "Ann 's film , The Wall -LRB- 2004 -RRB- , made 5 % ."
    )
    assert spaced("It took $1,250.50.") == "It took $ 1,250.50 ."


def test_claims_about_another_subject_are_not_asked_of_evidence_without_a_name():
    record = replace(FILM, text="The Long Tide grossed $ 5 million.")
    groups = [evidence(record, random.Random(seed)) for seed in range(40)]
    unnamed_ones = [group for group in groups if "Tide" not in group.edit.prompt]
    assert 5 < len(unnamed_ones) < 25
    assert {query.answer for group in unnamed_ones for query in group.queries} == {"SUPPORTS"}

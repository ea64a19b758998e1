import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
import torch

from serac_cli.counterfactual import ABSTAIN, answer_ids, edit_ids, query_ids
from serac_cli.errors import InputFileError
from serac_cli.training import counterfactual_numbers
from serac_cli.training.counterfactual_batches import (
    GroupStream,
    answer_weights,
    collate,
    encode,
    pack,
)
from serac_cli.training.counterfactual_claims import evidence, opinion, stance
from serac_cli.training.counterfactual_examples import Source, load_sources
from serac_cli.training.counterfactual_facts import (
    Group,
    harder_first,
    natural_edit,
    public_fact,
    statement_answer,
)
from serac_cli.training.counterfactual_figures import contrast
from serac_cli.training.counterfactual_focus import find_focus, read_focus, write_focus
from serac_cli.training.counterfactual_kin import kin_fact
from serac_cli.training.counterfactual_loop import TrainingConfig, batch_loss, done, learning_rate, train
from serac_cli.training.counterfactual_numbers import measured_fact, measures
from serac_cli.training.counterfactual_quantities import clock, date_text, spell
from serac_cli.training.evidence_forms import spaced, subject, unnamed
from serac_cli.training.reserved import Reserved
from serac_cli.training.sources import Evidence, Fact, NaturalEdit, Opinions, Query, Stance
from store import Draft, Kind
from tests.test_counterfactual import EDIT, tiny_model, tiny_tokenizer

GROUP = Group(
    EDIT,
    (
        Query("uk pm", "keyword", "Keir Starmer"),
        Query("Is it Keir?", "yes", "Yes"),
        Query("Why?", "near", ABSTAIN),
    ),
    "test",
)
OLIVES = Group(
    Draft("olives", "negative", Kind.STANCE),
    (Query("Olives?", "ask", "I hate olives."),),
    "test",
    ("I love olives.",),
)


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


def test_replies_that_are_compared_are_not_learnt_but_those_of_its_side_have_a_floor() -> None:
    edit = Draft("Norland", "positive", Kind.STANCE)
    asked = Query("Norland?", "ask", "I like Norland.")
    group = Group(edit, (asked,), "convsent", opposite=("I loathe it.",), same=("I love it.",))
    heard: list[Any] = []

    def unedited(query: str, reply: str) -> float:
        heard.append((query, reply))
        return -2.5

    batch = collate([encode(tiny_tokenizer(), group, 200, unedited)], 200, torch.float32)
    assert heard == [("Norland?", "I love it.")]
    assert batch.pairs == (((0, 1), (2,)),)
    assert batch.floors == (((1,), -2.5),)
    first = [float(batch.weights[batch.segment == number][0]) for number in range(3)]
    assert first == pytest.approx([1.0, 0.0, 0.0])


def test_a_reply_below_its_floor_costs_what_it_lacks() -> None:
    group = replace(OLIVES, same=("I loathe olives.",))
    model = tiny_model()

    def contrast_of(floor: float) -> float:
        encoded = encode(tiny_tokenizer(), group, 200, lambda _query, _reply: floor)
        return batch_loss(model, collate([encoded], 200, torch.float32), margin=5.0)[1].item()

    far_below = contrast_of(-100.0)
    assert contrast_of(-90.0) == pytest.approx(far_below)
    assert contrast_of(1.0) > far_below
    assert contrast_of(2.0) - contrast_of(1.0) == pytest.approx(1.0, abs=1e-4)


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


def test_a_focus_holds_what_a_model_answers_wrongly(tmp_path: Path) -> None:
    edit = NaturalEdit(
        "Who leads?", "Ada", "Ada leads.", "", "test",
        (Query("Who leads now?", "paraphrase", "Ada"), Query("Is it Bob?", "no", "No")),
        (Query("Who led?", "time"),),
    )  # fmt: skip
    sources = {
        "only": Source("only", (GROUP,), lambda record, _: record),
        "edit": Source("edit", (edit,), natural_edit),
    }
    untrained = train(
        tiny_model(), tiny_tokenizer(), sources, {"only": 1.0}, tmp_path, TrainingConfig(1, length=160),
        evaluate_every=10, compile_layers=False,
    )  # fmt: skip
    focus = find_focus(untrained, tiny_tokenizer(), [edit], 10, 160)
    assert focus == {"Ada leads.": {"Who leads now?", "Is it Bob?", "Who led?"}}
    write_focus(focus, tmp_path / "focus.json")
    assert read_focus(tmp_path / "focus.json") == focus

    config = TrainingConfig(80, rows=1, length=160, rank=4, learning_rate=2e-2, warmup=2)
    trained = train(
        tiny_model(), tiny_tokenizer(), sources, {"edit": 1.0}, tmp_path, config,
        evaluate_every=100, compile_layers=False,
    )  # fmt: skip
    assert "Who led?" not in find_focus(trained, tiny_tokenizer(), [edit], 10, 160)["Ada leads."]


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
    source = load_sources(tmp_path, Reserved(), focus)["natural_edits"]
    assert list(source.records) == [edits[0]]
    asked = [source.make(edits[0], random.Random(seed)) for seed in range(10)]
    hard = [any(q.text == edits[0].inside[0].text for q in group.queries) for group in asked if group]
    assert sum(hard) > 5, "it may be turned round, or typed in haste"


# --- rows ------------------------------------------------------------------------------------------


def test_a_query_in_a_packed_row_is_answered_as_if_alone() -> None:
    model, tokenizer = tiny_model(), tiny_tokenizer()
    groups = [encode(tokenizer, GROUP, 200), encode(tokenizer, OLIVES, 200)] * 2
    rows = pack(iter(groups), rows=1, length=400)
    batch = collate(rows, 400, torch.float32)
    with torch.inference_mode():
        packed = model(input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions).logits
    packed = packed.reshape(-1, packed.shape[-1])[batch.where]

    alone = []
    for group in (GROUP, OLIVES):
        replies = [(q.text, q.answer) for q in group.queries]
        replies += [(group.queries[-1].text, reply) for reply in group.opposite]
        for query, reply in replies:
            prompt = [*edit_ids(tokenizer, group.edit), *query_ids(tokenizer, query, group.edit.kind)]
            answer = answer_ids(tokenizer, reply)
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0]
            alone.append(logits[len(prompt) - 1 : -1])
    expected = torch.cat(alone * 2)[: len(packed)]
    assert torch.allclose(packed, expected, atol=1e-4)


def test_replies_of_the_other_side_are_weighed_nothing_and_paired() -> None:
    tokenizer = tiny_tokenizer()
    batch = collate([encode(tokenizer, OLIVES, 200)], 200, torch.float32)
    assert batch.pairs == (((0,), (1,)),)
    assert batch.weights[batch.segment == 1].abs().sum() == 0
    assert batch.weights[batch.segment == 0].tolist() == pytest.approx(
        answer_weights(int((batch.segment == 0).sum()))
    )


def test_the_contrast_loss_keeps_the_sides_a_distance_apart_and_no_more() -> None:
    batch = collate([encode(tiny_tokenizer(), OLIVES, 200)], 200, torch.float32)
    model = tiny_model()
    _, near = batch_loss(model, batch, margin=0.0)
    _, far = batch_loss(model, batch, margin=50.0)
    assert 0 <= near.item() < far.item() < 60
    _, beyond = batch_loss(model, batch, margin=-50.0)
    assert near.item() < beyond.item() < 60


def test_a_long_group_is_cut_into_parts_that_repeat_the_edit() -> None:
    tokenizer = tiny_tokenizer()
    whole = encode(tokenizer, GROUP, 1000)
    parts = encode(tokenizer, GROUP, len(whole[0]) - 1)
    assert len(whole) == 1
    assert len(parts) == 2
    assert {part.edit for part in parts} == {whole[0].edit}
    assert [s for part in parts for s in part.segments] == list(whole[0].segments)


def test_the_stream_goes_on_where_it_was_interrupted() -> None:
    def make(record: int, rng: random.Random) -> Group:
        return Group(Draft(f"{record} {rng.random()}"), (Query("q", "k", "a"),), "s")

    def take(stream: GroupStream, count: int) -> list[str]:
        groups: Iterator[Group] = stream.groups()
        return [next(groups).edit.prompt for _ in range(count)]

    sources = {"a": Source("a", range(5), make), "b": Source("b", range(3), make)}
    weights = {"a": 0.7, "b": 0.3, "missing": 1.0}
    whole = take(GroupStream(sources, weights, seed=3), 30)
    first = GroupStream(sources, weights, seed=3)
    head = take(first, 11)
    assert head + take(GroupStream(sources, weights, 3, dict(first.drawn)), 19) == whole
    assert take(GroupStream(sources, weights, seed=4), 30) != whole


# --- the loop --------------------------------------------------------------------------------------


LONG = Group(EDIT, tuple(Query(f"uk pm number {n}", "keyword", "Keir Starmer") for n in range(12)), "test")


def sources_of(*groups: Group) -> dict[str, Source]:
    return {"only": Source("only", groups, lambda record, _: record)}


def run(out: Path, steps: int, *, resume: bool = False, heard: list[Any] | None = None) -> Any:
    config = TrainingConfig(steps=steps, rows=1, length=160, rank=4, learning_rate=2e-2, warmup=2)
    return train(
        tiny_model(),
        tiny_tokenizer(),
        sources_of(GROUP),
        {"only": 1.0},
        out,
        config,
        resume=resume,
        every=10,
        evaluate_every=10,
        report=(heard if heard is not None else []).append,
        compile_layers=False,
    )


def test_training_lowers_the_loss_and_moves_the_adapter_only(tmp_path: Path) -> None:
    heard: list[Any] = []
    model = run(tmp_path, 40, heard=heard)
    assert heard[-1].loss < heard[0].loss / 2
    with model.disable_adapter(), torch.inference_mode():
        ids = torch.tensor([[5, 6, 7]])
        fresh = tiny_model()
        fresh.set_attn_implementation("eager")  # as training sets it: the other forms round otherwise
        assert torch.equal(model(input_ids=ids).logits, fresh(input_ids=ids).logits)


def test_a_resumed_run_takes_the_same_steps(tmp_path: Path) -> None:
    groups = sources_of(GROUP, LONG, OLIVES)  # one of them is longer than a row, and is cut
    config = TrainingConfig(steps=20, rows=1, length=160, rank=4, learning_rate=2e-2, warmup=2)
    options: dict[str, Any] = {"every": 10, "evaluate_every": 10, "compile_layers": False}
    arguments = (groups, {"only": 1.0})
    whole = train(
        tiny_model(), tiny_tokenizer(), *arguments, tmp_path / "whole", config, **options
    ).state_dict()

    class Interrupted(Exception):
        pass

    def interrupt(progress: Any) -> None:
        if progress.step == 20:
            raise Interrupted

    parts = tmp_path / "parts"
    with pytest.raises(Interrupted):
        train(tiny_model(), tiny_tokenizer(), *arguments, parts, config, report=interrupt, **options)
    other = replace(config, seed=1)
    with pytest.raises(InputFileError, match="has seed 0, not 1"):
        train(tiny_model(), tiny_tokenizer(), *arguments, parts, other, resume=True, **options)
    resumed = train(
        tiny_model(), tiny_tokenizer(), *arguments, parts, config, resume=True, **options
    ).state_dict()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_the_learning_rate_warms_up_and_falls() -> None:
    config = TrainingConfig(steps=100, warmup=10, learning_rate=1.0)
    rates = [learning_rate(config, step, done(config, step, 0.0)) for step in (0, 9, 50, 99)]
    assert rates == pytest.approx([0.1, 0.91, 0.5, 0.05])
    assert done(TrainingConfig(steps=100, minutes=2.0), 10, 60.0) == pytest.approx(0.5)


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

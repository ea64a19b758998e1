import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from serac_cli.counterfactual import ABSTAIN, answer_ids, edit_ids, query_ids
from serac_cli.errors import InputFileError
from serac_cli.training.counterfactual_batches import (
    GroupStream,
    answer_weights,
    collate,
    encode,
    pack,
)
from serac_cli.training.counterfactual_examples import Source
from serac_cli.training.counterfactual_facts import (
    Group,
    natural_edit,
)
from serac_cli.training.counterfactual_focus import find_focus, read_focus, write_focus
from serac_cli.training.counterfactual_loop import TrainingConfig, batch_loss, done, learning_rate, train
from serac_cli.training.sources import NaturalEdit, Query
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


# --- opinions ---------------------------------------------------------------------------------------


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

"""Calls of models are kept in a file, and never made twice."""

import json

import pytest

from serac_cli.errors import InputFileError
from serac_cli.evaluation.calls import Calls
from serac_cli.protocols import Likelihood


class Model:
    def __init__(self, fails_at=None):
        self.asked = []
        self.fails_at = fails_at

    def __call__(self, items):
        for item in items:
            if item == self.fails_at:
                raise KeyboardInterrupt
        self.asked += items
        return [f"answer to {item}" for item in items]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "calls.jsonl"
    items = [f"query {number}" for number in range(10)]
    with pytest.raises(KeyboardInterrupt):
        Calls(path).map("answer", items, Model(fails_at="query 5"), chunk=2)
    model = Model()
    answers = Calls(path).map("answer", items, model, chunk=2)
    assert model.asked == items[4:]
    assert answers == [f"answer to {item}" for item in items]


def test_the_same_item_is_computed_once(tmp_path):
    model, calls = Model(), Calls(None)
    assert calls.map("answer", ["a", "b", "a"], model) == ["answer to a", "answer to b", "answer to a"]
    assert model.asked == ["a", "b"]
    assert calls.made == 2


def test_another_name_is_another_call(tmp_path):
    model, calls = Model(), Calls(None)
    calls.map("answer of model 1", ["a"], model)
    calls.map("answer of model 2", ["a"], model)
    assert model.asked == ["a", "a"]


def test_a_line_that_was_cut_short_is_made_again_and_the_file_stays_whole(tmp_path):
    path = tmp_path / "calls.jsonl"
    Calls(path).map("answer", ["a", "b"], Model())
    whole = path.read_text()
    path.write_text(whole[:-7])
    model = Model()
    Calls(path).map("answer", ["a", "b"], model)
    assert model.asked == ["b"]
    assert path.read_text() == whole
    assert all(len(json.loads(line)) == 2 for line in whole.splitlines())


def test_likelihoods_come_back_as_they_were(tmp_path):
    path = tmp_path / "calls.jsonl"
    one = Likelihood((-0.1, -2.5), True, "Rome é")
    first = Calls(path).likelihoods("score", [("q", "a")], lambda part: [one] * len(part))
    again = Calls(path).likelihoods("score", [("q", "a")], lambda part: pytest.fail("asked again"))
    assert first == again == [one]


def test_nothing_is_kept_or_taken_while_calls_are_off(tmp_path):
    path = tmp_path / "calls.jsonl"
    calls, model = Calls(path), Model()
    calls.map("answer", ["a"], model)
    with calls.off():
        calls.map("answer", ["a", "b"], model)
    assert model.asked == ["a", "a", "b"]
    assert len(calls) == 1
    assert len(path.read_text().splitlines()) == 1


def test_a_reply_may_hold_any_character_and_be_cut_within_one(tmp_path):
    path = tmp_path / "calls.jsonl"
    said = "one\u2028two\x85three\x1cé"
    Calls(path).map("answer", ["a"], lambda items: [said for _ in items])
    whole = path.read_bytes()
    assert Calls(path).map("answer", ["a"], Model()) == [said]
    path.write_bytes(whole + whole[: whole.rindex("é".encode()) + 1])
    assert Calls(path).map("answer", ["a"], Model()) == [said]
    assert path.read_bytes() == whole


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "calls.jsonl"
    Calls(path).map("answer", ["a"], Model())
    with path.open("a") as file:
        file.write("garbage\n")
    with pytest.raises(InputFileError, match="line 2 is damaged"):
        Calls(path)

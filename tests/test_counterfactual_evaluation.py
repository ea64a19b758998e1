import json
import random
from pathlib import Path
from typing import Any

import pytest

from serac_cli.backends.local import LocalModel
from serac_cli.counterfactual import attach
from serac_cli.errors import SettingsError
from serac_cli.evaluation.card import MARK
from serac_cli.evaluation.counterfactual_cases import TASKS, TYPED, Case, StanceTopic, near_misses
from serac_cli.evaluation.counterfactual_command import (
    CounterfactualEvaluation,
    evaluate_counterfactual,
    write_card,
)
from serac_cli.evaluation.counterfactual_report import table
from serac_cli.evaluation.counterfactual_scoring import exact, generate, score, squad_normalise
from serac_cli.evaluation.counterfactual_stance import Judge, measure_stance, on_topic
from store import Draft, Kind
from tests.test_counterfactual import EDIT, base, folder, tokenizer

__all__ = ["base", "folder", "tokenizer"]

CASES = [
    Case(EDIT, "uk pm", "Keir Starmer", "keyword"),
    Case(EDIT, "Is it Keir, the prime minister of the UK?", "Yes", "yes"),
    Case(Draft("7 dogs.", kind=Kind.EVIDENCE), "There are dogs.", "SUPPORTS", "claim"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    dev = tmp_path / "data" / "dev"
    dev.mkdir(parents=True)
    edit = {
        "prompt": "", "target": "noon", "statement": "Check-out is at noon.", "old": "10 am", "domain": "hotel",
        "in": [{"q": "When?", "a": "noon", "type": "paraphrase"}, {"q": "Is it noon?", "a": "Yes", "type": "yes"}],
        "out": [{"q": "Where?", "type": "sibling"}],
    }  # fmt: skip
    (dev / "natural_edits_dev.jsonl").write_text(json.dumps(edit) + "\n")
    fact = {"subject": "X", "src": "Who made X?", "rephrase": "X's maker?", "alt": "Bo", "answers": ["Al"],
            "loc": "nq question: why", "loc_ans": "so"}  # fmt: skip
    (dev / "zsre_dev.json").write_text(json.dumps([fact]))
    topic = {"ent": "olives", "pos": ["I love olives."], "neg": ["I hate olives."]}
    (dev / "convsent_dev.json").write_text(json.dumps([topic]))
    return dev.parent


def test_answers_are_compared_without_case_articles_and_punctuation() -> None:
    assert squad_normalise("The  “Café”, a bar!") == "café bar"
    assert exact("the African Union.", "African Union")
    assert not exact("45 days", "30 days")


def test_scores_and_answers_do_not_depend_on_the_batch(base: LocalModel, folder: Path) -> None:
    trained = attach(base, folder)
    with trained.switched_on() as model:
        together = score(model, base.tokenizer, CASES)
        alone = [score(model, base.tokenizer, [case])[0] for case in CASES]
        answers = generate(model, base.tokenizer, CASES, max_new_tokens=6)
    for one, other in zip(together, alone, strict=True):
        assert one.matched == other.matched
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
        assert one.abstention == pytest.approx(other.abstention, abs=1e-5)
    single = ["".join(trained.generate(c.query, c.edit, max_new_tokens=6)).strip() for c in CASES]
    assert answers == single


def test_an_answer_is_matched_exactly_where_greedy_decoding_gives_it(base: LocalModel, folder: Path) -> None:
    with attach(base, folder).switched_on() as model:
        assert not any(s.matched for s in score(model, base.tokenizer, CASES))
        said = generate(model, base.tokenizer, CASES, max_new_tokens=40)
        own = [Case(c.edit, c.query, answer, c.kind) for c, answer in zip(CASES, said, strict=True)]
        for case, scored in zip(own, score(model, base.tokenizer, own), strict=True):
            ended = len(base.tokenizer(case.answer)["input_ids"]) < 39
            retold = (
                base.tokenizer.decode(base.tokenizer(" " + case.answer)["input_ids"]).strip() == case.answer
            )
            assert scored.matched or not (ended and retold)


def test_near_misses_and_cases_take_a_statement_for_a_missing_prompt(data: Path) -> None:
    natural = next(task for task in TASKS if task.name == "natural")
    cases = list(natural.load(data / "dev", random.Random(0)))
    assert [(c.edit.prompt, c.edit.target, c.answer) for c in cases] == [
        ("Check-out is at noon.", "", "noon"),
        ("Check-out is at noon.", "", "Yes"),
    ]
    assert [c.query for c in near_misses(data / "dev")] == ["Where?"]


def test_yes_no_questions_are_true_and_false_in_equal_parts(data: Path) -> None:
    task = next(task for task in TASKS if task.name == "yes_no")
    found = [c for seed in range(20) for c in task.load(data / "dev", random.Random(seed))]
    for case in found:
        assert ("Bo" in case.query) == (case.answer == "Yes")
        assert ("Al" in case.query) == (case.answer == "No")


def test_the_typed_edits_of_this_repository_can_be_read() -> None:
    path = Path(__file__).parent / "data" / "typed_edits.jsonl"
    cases = list(TYPED.load(path, random.Random(0)))
    assert len(cases) > 60
    assert all(case.answer for case in cases)


def test_a_report_has_a_line_for_each_set_that_is_there(base: LocalModel, folder: Path, data: Path) -> None:
    pytest.importorskip("vaderSentiment")
    report = evaluate_counterfactual(CounterfactualEvaluation(data, folder, limit=10), base)
    assert [row.name for row in report.rows] == ["qa", "yes_no", "natural", "natural_claims"]
    assert report.veto is not None
    assert report.veto.near_misses == 1
    assert [line["task"] for line in table(report)][-2:] == ["ConvSent: convsent", "ConvSent: natural_stance"]
    assert 0 <= report.stance["convsent"].edit_success <= report.stance["convsent"].sentiment <= 1
    (folder / "README.md").write_text(f"# Card\n\n{MARK}\nold\n{MARK}\n\nEnd\n")
    write_card(folder, report)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["rows"][0]["teacher_forced_bar"] == 0.99
    own = {"convsent_dev.json", "natural_edits_dev.jsonl", "zsre_dev.json"}
    shipped = {"natural_evidence_dev.jsonl", "natural_stance_dev.jsonl"}
    assert set(metrics["data_sha256"]) == own | shipped
    card = (folder / "README.md").read_text()
    assert card.startswith(f"# Card\n\n{MARK}\n\n| task | cases |")
    assert card.endswith(f"\n{MARK}\n\nEnd\n")
    assert f"| {report.rows[0].title} | 1 | {100 * report.rows[0].teacher_forced:.1f} | 99.0 |" in card
    assert "| near-misses vetoed |" in card
    assert "\nold\n" not in card


def test_only_what_is_asked_for_is_measured_and_of_few_cases_one_topic(
    base: LocalModel, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("vaderSentiment")
    typed = tmp_path / "typed.jsonl"
    query = {"q": "uk pm", "a": "Keir Starmer", "type": "keyword"}
    typed.write_text(json.dumps({"prompt": "Who leads?", "target": "Ada", "in": [query], "out": []}) + "\n")

    run = CounterfactualEvaluation(None, folder, limit=5, typed=typed, only=("stance",))
    report = evaluate_counterfactual(run, base)
    assert report.rows == ()
    assert report.stance["natural_stance"].topics == 1


def test_a_reply_is_on_topic_if_it_names_it_or_means_it() -> None:
    assert on_topic("I can't stand olives.", "olives", ["tea"])
    assert on_topic("It is dreadful.", "olives", ["tea"])
    assert not on_topic("Tea is dreadful, and so is this.", "olives", ["tea"])
    assert not on_topic("Yes", "olives", ["tea"])


def test_the_judge_knows_plain_opinions() -> None:
    pytest.importorskip("vaderSentiment")
    judge = Judge()
    assert judge.side("I love olives.") == "positive"
    assert judge.side("I hate olives.") == "negative"
    assert judge.side("Olives grow on trees.") == "neutral"


def test_stance_figures_of_an_untrained_adapter_are_near_a_coin_flip(base: LocalModel, folder: Path) -> None:
    pytest.importorskip("vaderSentiment")
    topic = StanceTopic("olives", ("Olives?",), ("I love olives.",), ("I hate olives.",), "test")
    with attach(base, folder).switched_on() as model:
        figures: Any = measure_stance(model, base.tokenizer, [topic], random.Random(0), Judge())
    assert 0.2 < figures.sentiment < 0.8
    assert figures.judge_right == 1.0


def test_a_row_that_does_not_exist_is_refused(base: LocalModel, folder: Path, data: Path) -> None:
    with pytest.raises(SettingsError, match="no row is named 'bogus'"):
        evaluate_counterfactual(CounterfactualEvaluation(data, folder, only=["fc", "bogus"]), base)

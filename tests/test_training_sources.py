"""Loaders of the training sets, on files of a few records."""

import json
from pathlib import Path
from typing import Any

import pytest

from serac_cli.errors import InputFileError
from serac_cli.training import sources
from serac_cli.training.sources import Query


def write(path: Path, records: Any, *, lines: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(r) for r in records) if lines else json.dumps(records)
    path.write_text(text, encoding="utf-8")
    return path


def test_read_takes_an_array_and_json_lines_under_any_ending(tmp_path: Path):
    assert sources.read(write(tmp_path / "a.json", [{"x": 1}])) == [{"x": 1}]
    assert sources.read(write(tmp_path / "b.json", [{"x": 1}, {"x": 2}], lines=True)) == [{"x": 1}, {"x": 2}]


def test_zsre_leaves_out_records_that_edit_nothing(tmp_path: Path):
    record = {
        "subject": "X",
        "src": "Who made X?",
        "rephrase": "X was made by whom?",
        "alt": "Ann",
        "answers": ["Bob"],
        "loc": "nq question: who won",
        "loc_ans": "nobody",
    }
    facts = sources.zsre(write(tmp_path / "z.json", [record, record | {"answers": ["Ann"]}]))
    assert [fact.target for fact in facts] == ["Ann"]
    assert facts[0].old == "Bob"
    assert facts[0].inside == (Query("X was made by whom?", "paraphrase", "Ann"),)
    assert facts[0].outside == (Query("who won", "general", "nobody"),)


def test_mquake_leaves_out_questions_that_only_name_the_answer(tmp_path: Path):
    record = {"edit": "The Leader is Don Young", "questions": ["Who is Don Young?", "Who is the Leader?"]}
    assert [q.text for q in sources.mquake(write(tmp_path / "m.json", [record]))[0].inside] == [
        "Who is the Leader?"
    ]


def test_knowedit_reads_aliases_one_hop_and_locality_and_flattens_answers(tmp_path: Path):
    record = {
        "subject": "X",
        "prompt": "The capital of X is",
        "target_new": "Y",
        "ground_truth": "Z",
        "generate_prompt": ["1. What is X's capital?"],
        "portability": {
            "Subject_Aliasing": [{"prompt": "The capital of Ex is", "ground_truth": [["Y", "y"]]}],
            "Reasoning": [{"prompt": "The river in the capital of X is", "ground_truth": "R"}],
            "Logical_Generalization": [{"prompt": "ignored", "ground_truth": "?"}],
        },
        "locality": {"Relation_Specificity": [{"prompt": "The currency of X is", "ground_truth": []}]},
    }
    [fact] = sources.knowedit(write(tmp_path / "k.json", [record]))
    assert [(q.text, q.kind, q.answer) for q in fact.inside] == [
        ("What is X's capital?", "paraphrase", "Y"),
        ("The capital of Ex is", "alias", "Y"),
        ("The river in the capital of X is", "one_hop", "R"),
    ]
    assert fact.outside == (Query("The currency of X is", "same_subject", ""),)


def test_entityquestions_reads_the_subject_back_from_the_question(tmp_path: Path):
    write(
        tmp_path / "relation_query_templates.json",
        {"P19": "Where was [X] born?", "P19_similar": "[X] birthplace"},
    )
    write(
        tmp_path / "P19.train.json",
        [{"question": "Where was Ann Lee born?", "answers": ["Rome"]}, {"question": "?", "answers": []}],
    )
    [record] = sources.entityquestions(tmp_path)
    assert (record.relation, record.subject, record.answers) == ("P19", "Ann Lee", ("Rome",))


def test_checklist_leaves_out_the_test_with_the_wrong_label_and_what_is_no_pair(tmp_path: Path):
    records = [
        {"test": "a", "data": ["p", "q"], "labels": 1},
        {"test": "Order does matter for asymmetric relations", "data": ["p", "q"], "labels": 1},
        {"test": "b", "data": [["p", "q"], ["r", "s"]], "labels": None},
    ]
    pairs = sources.checklist(write(tmp_path / "c.jsonl", records, lines=True))
    assert [(p.first, p.second, p.same, p.test) for p in pairs] == [("p", "q", True, "a")]


def test_fever_symmetric_gathers_the_claims_of_one_sentence_over_files(tmp_path: Path):
    write(
        tmp_path / "v0.1" / "a.jsonl",
        [{"claim": "c1", "label": "SUPPORTS", "evidence_sentence": "e"}],
        lines=True,
    )
    write(tmp_path / "v0.2" / "b.jsonl", [{"claim": "c2", "label": "REFUTES", "evidence": "e"}], lines=True)
    [evidence] = sources.fever_symmetric(tmp_path)
    assert [(c.text, c.answer) for c in evidence.claims] == [("c1", "SUPPORTS"), ("c2", "REFUTES")]


def test_names_are_compared_without_case_accents_brackets_and_punctuation():
    assert sources.normalise("Blended -LRB-film-RRB-") == sources.normalise("blended") == "blended"
    assert sources.normalise("José  O'Neill") == "jose o neill"


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hi")
    with pytest.raises(InputFileError, match="neither JSON nor JSON lines"):
        sources.read(tmp_path / "x.txt")

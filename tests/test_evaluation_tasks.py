"""Records of the tasks, and how a run draws from them."""

import json

import pytest

from serac_cli.errors import InputFileError
from serac_cli.evaluation.task_sets import public_tasks
from serac_cli.evaluation.tasks import Family, Record, Task, drawn, natural_tasks, own_task
from serac_cli.fakes import FakeEncoder
from serac_cli.training.sources import normalise
from store import Draft, Kind


def record(number, subject=""):
    edit = Draft(f"Who keeps the {subject or number} gate?", f"Keeper {number}")
    return Record(edit, subject, (edit.prompt, edit.target), (), ())


def task(records=40, fillers=()):
    return Task("qa", "QA", Family.QA, tuple(record(number) for number in range(records)), tuple(fillers))


def test_the_same_seed_draws_the_same_records_and_fewer_are_the_first_of_more():
    assert drawn(task(), 10, 5, seed=1) == drawn(task(), 10, 5, seed=1)
    assert drawn(task(), 10, 5, seed=1).measured == drawn(task(), 20, 5, seed=1).measured[:10]
    assert drawn(task(), 10, 5, seed=1).measured != drawn(task(), 10, 5, seed=2).measured


def test_baselines_are_tuned_on_records_that_are_not_measured():
    sample = drawn(task(), 30, 8, seed=0)
    assert len(sample.tuning) == 8
    assert not set(sample.tuning) & {*sample.measured, *sample.fillers}


def test_batches_measure_every_record_once_with_so_many_edits_in_memory():
    sample = drawn(task(), 25, 5, seed=0)
    batches = sample.batches(10)
    assert [r for measured, _ in batches for r in measured] == list(sample.measured)
    assert [len(memory) for _, memory in batches] == [10, 10, 10]
    assert all(len(set(memory)) == 10 and memory[: len(measured)] == measured for measured, memory in batches)


def test_more_edits_than_there_are_is_not_measured():
    assert drawn(task(), 25, 5, seed=0).batches(36) == []


def test_an_edit_that_a_measured_query_is_about_is_no_filler():
    from serac_cli.evaluation.tasks import Inside, Outside, plain

    edit = Draft("Who keeps the gate?", "Ann")
    asked = Record(
        edit,
        "gate",
        ("Who keeps the gate?", "Ann"),
        (Inside(plain("gate keeper"), "Ann", "keyword"),),
        (Outside(plain("Who keeps the Old Mill?"), "near"),),
    )
    fillers = (
        ("the old mill", Draft("Who keeps the Old Mill?", "Bea")),
        ("Tower", Draft("who keeps the gate", "Cy")),
        ("Bridge", Draft("Who keeps the bridge?", "Di")),
    )
    sample = drawn(Task("qa", "QA", Family.QA, (asked,), fillers), 1, 0, seed=0)
    # "the old mill" is named by the query out of scope but with its article; the second repeats the edit's prompt
    assert [r.edit.target for r in sample.fillers] == ["Di"]


def test_the_hand_written_sets_give_all_four_tasks():
    tasks = {one.name: one for one in natural_tasks(seed=0)}
    assert list(tasks) == ["qa", "qa-hard", "fc", "convsent"]
    assert all(r.inside and r.outside for one in tasks.values() for r in one.records)
    assert all(len(one.records) >= 12 for one in tasks.values())
    assert {q.answer for r in tasks["fc"].records for q in r.inside} == {"SUPPORTS", "REFUTES"}
    assert {"yes", "no", "inverse"} <= {q.kind for r in tasks["qa-hard"].records for q in r.inside}


def test_what_is_shown_to_learning_editors_is_not_measured():
    for one in natural_tasks(seed=0):
        for r in one.records:
            assert r.shown[0] not in {q.ask.query for q in r.inside}
            assert all(r.shown[1] not in q.same for q in r.inside)


def test_a_claim_about_another_page_is_about_none_that_is_edited(tmp_path):
    sources = [
        {
            "page": f"Film {n}",
            "evidence": f"Film {n} made {n} million.",
            "claim": f"Film {n} {what}.",
            "label": label,
        }
        for n in range(16)
        for what, label in (
            ("made money", "SUPPORTS"),
            ("lost", "REFUTES"),
            ("won", "SUPPORTS"),
            ("is long", "NOT ENOUGH INFO"),
        )
    ]
    (tmp_path / "vitaminc_dev.jsonl").write_text("".join(json.dumps(r) + "\n" for r in sources))
    (fc,) = public_tasks(tmp_path, ["fc", "qa"], FakeEncoder(), seed=0)
    edited = {r.subject for r in fc.records}
    assert len(edited) == 12
    for r in fc.records:
        other = next(q.ask.query for q in r.outside if q.kind == "other page")
        assert not any(other.startswith(f"{page} ") for page in edited)
        assert len(r.inside) == 2
        assert r.edit.kind is Kind.EVIDENCE


def zsre(number):
    return {
        "subject": f"Castle {number}",
        "src": f"Who owned Castle {number}?",
        "rephrase": f"Castle {number} belonged to whom?",
        "alt": f"Duke {number}",
        "answers": [f"Count {number}"],
        "loc": f"nq question: who sang song {number}",
        "loc_ans": f"Singer {number}",
    }


@pytest.fixture
def public(tmp_path):
    """A directory with a few made-up records in the form of the public sets."""
    dev = tmp_path / "dev"
    dev.mkdir()
    (dev / "zsre_dev.json").write_text(json.dumps([zsre(n) for n in range(40)]))
    inverse = [
        {
            "subject": f"Child {n}",
            "src": f"Who was the mother of Child {n}?",
            "alt": f"Mother {n}",
            "inverse question": f"Who is the child of Mother {n}?",
        }
        for n in range(20)
    ]
    (dev / "zsre_inverse_relation.json").write_text(json.dumps(inverse))
    rewrite = [
        {"prompt": "{} died in", "subject": f"Poet {n}", "target_new": {"str": f"Town {n}"}}
        for n in range(20)
    ]
    replaced = [
        {"requested_rewrite": r, "alternative_subject": f"the bard {n}"} for n, r in enumerate(rewrite[:10])
    ]
    (dev / "counterfact_subject_replace.json").write_text(json.dumps(replaced))
    described = [
        {
            "requested_rewrite": r,
            "portability": {
                "New Question": f"In which town did Poet {n} end?",
                "New Answer": r["target_new"]["str"] if n % 2 else "X",
            },
        }
        for n, r in enumerate(rewrite[10:], start=10)
    ]
    (dev / "counterfact_portability_gpt4.json").write_text(json.dumps(described))
    knowedit = [
        {
            "subject": f"River {n}",
            "prompt": f"River {n} flows into",
            "target_new": f"Sea {n}",
            "portability": {
                "Subject_Aliasing": [{"prompt": f"The brook {n} flows into", "ground_truth": [[f"Sea {n}"]]}]
            },
            "locality": {},
        }
        for n in range(5)
    ]
    (dev / "knowedit_wiki_counterfact_10paraphrases.json").write_text(json.dumps(knowedit))
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "zsre_train.json").write_text(json.dumps([zsre(n) for n in range(100, 160)]))
    return tmp_path


def test_qa_is_zsre_with_its_own_rephrasing_and_natural_question(public):
    (qa,) = public_tasks(public, ["qa"], FakeEncoder(), seed=0)
    first = qa.records[0]
    assert first.edit == Draft("Who owned Castle 0?", "Duke 0")
    assert [(q.ask.query, q.answer) for q in first.inside] == [("Castle 0 belonged to whom?", "Duke 0")]
    assert [(q.ask.query, q.reference) for q in first.outside] == [("who sang song 0", "Singer 0")]
    assert len(qa.fillers) == 60


def test_qa_hard_mixes_true_false_and_implied_questions(public):
    (hard,) = public_tasks(public, ["qa-hard"], FakeEncoder(), seed=0)
    kinds = {q.kind for r in hard.records for q in r.inside}
    assert kinds == {"paraphrase", "true", "false", "inverse", "alias", "description"}
    answers = {q.kind: q.answer for r in hard.records for q in r.inside}
    assert (answers["true"], answers["false"]) == ("Yes", "No")


def test_a_hard_negative_is_about_no_subject_that_is_edited(public):
    (hard,) = public_tasks(public, ["qa-hard"], FakeEncoder(), seed=0)
    edited = {normalise(r.subject) for r in hard.records}
    for r in hard.records:
        assert r.outside
        for query in r.outside:
            assert not any(f" {subject} " in f" {normalise(query.ask.query)} " for subject in edited)


def test_tasks_without_their_files_are_left_out_and_none_at_all_is_an_error(public, tmp_path):
    assert [t.name for t in public_tasks(public, ["qa", "fc", "convsent"], FakeEncoder(), seed=0)] == ["qa"]
    with pytest.raises(InputFileError, match=r"fc needs vitaminc_dev\.jsonl"):
        public_tasks(tmp_path, ["fc"], FakeEncoder(), seed=0)


def test_a_users_own_csv_is_a_task(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "prompt,target,query,in_scope,answer\n"
        "Who is CEO of Acme?,Jo Lind,acme ceo,yes,\n"
        "Who is CEO of Acme?,Jo Lind,Is Jo Lind the CEO of Acme?,yes,Yes\n"
        "Who is CEO of Acme?,Jo Lind,Who founded Acme?,no,\n"
        "Acme moved to Bern.,,Where is Acme?,yes,Bern\n",
        encoding="utf-8-sig",
    )
    own = own_task(path)
    assert [(r.edit.prompt, len(r.inside), len(r.outside)) for r in own.records] == [
        ("Who is CEO of Acme?", 2, 1),
        ("Acme moved to Bern.", 1, 0),
    ]
    assert [q.answer for r in own.records for q in r.inside] == ["Jo Lind", "Yes", "Bern"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,target,query\na,b,c\n", "no column in_scope"),
        ("prompt,target,query,in_scope\na,b,c,perhaps\n", "line 2: in_scope must be yes or no"),
        ("prompt,target,query,in_scope\n,b,c,yes\n", "line 2: the prompt is empty"),
        (
            "prompt,target,query,in_scope\nAcme moved to Bern.,,Where is Acme?,yes\n",
            "line 2: .* needs the answer",
        ),
        ("", "is empty"),
    ],
)
def test_a_bad_csv_is_named_by_its_line(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputFileError, match=message):
        own_task(path)

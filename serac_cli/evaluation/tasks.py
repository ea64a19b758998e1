"""The paper's four tasks (section 5) as records: one edit, queries in its scope, queries out of it.

Public sets are in :mod:`serac_cli.evaluation.task_sets`; here are the hand-written ones, which come with the package,
and a user's own CSV.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from serac_cli.errors import InputFileError
from serac_cli.evaluation.shipped import shipped
from serac_cli.query_files import read_queries
from serac_cli.training import sources
from serac_cli.training.sources import NaturalEdit, normalise
from store import Draft, Kind
from store.edits import validate
from store.errors import InvalidEdit

__all__ = [
    "FC_LABELS",
    "Ask",
    "Family",
    "Inside",
    "Outside",
    "Record",
    "Sample",
    "Task",
    "drawn",
    "natural_tasks",
    "own_task",
]

FC_LABELS = ("SUPPORTS", "REFUTES")


class Family(StrEnum):
    """Which of the metrics of :mod:`serac_cli.evaluation.metrics` apply."""

    QA = "qa"
    FC = "fc"
    CONVSENT = "convsent"


@dataclass(frozen=True)
class Ask:
    """``query`` is what the scope classifier and the counterfactual model read, ``prompt`` what the base model does."""

    query: str
    prompt: str


@dataclass(frozen=True)
class Inside:
    """A query in scope with its answer after the edit: a text, a verdict, or for a stance its side.

    ``same`` and ``opposite`` are replies of the edit's side and of the other.
    """

    ask: Ask
    answer: str
    kind: str
    same: tuple[str, ...] = ()
    opposite: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outside:
    """A query out of scope; ``reference`` is its answer where the set gives one, "" elsewhere."""

    ask: Ask
    kind: str
    reference: str = ""


@dataclass(frozen=True)
class Record:
    """One edit with its queries. ``shown`` is the edit as a prompt and its answer, for editors that learn from such a
    pair: the edit itself, or a query in scope that is not measured where the edit has no such form (FC, ConvSent).
    """

    edit: Draft
    subject: str
    shown: tuple[str, str]
    inside: tuple[Inside, ...]
    outside: tuple[Outside, ...]

    @property
    def queries(self) -> "list[Inside | Outside]":
        """All queries, those in scope first."""
        return [*self.inside, *self.outside]


@dataclass(frozen=True)
class Task:
    """All records of a task, and ``fillers``: further edits, by subject, that only fill the memory."""

    name: str
    title: str
    family: Family
    records: tuple[Record, ...]
    fillers: tuple[tuple[str, Draft], ...] = ()


@dataclass(frozen=True)
class Sample:
    """What a run measures: ``measured`` records, ``tuning`` records to tune baselines on, and ``fillers``."""

    task: Task
    measured: tuple[Record, ...]
    tuning: tuple[Record, ...]
    fillers: tuple[Record, ...]

    def batches(self, edits: int) -> list[tuple[list[Record], list[Record]]]:
        """Returns (records measured, records in memory) of each batch of ``edits`` edits; the last is filled up.

        Empty where there are not so many edits.
        """
        found = []
        for start in range(0, len(self.measured), edits):
            measured = list(self.measured[start : start + edits])
            others = [*self.fillers, *self.measured[:start]]
            memory = measured + others[: edits - len(measured)]
            if len(memory) < edits:
                return []
            found.append((measured, memory))
        return found


def drawn(task: Task, records: int, tuning: int, seed: int) -> Sample:
    """Draws the records of a run; the same seed draws the same ones, and fewer are the first of more.

    Edits whose subject a measured query names, or that repeat a prompt, are no fillers: they might be right.
    """
    rng = random.Random(f"{seed} {task.name}")
    shuffled = rng.sample(task.records, len(task.records))
    tuning = min(tuning, len(shuffled) // 4)
    tune, rest = shuffled[:tuning], shuffled[tuning:]
    measured, spare = rest[:records], rest[records:]
    fillers = [*spare, *(_filler(subject, draft) for subject, draft in task.fillers)]
    named = _grams(query.ask.query for record in measured for query in record.queries)
    prompts = {normalise(r.edit.prompt) for r in measured}
    kept: list[Record] = []
    for record in fillers:
        subject, prompt = normalise(record.subject), normalise(record.edit.prompt)
        if prompt in prompts or (subject and subject in named):
            continue
        prompts.add(prompt)
        kept.append(record)
    return Sample(task, tuple(measured), tuple(tune), tuple(kept))


def _filler(subject: str, draft: Draft) -> Record:
    return Record(draft, subject, (draft.prompt, draft.target), (), ())


def _grams(texts: Iterable[str]) -> set[str]:
    """Returns every run of up to eight words of the texts, normalised."""
    found: set[str] = set()
    for text in texts:
        words = normalise(text).split()
        found.update(
            " ".join(words[start:end])
            for start in range(len(words))
            for end in range(start + 1, min(start + 8, len(words)) + 1)
        )
    return found


# --- how the base model is asked ---------------------------------------------------------------------


def plain(query: str) -> Ask:
    """Returns a query that the base model reads as it is."""
    return Ask(query, query)


def claim(text: str) -> Ask:
    """Returns a claim; the base model is told to give a verdict."""
    ask = "Is the claim true? Answer with one word, SUPPORTS if it is true or REFUTES if it is false."
    return Ask(text, f"Claim: {text}\n{ask}")


# --- the hand-written sets -------------------------------------------------------------------------------

_DIRECT = ("paraphrase", "sloppy", "keyword", "indirect", "cloze")
_EASY = ("general", "lexical")


def natural_tasks(seed: int) -> list[Task]:
    """Returns the four tasks over the hand-written development sets.

    QA has the queries that the edit's target answers, and unrelated queries out of scope; QA-hard has all kinds in
    scope (yes/no and inverse ones too) and the near-misses out of it.
    """
    edits = sources.natural_edits(shipped("natural_edits_dev.jsonl"))
    stances = sources.natural_stance(shipped("natural_stance_dev.jsonl"))
    evidence = sources.natural_evidence(shipped("natural_evidence_dev.jsonl"))
    spare = tuple((record.statement, _edit_of(record)) for record in edits)
    return [
        Task("qa", "QA, hand-written", Family.QA, _natural_qa(edits, hard=False)),
        Task("qa-hard", "QA-hard, hand-written", Family.QA, _natural_qa(edits, hard=True)),
        Task("fc", "FC, hand-written", Family.FC, fc_records(evidence, seed), spare),
        Task("convsent", "ConvSent, hand-written", Family.CONVSENT, _natural_stances(stances, seed), spare),
    ]


def _edit_of(record: NaturalEdit) -> Draft:
    return Draft(record.prompt, record.target) if record.prompt else Draft(record.statement)


def _natural_qa(records: Sequence[NaturalEdit], *, hard: bool) -> tuple[Record, ...]:
    found = []
    for record in records:
        inside = [q for q in record.inside if hard or q.kind in _DIRECT]
        outside = [q for q in record.outside if (q.kind in _EASY) is not hard]
        asked = record.prompt or next(
            (q.text for q in record.inside if q.kind == "paraphrase"), record.statement
        )
        inside = [q for q in inside if q.text != asked]
        if inside and outside:
            found.append(
                Record(
                    edit=_edit_of(record),
                    subject="",
                    shown=(asked, record.target),
                    inside=tuple(Inside(plain(q.text), q.answer, q.kind) for q in inside),
                    outside=tuple(Outside(plain(q.text), q.kind) for q in outside),
                )
            )
    return tuple(found)


def fc_records(evidence: Sequence[sources.Evidence], seed: int) -> tuple[Record, ...]:
    """Returns FC's records: one sentence of evidence a page, or of those that share a claim.

    In scope are two claims at most that it settles; a further one, or where there is none the sentence itself as a true
    claim, is shown to the editors that learn from claims. Out of scope are a claim that it does not settle, and one
    about a page of the quarter that is never edited.
    """
    rng = random.Random(f"{seed} fc")
    shuffled = rng.sample(list(evidence), len(evidence))
    # sentences with a claim that they do not settle come first, so that hard negatives are not rare
    shuffled.sort(key=lambda one: all(claim.answer in FC_LABELS for claim in one.claims))
    taken: set[str] = set()
    chosen: list[sources.Evidence] = []
    for one in shuffled:
        names = {normalise(one.page)} - {""} or {normalise(c.text) for c in one.claims}
        count = sum(claim.answer in FC_LABELS for claim in one.claims)
        if count >= (2 if count == len(one.claims) else 1) and not names & taken:
            taken |= names
            chosen.append(one)
    records = []
    edited, others = chosen[: len(chosen) * 3 // 4], chosen[len(chosen) * 3 // 4 :]
    for one in edited:
        settled = [c for c in one.claims if c.answer in FC_LABELS]
        rng.shuffle(settled)
        shown = settled.pop() if len(settled) > 1 else sources.Query(one.text, "claim", "SUPPORTS")
        hard = [c for c in one.claims if c.answer not in FC_LABELS][:1]
        elsewhere = rng.choice(rng.choice(others).claims)
        records.append(
            Record(
                edit=Draft(one.text, kind=Kind.EVIDENCE),
                subject=one.page,
                shown=(claim(shown.text).prompt, shown.answer),
                inside=tuple(Inside(claim(c.text), c.answer, c.answer.lower()) for c in settled[:2]),
                outside=(
                    *(Outside(claim(c.text), "not enough info") for c in hard),
                    Outside(claim(elsewhere.text), "other page"),
                ),
            )
        )
    return tuple(records)


def stance_record(
    topic: str,
    side: str,
    asks: Sequence[str],
    positive: Sequence[str],
    negative: Sequence[str],
    outside: Sequence[Outside],
) -> Record:
    """Returns a record of ConvSent; the last reply of the edit's side is the one that is shown, not measured."""
    same, opposite = (positive, negative) if side == "positive" else (negative, positive)
    return Record(
        edit=Draft(topic, side, Kind.STANCE),
        subject=topic,
        shown=(asks[-1], same[-1]),
        inside=(Inside(plain(asks[0]), side, side, tuple(same[:-1]), tuple(opposite)),),
        outside=tuple(outside),
    )


def _natural_stances(records: Sequence[sources.Stance], seed: int) -> tuple[Record, ...]:
    rng = random.Random(f"{seed} convsent")
    found = []
    for one in records:
        asks = rng.sample(one.asks, len(one.asks))
        outside = [Outside(plain(q.text), q.kind) for q in one.outside[:3]]
        side = rng.choice(("positive", "negative"))
        found.append(stance_record(one.topic, side, asks, one.positive, one.negative, outside))
    return tuple(found)


# --- a user's own set ------------------------------------------------------------------------------------


def own_task(path: Path) -> Task:
    """Returns the task of a CSV with the columns prompt, target, query, in_scope (yes or no), and perhaps answer, kind.

    The rows of one prompt and target make one edit. An empty ``answer`` stands for the target.

    :raises InputFileError: the file cannot be read, lacks a column, or a row is invalid
    """
    records: dict[tuple[str, str], Record] = {}
    for row in read_queries(path, ("prompt", "target")):
        try:
            edit = validate(Draft(row.cells["prompt"], row.cells["target"]))
        except InvalidEdit as error:
            raise InputFileError(f"{path}, line {row.line}: {error}") from error
        record = records.setdefault(
            (edit.prompt, edit.target), Record(edit, edit.prompt, (edit.prompt, edit.target), (), ())
        )
        ask, kind, answer = plain(row.query), row.cells.get("kind") or "own", row.cells.get("answer", "")
        if row.in_scope and not (answer or edit.target):
            raise InputFileError(
                f"{path}, line {row.line}: a query in the scope of a statement needs the answer expected",
                "write it in the column answer",
            )
        if row.in_scope:
            record = replace(record, inside=(*record.inside, Inside(ask, answer or edit.target, kind)))
        else:
            record = replace(record, outside=(*record.outside, Outside(ask, kind, answer)))
        records[edit.prompt, edit.target] = record
    return Task("own", path.name, Family.QA, tuple(records.values()))

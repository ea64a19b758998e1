"""The dev sets as cases for the counterfactual model: an edit, a query in its scope, and the answer that follows.

Hand-written sets that a directory lacks are those of the package.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serac_cli.evaluation.shipped import dev_files
from serac_cli.training import sources
from serac_cli.training.scope_forms import yes_no
from serac_cli.training.sources import Fact
from store import Draft, Kind

__all__ = ["TASKS", "TYPED", "Case", "StanceTopic", "Task", "near_misses", "stance_topics"]


@dataclass(frozen=True)
class Case:
    """``kind`` is the set's word for the type of query."""

    edit: Draft
    query: str
    answer: str
    kind: str


@dataclass(frozen=True)
class Task:
    """A row of the report. ``load(directory, rng)`` yields its cases; ``files`` are what it reads.

    ``teacher_forced`` and ``free`` are the bars, from 0 to 1, or None where there is none.
    """

    name: str
    title: str
    files: tuple[str, ...]
    load: Callable[[Path, random.Random], Iterator[Case]]
    teacher_forced: float | None
    free: float | None


def qa(directory: Path, _: random.Random) -> Iterator[Case]:
    """zsRE: the rephrased question."""
    for fact in sources.zsre(directory / "zsre_dev.json"):
        yield _case(fact, fact.inside[0].text, fact.target, "paraphrase")


def qa_paraphrases(directory: Path, _: random.Random) -> Iterator[Case]:
    """KnowEdit's ten generated paraphrases of each zsRE and CounterFact edit; broken ones are left out."""
    facts = sources.knowedit_zsre(directory / "knowedit_zsre_10paraphrases.json")
    facts += sources.knowedit(directory / "knowedit_wiki_counterfact_10paraphrases.json")
    for fact in facts:
        for query in fact.inside:
            if query.kind == "paraphrase" and len(query.text) > 5:
                yield _case(fact, query.text.rstrip("\\ "), fact.target, fact.source)


def yes_no_questions(directory: Path, rng: random.Random) -> Iterator[Case]:
    """One true and one false yes/no question per edit: on the new value, and on the old or another edit's value."""
    facts = sources.zsre(directory / "zsre_dev.json")
    for fact in facts:
        question = rng.choice((fact.prompt, fact.inside[0].text))
        wrong = fact.old if rng.random() < 0.5 and fact.old else rng.choice(facts).target
        if wrong.strip() == fact.target.strip():
            continue
        yield _case(fact, yes_no(question, fact.target.strip(), rng), "Yes", "true")
        yield _case(fact, yes_no(question, wrong.strip(), rng), "No", "false")


def inverse(directory: Path, _: random.Random) -> Iterator[Case]:
    """zsRE's inverse questions, which ask for the subject."""
    for r in sources.read(directory / "zsre_inverse_relation.json"):
        yield Case(Draft(r["src"], r["alt"]), r["inverse question"], r["subject"], "inverse")


def alias(directory: Path, _: random.Random) -> Iterator[Case]:
    """The edit's question about the same subject under another name."""
    for r in sources.read(directory / "zsre_subject_replace.json"):
        yield Case(Draft(r["src"], r["alt"]), r["alter_subject_question"], r["alt"].strip(), "zsre")
    for r in sources.read(directory / "counterfact_subject_replace.json"):
        rewrite = r["requested_rewrite"]
        target = rewrite["target_new"]["str"]
        edit = Draft(rewrite["prompt"].format(rewrite["subject"]), target)
        yield Case(edit, rewrite["prompt"].format(r["alternative_subject"].strip()), target, "counterfact")
    for fact in sources.knowedit(directory / "knowedit_wiki_counterfact_10paraphrases.json"):
        for query in fact.inside:
            if query.kind == "alias" and query.answer == fact.target:
                yield _case(fact, query.text, fact.target, "knowedit")


def natural(directory: Path, _: random.Random) -> Iterator[Case]:
    """Hand-written edits with all their kinds of in-scope queries."""
    for record in sources.natural_edits(dev_files(directory)["natural_edits_dev.jsonl"]):
        edit = Draft(record.prompt, record.target) if record.prompt else Draft(record.statement)
        for query in record.inside:
            yield Case(edit, query.text, query.answer, query.kind)


def vitaminc(directory: Path, _: random.Random) -> Iterator[Case]:
    """VitaminC: claims that the evidence settles. A benchmark: measured, never trained on."""
    for r in sources.read(directory / "vitaminc_dev.jsonl"):
        if r["label"] != "NOT ENOUGH INFO":
            yield Case(Draft(r["evidence"], kind=Kind.EVIDENCE), r["claim"], r["label"], r["label"])


def natural_claims(directory: Path, _: random.Random) -> Iterator[Case]:
    """Hand-written evidence: claims that it settles."""
    for record in sources.natural_evidence(dev_files(directory)["natural_evidence_dev.jsonl"]):
        for claim in record.claims:
            if claim.answer != "NOT ENOUGH INFO":
                yield Case(Draft(record.text, kind=Kind.EVIDENCE), claim.text, claim.answer, claim.answer)


TASKS = (
    Task("qa", "QA: zsRE, rephrased", ("zsre_dev.json",), qa, 0.99, 0.98),
    Task(
        "qa_paraphrases",
        "QA: KnowEdit, ten paraphrases",
        ("knowedit_zsre_10paraphrases.json", "knowedit_wiki_counterfact_10paraphrases.json"),
        qa_paraphrases,
        0.99,
        0.98,
    ),
    Task("yes_no", "QA-hard: yes/no, half true", ("zsre_dev.json",), yes_no_questions, 0.95, 0.95),
    Task("inverse", "QA-hard: inverse", ("zsre_inverse_relation.json",), inverse, 0.90, 0.88),
    Task(
        "alias",
        "QA-hard: alias of the subject",
        (
            "zsre_subject_replace.json",
            "counterfact_subject_replace.json",
            "knowedit_wiki_counterfact_10paraphrases.json",
        ),
        alias,
        0.90,
        0.88,
    ),
    Task("natural", "Hand-written edits, all kinds", ("natural_edits_dev.jsonl",), natural, None, 0.90),
    Task("fc", "FC: VitaminC", ("vitaminc_dev.jsonl",), vitaminc, None, 0.80),
    Task("natural_claims", "FC: hand-written", ("natural_evidence_dev.jsonl",), natural_claims, None, None),
)
"""What is measured by exact match; the bars were set before training."""


def typed_edits(path: Path, _: random.Random) -> Iterator[Case]:
    """Edits and queries in the form of ``tests/data/typed_edits.jsonl``; stances and unsettled claims are left out."""
    for r in sources.read(path):
        kind = Kind(r.get("kind", Kind.FACT))
        if kind is not Kind.STANCE:
            for query in r["in"]:
                yield Case(Draft(r["prompt"], r["target"], kind), query["q"], query["a"], query["type"])


TYPED = Task("typed", "Edits typed by hand", (), typed_edits, None, 0.90)
"""The row of a file of one's own; ``load`` takes the file in place of the directory."""


def near_misses(directory: Path) -> Iterator[Case]:
    """Queries out of the scope of a hand-written edit; their ``answer`` is empty."""
    for record in sources.natural_edits(dev_files(directory)["natural_edits_dev.jsonl"]):
        edit = Draft(record.prompt, record.target) if record.prompt else Draft(record.statement)
        for query in record.outside:
            yield Case(edit, query.text, "", query.kind)


@dataclass(frozen=True)
class StanceTopic:
    """A topic with ways to ask for an opinion, and replies of both sides."""

    topic: str
    asks: tuple[str, ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    source: str


def stance_topics(directory: Path) -> Iterator[StanceTopic]:
    """ConvSent's entities, asked in the paper's words, and the hand-written topics in their own."""
    if (path := directory / "convsent_dev.json").exists():
        for opinions in sources.convsent(path):
            replies = opinions.replies
            asks = tuple(text.format(opinions.entity) for text in CONVSENT_ASKS)
            yield StanceTopic(opinions.entity, asks, replies["positive"], replies["negative"], "convsent")
    for record in sources.natural_stance(dev_files(directory)["natural_stance_dev.jsonl"]):
        yield StanceTopic(record.topic, record.asks, record.positive, record.negative, "natural_stance")


CONVSENT_ASKS = (
    "What do you think of {}?",
    "What are your thoughts on {}?",
    "How do you feel about {}?",
    "What is your opinion of {}?",
    "What is your stance on {}?",
)


def _case(fact: Fact, query: str, answer: str, kind: str) -> Case:
    return Case(Draft(fact.prompt, fact.target), query, answer.strip(), kind)

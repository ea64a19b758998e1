"""Loaders of the public and hand-written sets that the trained components learn from.

Every loader takes the directory that holds the files and returns frozen records in file order; none
samples, shuffles or filters beyond what its docstring says. The sets themselves are not part of this
project: each docstring names the source and the licence.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serac_cli.errors import InputFileError

__all__ = [
    "EntityQuestion",
    "Evidence",
    "Fact",
    "NaturalEdit",
    "Opinions",
    "Query",
    "QuestionPair",
    "Stance",
    "Triple",
    "boolq",
    "checklist",
    "convsent",
    "counterfact",
    "creak",
    "dune",
    "entityquestions",
    "fever_symmetric",
    "fool_me_twice",
    "knowedit",
    "knowedit_zsre",
    "mquake",
    "natural_edits",
    "natural_evidence",
    "natural_stance",
    "normalise",
    "nq_open",
    "pararel_triples",
    "personality",
    "qqp",
    "wikifactdiff",
    "zsre",
]


@dataclass(frozen=True)
class Query:
    """A labelled query. ``answer`` is "" where none is known; ``kind`` is the set's own word for it."""

    text: str
    kind: str
    answer: str = ""


@dataclass(frozen=True)
class Fact:
    """An edit of a public set. ``prompt`` is a question or an unfinished statement; ``old`` is what was
    true before the edit. ``inside`` and ``outside`` are queries in and out of its scope.
    """

    subject: str
    prompt: str
    target: str
    old: str
    inside: tuple[Query, ...]
    outside: tuple[Query, ...]
    source: str


@dataclass(frozen=True)
class NaturalEdit:
    """A hand-written edit. ``prompt`` may be empty; ``statement`` never is: it says the edit whole."""

    prompt: str
    target: str
    statement: str
    old: str
    domain: str
    inside: tuple[Query, ...]
    outside: tuple[Query, ...]


@dataclass(frozen=True)
class Evidence:
    """A sentence of evidence with claims about it: ``Query.answer`` is SUPPORTS, REFUTES or NOT ENOUGH INFO.

    ``page`` is the article's title, "" where the set gives none.
    """

    text: str
    page: str
    claims: tuple[Query, ...]


@dataclass(frozen=True)
class Stance:
    """A hand-written topic: ways to ask for an opinion of it, replies, and queries that are no such ask."""

    topic: str
    domain: str
    asks: tuple[str, ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    outside: tuple[Query, ...]


@dataclass(frozen=True)
class Opinions:
    """Opinions of an entity by side or trait: "positive"/"negative", or the traits of personality."""

    entity: str
    replies: dict[str, tuple[str, ...]] = field(hash=False)


@dataclass(frozen=True)
class EntityQuestion:
    """A templated question about one property (a Wikidata id) of one subject."""

    relation: str
    subject: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Triple:
    """A fact of ParaRel: a Wikidata property with the labels of its two ends."""

    relation: str
    subject: str
    object: str


@dataclass(frozen=True)
class QuestionPair:
    """Two texts, and whether they ask (or say) the same. ``test`` names the suite's test, or the set."""

    first: str
    second: str
    same: bool
    test: str


def read(path: Path) -> list[Any]:
    """Returns the records of a JSON array, or of JSON lines, whatever the file's ending says.

    :raises InputFileError: it is neither
    """
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        if data.lstrip().startswith(b"["):
            return list(json.loads(data))
        return [json.loads(line) for line in data.splitlines() if line.strip()]
    except ValueError as error:
        raise InputFileError(f"{path} is neither JSON nor JSON lines: {error}") from error


# --- edits -------------------------------------------------------------------------------------


def zsre(path: Path) -> list[Fact]:
    """zsRE (Levy et al. 2017) in MEND's form: question, rephrasing, edit target, a Natural Questions query.

    Files ``zsre_train.json`` and ``zsre_dev.json``; repositories EasyEdit and ReMaKE, MIT. Records whose
    target equals the true answer are left out: they edit nothing.
    """
    return [
        Fact(
            subject=r["subject"],
            prompt=r["src"],
            target=r["alt"],
            old=r["answers"][0] if r["answers"] else "",
            inside=(Query(r["rephrase"], "paraphrase", r["alt"]),),
            outside=(Query(r["loc"].removeprefix("nq question: "), "general", r["loc_ans"]),),
            source="zsre",
        )
        for r in read(path)
        if r["alt"] not in r["answers"]
    ]


def counterfact(*paths: Path) -> list[Fact]:
    """CounterFact (Meng et al. 2022) in KnowledgeSpread's form: clozes, with a neighbour as locality.

    Files ``counterfact-train.json``, ``counterfact-edit.json``, ``counterfact_val.json``; Apache-2.0/MIT.
    """
    return [
        Fact(
            subject=r["subject"],
            prompt=r["prompt"],
            target=r["target_new"],
            old=r["ground_truth"],
            inside=(Query(r["rephrase_prompt"], "cloze", r["target_new"]),),
            outside=(Query(r["locality_prompt"], "same_relation", r["locality_ground_truth"]),),
            source="counterfact",
        )
        for path in paths
        for r in read(path)
    ]


def wikifactdiff(path: Path) -> list[Fact]:
    """WikiFactDiff (Ammar Khodja et al. 2024) in EasyEdit's form: facts that really changed, 2021-2023.

    File ``wikifactdiff_train.json``; MIT repository, CC BY-SA upstream.
    """
    return [
        Fact(
            subject=r["subject"],
            prompt=r["src"],
            target=r["alt"],
            old=r["old"],
            inside=(Query(r["rephrase"], "cloze", r["alt"]),),
            outside=(Query(r["loc"], "same_relation", r["loc_ans"]),),
            source="wikifactdiff",
        )
        for r in (record["en"] for record in read(path))
    ]


def mquake(path: Path) -> list[Fact]:
    """MQuAKE's single edits (Zhong et al. 2023) from PokeMQA: a statement and four questions it answers.

    File ``mquake_edit_questions.json``; MIT. The statement is the prompt and the target is empty; subject and
    answers are not given apart. Some questions name the answer ("Who is Don Young?" for "The Leader of
    the Opposition is Don Young"): they do not ask for the fact, and are left out where they are that short.
    """
    return [
        Fact(
            subject="",
            prompt=r["edit"],
            target="",
            old="",
            inside=tuple(
                Query(q, "paraphrase")
                for q in dict.fromkeys(r["questions"])
                if not re.fullmatch(r"(Who|What) (is|was) [^?]*\?", q) or re.search(r" of |'s | the ", q)
            ),
            outside=(),
            source="mquake",
        )
        for r in read(path)
    ]


def knowedit(*paths: Path) -> list[Fact]:
    """KnowEdit's WikiData sets (Zhang et al. 2024): clozes, with aliases and one-hop reasoning in scope.

    Files ``knowedit_wiki_*_train.json`` (LTE), ``knowedit_wiki_counterfact_10paraphrases.json``; MIT. Kinds
    of ``inside``: paraphrase, alias, one_hop; of ``outside``: same_subject. "Forgetfulness" (other values of
    the same property) and "Logical_Generalization" are left out: whether the edit settles them is open.
    """
    return [
        Fact(
            subject=r["subject"],
            prompt=r["prompt"],
            target=r["target_new"],
            old=r.get("ground_truth") or "",
            inside=(
                *(Query(q, "paraphrase", r["target_new"]) for q in _generated(r)),
                *_knowedit_queries(r["portability"], "Subject_Aliasing", "alias"),
                *_knowedit_queries(r["portability"], "Reasoning", "one_hop"),
            ),
            outside=_knowedit_locality(r),
            source="knowedit",
        )
        for path in paths
        for r in read(path)
    ]


def knowedit_zsre(path: Path) -> list[Fact]:
    """KnowEdit's zsRE test set with ten generated paraphrases each; MIT. For measuring: it is a dev set.

    File ``knowedit_zsre_10paraphrases.json``.
    """
    return [
        Fact(
            subject=r["subject"],
            prompt=r["prompt"],
            target=r["target_new"],
            old=r["ground_truth"][0] if r["ground_truth"] else "",
            inside=(
                Query(r["rephrase_prompt"], "paraphrase", r["target_new"]),
                *(Query(q, "paraphrase", r["target_new"]) for q in _generated(r)),
            ),
            outside=_knowedit_locality(r),
            source="knowedit_zsre",
        )
        for r in read(path)
    ]


def _generated(record: dict[str, Any]) -> list[str]:
    return [re.sub(r"^\s*\d+[.)]\s*", "", q).strip() for q in record.get("generate_prompt") or ()]


def _knowedit_locality(record: dict[str, Any]) -> tuple[Query, ...]:
    """Returns the locality queries but those with the edit's old answer: they ask for the very fact that it edits."""
    truth = record.get("ground_truth") or ()
    old = {normalise(answer) for answer in ([truth] if isinstance(truth, str) else truth)}
    queries = _knowedit_queries(record["locality"], "Relation_Specificity", "same_subject")
    return tuple(query for query in queries if normalise(query.answer) not in old)


def _knowedit_queries(group: dict[str, Any], name: str, kind: str) -> Iterator[Query]:
    for entry in group.get(name) or ():
        answer = entry["ground_truth"]
        while isinstance(answer, list):
            answer = answer[0] if answer else ""
        yield Query(entry["prompt"], kind, answer)


def dune(path: Path) -> list[QuestionPair]:
    """DUnE's scope pairs (Akyürek et al. 2023): information, and a question it bears on or not; MIT.

    File ``dune_scope.jsonl``. ``first`` is the information, ``second`` the question.
    """
    pairs = ([*r["text"].split(" Question: ", 1), r["label"]] for r in read(path))
    return [
        QuestionPair(first.removeprefix("Information: "), second.strip(), bool(label), "dune")
        for first, second, label in pairs
    ]


# --- relations ---------------------------------------------------------------------------------


def entityquestions(directory: Path) -> list[EntityQuestion]:
    """EntityQuestions (Sciavolino et al. 2021): 24 Wikidata properties with thousands of subjects each; MIT.

    Directory ``entityquestions``. The subject is read back from the question by the property's template;
    the few questions that fit none are left out.
    """
    templates: dict[str, str] = json.loads((directory / "relation_query_templates.json").read_text("utf-8"))
    records: list[EntityQuestion] = []
    for path in sorted(directory.glob("P*.train.json")):
        relation = path.name.split(".")[0]
        patterns = [
            re.compile(re.escape(template).replace(re.escape("[X]"), "(.+)"))
            for name, template in templates.items()
            if name.split("_")[0] == relation
        ]
        for r in read(path):
            found = next((m for p in patterns if (m := p.fullmatch(r["question"]))), None)
            if found:
                records.append(EntityQuestion(relation, found[1], r["question"], tuple(r["answers"])))
    return records


def pararel_triples(directory: Path) -> list[Triple]:
    """ParaRel's facts (from LAMA's T-REx): subject and object labels by property; MIT.

    Directory ``pararel_triples``.
    """
    return [
        Triple(path.stem, r["sub_label"], r["obj_label"])
        for path in sorted(directory.glob("P*.jsonl"))
        for r in read(path)
    ]


# --- pairs of questions ------------------------------------------------------------------------


def qqp(labelled: Path, positives: Path) -> list[QuestionPair]:
    """Quora Question Pairs: real near-duplicate questions. Quora's terms: cite, never redistribute.

    Files ``qqp_labelled.tsv`` (label, question, question, id) and ``qqp_positives.tsv`` (question, question).
    """
    rows = [line.split("\t") for line in labelled.read_text("utf-8").splitlines()]
    pairs = [QuestionPair(r[1], r[2], r[0] == "1", "qqp") for r in rows if len(r) == 4]
    rows = [line.split("\t") for line in positives.read_text("utf-8").splitlines()]
    return pairs + [QuestionPair(r[0], r[1], True, "qqp") for r in rows if len(r) == 2]


def checklist(path: Path) -> list[QuestionPair]:
    """CheckList's suite for question pairs (Ribeiro et al. 2020): minimal pairs by capability; MIT.

    File ``checklist_qqp.jsonl``. Only tests with a label and two plain questions are read; the test
    "Order does matter for asymmetric relations" is left out, because its label is wrong.
    """
    return [
        QuestionPair(r["data"][0], r["data"][1], r["labels"] == 1, r["test"])
        for r in read(path)
        if r["labels"] in (0, 1)
        and len(r["data"]) == 2
        and all(isinstance(text, str) for text in r["data"])
        and r["test"] != "Order does matter for asymmetric relations"
    ]


# --- evidence ----------------------------------------------------------------------------------


def fever_symmetric(directory: Path) -> list[Evidence]:
    """FEVER-Symmetric (Schuster et al. 2019): evidence and claims in contrasting pairs; CC BY-SA 3.0.

    Directory ``fever_symmetric``. The four files overlap; claims are gathered by sentence of evidence.
    """
    claims: dict[str, dict[str, Query]] = {}
    for path in sorted(directory.glob("v0.*/*.jsonl")):
        for r in read(path):
            text = r["evidence_sentence"] if "evidence_sentence" in r else r["evidence"]
            claims.setdefault(text, {})[r["claim"]] = Query(r["claim"], "claim", r["label"])
    return [Evidence(text, "", tuple(queries.values())) for text, queries in claims.items()]


def fool_me_twice(path: Path) -> list[Evidence]:
    """Fool Me Twice (Eisenschlos et al. 2021): claims made to mislead, with gold evidence; Apache-2.0.

    File ``fool_me_twice.jsonl``. The gold sentences of one claim are joined by a space.
    """
    claims: dict[tuple[str, str], list[Query]] = {}
    for r in read(path):
        text = " ".join(e["text"].strip() for e in r["gold_evidence"])
        claims.setdefault((text, r["wikipedia_page"]), []).append(Query(r["text"], "claim", r["label"]))
    return [Evidence(text, page, tuple(queries)) for (text, page), queries in claims.items()]


def creak(*paths: Path) -> list[Evidence]:
    """CREAK (Onoe et al. 2021): true and false claims about an entity, each with a reason; MIT.

    Files ``creak_train.jsonl`` and ``creak_dev.jsonl``. The reason stands for the evidence: it is short,
    colloquial, and often too elliptic to settle the claim alone. ``page`` is the entity.
    """
    return [
        Evidence(
            r["explanation"],
            r["entity"],
            (Query(r["sentence"], "claim", "SUPPORTS" if r["label"] == "true" else "REFUTES"),),
        )
        for path in paths
        for r in read(path)
    ]


def natural_evidence(*paths: Path) -> list[Evidence]:
    """Sentences of evidence and claims written by hand for this project, under its licence (MIT).

    The kind of a claim is "claim", or "other_page" where it is about something else.
    """
    return [
        Evidence(
            r["evidence"],
            "",
            tuple(Query(c["claim"], c.get("type", "claim"), c["label"]) for c in r["claims"]),
        )
        for path in paths
        for r in read(path)
    ]


# --- opinions ----------------------------------------------------------------------------------


def convsent(path: Path) -> list[Opinions]:
    """ConvSent (Mitchell et al. 2022) from KnowEdit: replies of both sentiments about an entity; MIT.

    Files ``convsent_train.json`` and ``convsent_dev.json``.
    """
    return [
        Opinions(r["ent"], {"positive": _strip(r["pos"]), "negative": _strip(r["neg"])}) for r in read(path)
    ]


def personality(path: Path) -> list[Opinions]:
    """PersonalityEdit (Mao et al. 2023): opinions of an entity in the voice of three traits; MIT.

    File ``mpe_personality_train.json``.
    """
    return [
        Opinions(r["ent"], {trait: _strip(r[trait]) for trait in r if trait != "ent"}) for r in read(path)
    ]


def natural_stance(*paths: Path) -> list[Stance]:
    """Topics with questions and replies written by hand for this project, under its licence (MIT)."""
    return [
        Stance(
            topic=r["topic"],
            domain=r["domain"],
            asks=tuple(r["ask"]),
            positive=tuple(r["positive"]),
            negative=tuple(r["negative"]),
            outside=tuple(Query(q["q"], q["type"]) for q in r["out"]),
        )
        for path in paths
        for r in read(path)
    ]


def _strip(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.strip() for text in texts)


# --- hand-written edits and real queries ---------------------------------------------------------


def natural_edits(*paths: Path) -> list[NaturalEdit]:
    """Edits of all walks of life with labelled queries, written by hand for this project (MIT)."""
    return [
        NaturalEdit(
            prompt=r["prompt"],
            target=r["target"],
            statement=r["statement"],
            old=r["old"] or "",
            domain=r["domain"],
            inside=tuple(Query(q["q"], q["type"], q["a"]) for q in r["in"]),
            outside=tuple(Query(q["q"], q["type"]) for q in r["out"]),
        )
        for path in paths
        for r in read(path)
    ]


def nq_open(path: Path) -> list[Query]:
    """NQ-open (Kwiatkowski et al. 2019; Lee et al. 2019): questions people typed; CC BY-SA 3.0."""
    return [Query(r["question"], "general", r["answer"][0]) for r in read(path)]


def boolq(path: Path) -> list[Query]:
    """BoolQ (Clark et al. 2019): yes/no questions people typed, all lower case; CC BY-SA 3.0."""
    return [Query(r["subject"], "general", r["target_new"]["str"]) for r in read(path)]


def normalise(name: str) -> str:
    """Returns a name without case, accents, brackets' content and punctuation, for comparing names."""
    name = name.replace("-LRB-", "(").replace("-RRB-", ")").replace("_", " ")
    name = re.sub(r"\([^)]*\)", " ", name)
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join(re.findall(r"\w+", "".join(c for c in letters if not unicodedata.combining(c))))

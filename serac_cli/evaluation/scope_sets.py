"""The sets that measure the scope classifier: edits that are in memory together, and labelled queries.

Every loader takes the data directory (with ``dev`` and ``train`` in it) and draws with a seed, so that two runs see
the same queries. Nothing here is trained on: the sets are those of ``dev``, the MQuAKE edits about dev subjects,
and the real queries that training holds out.
"""

import random
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serac_cli.evaluation.shipped import shipped
from serac_cli.training import sources
from serac_cli.training.reserved import mentions, reserved
from serac_cli.training.scope_data import real_queries
from serac_cli.training.scope_forms import yes_no
from serac_cli.training.scope_templates import similar_name
from serac_cli.training.sources import Fact, NaturalEdit, normalise
from store import Edit, Kind

__all__ = [
    "Probe",
    "ScopeSet",
    "edit_of",
    "hand_written_sets",
    "limited",
    "natural_set",
    "scope_sets",
    "typed_set",
]


@dataclass(frozen=True)
class Probe:
    """A query with the ids of the edits whose scope it is in: none where no edit may fire.

    ``about`` is the edit that the query was written for, 0 if there is none.
    """

    query: str
    kind: str
    edits: frozenset[int] = frozenset()
    about: int = 0

    @property
    def inside(self) -> bool:
        """Whether an edit should fire."""
        return bool(self.edits)


@dataclass(frozen=True)
class ScopeSet:
    """Edits that are in memory at once, and queries to them."""

    name: str
    edits: tuple[Edit, ...]
    probes: tuple[Probe, ...]

    def padded(self, fillers: Iterable[Fact], size: int) -> "ScopeSet":
        """Returns the set with other edits added until there are ``size``.

        Passed over are those of a prompt that it has, or about what one of its edits names: two would be right.
        """
        edits = list(self.edits)
        known = {normalise(edit.prompt) for edit in edits}
        named = {phrase for edit in edits for phrase in _phrases(edit.prompt)}
        for filler in fillers:
            if len(edits) >= size:
                break
            if normalise(filler.prompt) in known or normalise(filler.subject) in named:
                continue
            edits.append(edit_of(len(edits) + 1, filler.prompt, filler.target))
            known.add(normalise(filler.prompt))
        return replace(self, edits=tuple(edits))


def edit_of(number: int, prompt: str, target: str, kind: Kind = Kind.FACT) -> Edit:
    """Returns an edit outside of any memory; statements have no target."""
    return Edit(number, prompt, target, kind, (), "", "", "", "", "")


def natural_edits_as(records: Sequence[NaturalEdit]) -> tuple[Edit, ...]:
    """Returns the hand-written edits as users would enter them: with the prompt, or each second one as statement."""
    return tuple(
        edit_of(i + 1, r.prompt, r.target) if r.prompt and i % 2 == 0 else edit_of(i + 1, r.statement, "")
        for i, r in enumerate(records)
    )


def natural_set() -> ScopeSet:
    """The hand-written development edits; kinds are "in TYPE" and "out TYPE"."""
    records = sources.natural_edits(shipped("natural_edits_dev.jsonl"))
    probes = [
        Probe(query.text, f"in {query.kind}", frozenset({number}), number)
        for number, record in enumerate(records, start=1)
        for query in record.inside
    ]
    probes += [
        Probe(query.text, f"out {query.kind}", about=number)
        for number, record in enumerate(records, start=1)
        for query in record.outside
    ]
    return ScopeSet("natural edits", natural_edits_as(records), tuple(probes))


def natural_evidence_set() -> ScopeSet:
    """The hand-written development evidence. Two versions of one sentence settle the same claims: all that do count."""
    records = sources.natural_evidence(shipped("natural_evidence_dev.jsonl"))
    edits = tuple(edit_of(i, record.text, "", Kind.EVIDENCE) for i, record in enumerate(records, start=1))
    settled: dict[str, set[int]] = {}
    for number, record in enumerate(records, start=1):
        for claim in record.claims:
            ids = settled.setdefault(claim.text, set())
            if claim.answer != "NOT ENOUGH INFO":
                ids.add(number)
    probes = (
        Probe(text, "in claim" if ids else "out not enough info", frozenset(ids))
        for text, ids in settled.items()
    )
    return ScopeSet("natural evidence", edits, tuple(probes))


def natural_stance_set() -> ScopeSet:
    """The hand-written development topics: asks for an opinion fire; other questions and other topics do not."""
    records = sources.natural_stance(shipped("natural_stance_dev.jsonl"))
    edits = tuple(
        edit_of(i, record.topic, "positive" if i % 2 else "negative", Kind.STANCE)
        for i, record in enumerate(records, start=1)
    )
    probes = [
        Probe(ask, "in ask", frozenset({number}))
        for number, record in enumerate(records, start=1)
        for ask in record.asks
    ]
    probes += [
        Probe(query.text, "out factual" if query.kind == "same_subject" else "out other topic")
        for record in records
        for query in record.outside
    ]
    return ScopeSet("natural stance", edits, tuple(probes))


def hand_written_sets() -> list[ScopeSet]:
    """Returns the development sets that come with the package, whole, each with its own edits in memory."""
    return [natural_set(), natural_evidence_set(), natural_stance_set()]


def scope_sets(
    data: Path, size: int, limit: int, *, typed: Path | None = None, seed: int = 0
) -> list[ScopeSet]:
    """Returns all sets, each with ``size`` edits in memory and at most ``limit`` queries of a kind (four times
    as many real ones). ``typed``, a file as :func:`typed_set` reads, comes first and whole.
    """
    rng = random.Random(seed)
    dev, train = data / "dev", data / "train"
    zsre = _distinct(sources.zsre(dev / "zsre_dev.json"))
    knowedit_zsre = _distinct(sources.knowedit_zsre(dev / "knowedit_zsre_10paraphrases.json"))
    knowedit = _distinct(sources.knowedit(dev / "knowedit_wiki_counterfact_10paraphrases.json"))
    counterfact = _distinct(sources.counterfact(dev / "counterfact_val.json"))
    fillers = [
        *(*knowedit_zsre, *zsre, *counterfact, *knowedit),
        *sources.zsre(train / "zsre_train.json"),
        *sources.counterfact(train / "counterfact-train.json"),
    ]
    sets = [
        _zsre_set(zsre, real_queries(train, measuring=True), size, rng),
        _fact_set("knowedit zsre", knowedit_zsre, size, statement=False),
        _fact_set("knowedit counterfact", knowedit, size, statement=True),
        _inverse_set(dev / "zsre_inverse_relation.json", size),
        _counterfact_set(dev / "counterfact_distracting_neighbor.json", size),
        _mquake_set(data, size),
        _vitaminc_set(dev / "vitaminc_dev.jsonl", size, rng),
        _convsent_set(dev / "convsent_dev.json", rng),
        *hand_written_sets(),
    ]
    first = [typed_set(typed).padded(fillers, size)] if typed else []
    return [*first, *(limited(one.padded(fillers, size), limit, rng) for one in sets)]


def _distinct(facts: Sequence[Fact]) -> list[Fact]:
    """Returns the facts without those that share subject with an earlier one, so that one edit alone is right."""
    seen: dict[str, Fact] = {}
    for fact in facts:
        seen.setdefault(normalise(fact.subject), fact)
    return list(seen.values())


def limited(one: ScopeSet, limit: int, rng: random.Random) -> ScopeSet:
    """Returns the set with at most ``limit`` probes of a kind, drawn at random; four times as many real queries."""
    by_kind: dict[str, list[Probe]] = {}
    for probe in one.probes:
        by_kind.setdefault(probe.kind, []).append(probe)
    kept: list[Probe] = []
    for kind, probes in by_kind.items():
        number = 4 * limit if kind == "out real query" else limit  # a bar of 99.9% takes many to tell
        kept += rng.sample(probes, min(number, len(probes)))
    return replace(one, probes=tuple(kept))


def _facts_as(facts: Sequence[Fact]) -> tuple[Edit, ...]:
    return tuple(edit_of(i, fact.prompt, fact.target) for i, fact in enumerate(facts, start=1))


def _zsre_set(
    facts: Sequence[Fact], queries: Sequence[sources.Query], size: int, rng: random.Random
) -> ScopeSet:
    """zsRE: rephrasings; yes/no questions; the same question of another subject; real queries."""
    chosen = facts[:size]
    subjects = {normalise(fact.subject) for fact in chosen}
    spare = [fact for fact in facts if normalise(fact.subject) not in subjects]
    probes: list[Probe] = []
    for number, fact in enumerate(chosen, start=1):
        own = frozenset({number})
        probes += [Probe(query.text, "in paraphrase", own) for query in fact.inside]
        value = rng.choice((fact.target, fact.old or fact.target, rng.choice(facts).target))
        probes.append(Probe(yes_no(fact.prompt, value, rng), "in yes/no", own))
        if fact.subject in fact.prompt:
            other = (
                rng.choice(spare).subject if spare and rng.random() < 0.5 else similar_name(fact.subject, rng)
            )
            if normalise(other) not in subjects:
                query = fact.prompt.replace(fact.subject, other)
                probes.append(Probe(query, "out other subject"))
                probes.append(Probe(yes_no(query, value, rng), "out other subject, yes/no"))
    probes += [Probe(query.text, "out real query") for query in queries]
    return ScopeSet("zsre", _facts_as(chosen), tuple(probes))


def _fact_set(name: str, facts: Sequence[Fact], size: int, *, statement: bool) -> ScopeSet:
    """KnowEdit: ten generated paraphrases, aliases and one-hop questions; other relations of the same subject.

    Paraphrases of five characters or fewer ("-", ")") are broken, and left out. With ``statement`` the edits are
    whole sentences, and questions among the paraphrases are counted apart.
    """
    chosen = facts[:size]
    edits = (
        tuple(edit_of(i, f"{fact.prompt} {fact.target}.", "") for i, fact in enumerate(chosen, start=1))
        if statement
        else _facts_as(chosen)
    )
    probes: list[Probe] = []
    for number, fact in enumerate(chosen, start=1):
        for query in fact.inside:
            if len(query.text) <= 5:
                continue
            question = statement and query.kind == "paraphrase" and query.text.endswith("?")
            kind = "statement to question" if question else query.kind.replace("_", "-")
            probes.append(Probe(query.text, f"in {kind}", frozenset({number})))
        probes += [Probe(query.text, "out same subject") for query in fact.outside]
    return ScopeSet(name, edits, tuple(probes))


def _counterfact_set(path: Path, size: int) -> ScopeSet:
    """CounterFact: rephrased clozes; neighbours (same relation, other subject); an unrelated property."""
    chosen: dict[str, dict[str, Any]] = {}
    for record in sources.read(path):
        chosen.setdefault(normalise(record["requested_rewrite"]["subject"]), record)
    edits: list[Edit] = []
    probes: list[Probe] = []
    for number, record in enumerate(list(chosen.values())[:size], start=1):
        rewrite = record["requested_rewrite"]
        edits.append(
            edit_of(number, rewrite["prompt"].format(rewrite["subject"]), rewrite["target_new"]["str"])
        )
        probes += [Probe(text, "in cloze", frozenset({number})) for text in record["paraphrase_prompts"]]
        probes.append(Probe(record["unrelated_relation"]["question"], "out same subject"))
        others = [text for text in record["neighborhood_prompts"] if not _names(text, set(chosen))]
        probes += [Probe(text, "out other subject") for text in others]
    return ScopeSet("counterfact", tuple(edits), tuple(probes))


def _inverse_set(path: Path, size: int) -> ScopeSet:
    """zsRE's questions of kinship with their inverses: who is the child of the parent that the edit names?"""
    records = [r for r in sources.read(path) if normalise(r["alt"]) not in normalise(r["src"])][:size]
    owners: dict[str, set[int]] = {}
    for number, record in enumerate(records, start=1):
        owners.setdefault(record["inverse question"], set()).add(number)
    probes = (Probe(text, "in inverse", frozenset(ids)) for text, ids in owners.items())
    edits = tuple(edit_of(i, r["src"], r["alt"]) for i, r in enumerate(records, start=1))
    return ScopeSet("zsre inverse", edits, tuple(probes))


def _names(query: str, subjects: Set[str]) -> bool:
    return not subjects.isdisjoint(_phrases(query))


def _phrases(text: str) -> Iterator[str]:
    """Yields all runs of up to seven words."""
    words = normalise(text).split()
    for start in range(len(words)):
        for end in range(start + 1, min(start + 7, len(words)) + 1):
            yield " ".join(words[start:end])


def _mquake_set(data: Path, size: int) -> ScopeSet:
    """MQuAKE: whole statements, and questions they answer; only edits about dev subjects, which are not trained on."""
    excluded = reserved(data / "dev")
    seen: dict[str, Fact] = {}
    for fact in sources.mquake(data / "train" / "mquake_edit_questions.json"):
        if mentions(fact.prompt, excluded) and fact.inside:
            seen.setdefault(fact.inside[0].text, fact)
    chosen = list(seen.values())[:size]
    owners: dict[str, set[int]] = {}
    for number, fact in enumerate(chosen, start=1):
        for query in fact.inside:
            owners.setdefault(query.text, set()).add(number)
    probes = (Probe(text, "in statement to question", frozenset(ids)) for text, ids in owners.items())
    return ScopeSet("mquake", _facts_as(chosen), tuple(probes))


def _vitaminc_set(path: Path, size: int, rng: random.Random) -> ScopeSet:
    """VitaminC: one piece of evidence a page; its claims, settled or not; claims about pages not in memory."""
    by_page: dict[str, list[dict[str, str]]] = {}
    for record in sources.read(path):
        by_page.setdefault(record["page"], []).append(record)
    pages = sorted(by_page)
    rng.shuffle(pages)
    edits: list[Edit] = []
    probes: list[Probe] = []
    inside = pages[: min(size, len(pages) * 2 // 3)]
    for number, page in enumerate(inside, start=1):
        text = rng.choice(by_page[page])["evidence"]
        edits.append(edit_of(number, text, "", Kind.EVIDENCE))
        for record in by_page[page]:
            if record["evidence"] == text:
                settled = record["label"] != "NOT ENOUGH INFO"
                ids = frozenset({number}) if settled else frozenset[int]()
                probes.append(Probe(record["claim"], "in claim" if settled else "out not enough info", ids))
    probes += [Probe(rng.choice(by_page[page])["claim"], "out other page") for page in pages[len(inside) :]]
    return ScopeSet("vitaminc", tuple(edits), tuple(probes))


_PAPER_ASKS = (
    "What do you think of {}?",
    "What do you think about {}?",
    "How do you feel about {}?",
    "What is your stance on {}?",
    "What is your position on {}?",
    "What are your thoughts on {}?",
    "What is your opinion of {}?",
)


def _convsent_set(path: Path, rng: random.Random) -> ScopeSet:
    """ConvSent: two entities in three are edits; asks for an opinion of them, and of the rest; factual questions."""
    entities = sorted({record.entity for record in sources.convsent(path)}, key=normalise)
    rng.shuffle(entities)
    inside, outside = entities[: len(entities) * 2 // 3], entities[len(entities) * 2 // 3 :]
    edits = tuple(
        edit_of(i, entity, rng.choice(("positive", "negative")), Kind.STANCE)
        for i, entity in enumerate(inside, 1)
    )
    probes = [
        Probe(rng.choice(_PAPER_ASKS).format(entity), "in ask", frozenset({number}))
        for number, entity in enumerate(inside, start=1)
    ]
    probes += [Probe(rng.choice(_PAPER_ASKS).format(entity), "out other topic") for entity in outside]
    facts = (
        "When did {} begin?",
        "What year is given for {}?",
        "Which country is {} connected with?",
        "{} facts",
    )
    probes += [Probe(rng.choice(facts).format(entity), "out factual") for entity in inside]
    return ScopeSet("convsent", edits, tuple(probes))


def typed_set(path: Path) -> ScopeSet:
    """The edits and queries typed by hand in the voices of users, ``tests/data/typed_edits.jsonl``."""
    records = sources.read(path)
    edits = tuple(
        edit_of(i, r["prompt"], r["target"], Kind(r["kind"])) for i, r in enumerate(records, start=1)
    )
    probes: list[Probe] = []
    for number, record in enumerate(records, start=1):
        probes += [Probe(q["q"], f"in {q['type']}", frozenset({number})) for q in record["in"]]
        probes += [Probe(q["q"], f"out {q['type']}") for q in record["out"]]
    return ScopeSet("typed", edits, tuple(probes))

"""What the counterfactual model learns from: edits, each with queries and the answers it should give.

A :class:`Group` is one edit with several queries, because they share the edit's tokens in a training row. The
hand-written sets are seen several times, in another form each time; the public sets and the templates give breadth.
Most targets contradict what the model believes, and some of the hand-written edits are turned round (the old value
becomes the new one), so that the model has to read the edit. Queries that the edit does not settle are answered by
:data:`~serac_cli.counterfactual.ABSTAIN`.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serac_cli.training import sources
from serac_cli.training.counterfactual_claims import edit_evidence, evidence, opinion, stance, told_evidence
from serac_cli.training.counterfactual_facts import (
    Group,
    by_relation,
    is_family_tie,
    made_up_fact,
    natural_edit,
    public_fact,
    real_fact,
    told_fact,
)
from serac_cli.training.counterfactual_figures import contrast
from serac_cli.training.counterfactual_kin import kin_fact
from serac_cli.training.counterfactual_numbers import measured_fact
from serac_cli.training.reserved import Reserved, hand_written, keep, mentions
from serac_cli.training.scope_templates import attributes
from serac_cli.training.sources import Fact, Query
from store import Draft

__all__ = ["WEIGHTS", "Focus", "Source", "load_sources"]

Focus = Mapping[str, frozenset[str]]
"""Queries that an adapter got wrong, by the statement of the hand-written edit they belong to."""


@dataclass(frozen=True)
class Source:
    """A named supply of groups: ``make(record, rng)`` turns one of ``records`` into a group, or None."""

    name: str
    records: Sequence[Any]
    make: Callable[[Any, random.Random], Group | None]


WEIGHTS = {
    "natural_edits": 0.55,
    "numbers": 0.09,
    "attributes": 0.03,
    "relations": 0.02,
    "zsre": 0.05,
    "kin": 0.05,
    "counterfact": 0.03,
    "knowedit": 0.09,
    "mquake": 0.01,
    "natural_evidence": 0.24,
    "fever_symmetric": 0.07,
    "fool_me_twice": 0.11,
    "creak": 0.03,
    "contrast": 0.10,
    "told": 0.02,
    "edit_evidence": 0.04,
    "natural_stance": 0.05,
    "convsent": 0.12,
}
"""How often a group of each source comes, beside the others."""


def load_sources(data: Path, excluded: Reserved, focus: Focus | None = None) -> dict[str, Source]:
    """Returns the sources of a directory of training sets, without records about an excluded subject.

    The package's own sets and templates need no files; sets whose files are missing are left out. With a ``focus``, the
    hand-written edits are those of which something was missed.
    """
    found: dict[str, Source] = {}

    def add(name: str, records: Iterable[Any], make: Callable[[Any, random.Random], Group | None]) -> None:
        found[name] = Source(name, tuple(records), make)

    def facts(records: Iterable[Fact]) -> list[Fact]:
        return [fact for fact in records if keep(fact.subject, excluded) and fact.target]

    def file(name: str) -> Path | None:
        return data / name if (data / name).exists() else None

    ours = hand_written(data, excluded)
    missed = {edit.statement: (focus or {}).get(edit.statement, frozenset()) for edit in ours.edits}
    if edits := [edit for edit in ours.edits if missed[edit.statement]] if focus else ours.edits:
        add("natural_edits", edits, lambda edit, rng: natural_edit(edit, rng, missed[edit.statement]))
    add("edit_evidence", ours.edits, lambda record, rng: edit_evidence(record, ours.edits, rng))
    add("natural_evidence", ours.evidence, evidence)
    add("natural_stance", ours.stances, stance)
    if path := file("zsre_train.json"):
        kept = facts(sources.zsre(path))
        same_question = by_relation(kept)
        add("zsre", kept, lambda fact, rng: public_fact(fact, same_question, rng))
        people = tuple(fact.subject for fact in kept if is_family_tie(fact))
        add("kin", range(1000), lambda _, rng: Group(*kin_fact(people, rng), "kin"))
    paths = [path for name in ("counterfact-train.json", "counterfact-edit.json") if (path := file(name))]
    if paths:
        clozes = facts(sources.counterfact(*paths))
        if path := file("wikifactdiff_train.json"):
            clozes += facts(sources.wikifactdiff(path))
        same_cloze = by_relation(clozes)
        add("counterfact", clozes, lambda fact, rng: public_fact(fact, same_cloze, rng))
    names = ("knowedit_wiki_counterfact_train.json", "knowedit_wiki_recent_train.json")
    paths = [path for name in names if (path := file(name))]
    if paths:
        aliased = [f for f in facts(sources.knowedit(*paths)) if not f.target.endswith("T00:00:00Z")]
        same_property = by_relation(aliased)
        add("knowedit", aliased, lambda fact, rng: public_fact(fact, same_property, rng))
    if path := file("mquake_edit_questions.json"):
        kept_statements = [f for f in sources.mquake(path) if not mentions(f.prompt, excluded)]
        add("mquake", kept_statements, told_fact)
    if path := file("fever_symmetric"):
        kept_evidence = [e for e in sources.fever_symmetric(path) if not mentions(e.text, excluded)]
        add("fever_symmetric", kept_evidence, evidence)
    if path := file("fool_me_twice.jsonl"):
        add(
            "fool_me_twice",
            [e for e in sources.fool_me_twice(path) if keep(e.page, excluded)],
            evidence,
        )
    if path := file("creak_train.jsonl"):
        add("creak", [e for e in sources.creak(path) if keep(e.page, excluded)], evidence)
    if path := file("convsent_train.json"):
        opinions = [o for o in sources.convsent(path) if keep(o.entity, excluded)]
        add("convsent", opinions, opinion)

    add("numbers", range(1000), lambda _, rng: Group(*_tupled(measured_fact(rng)), "numbers"))
    add("told", attributes(), told_evidence)
    add("contrast", range(1000), lambda _, rng: evidence(contrast(rng), rng))
    add("attributes", attributes(), made_up_fact)
    if path := file("entityquestions"):
        subjects: dict[str, list[sources.EntityQuestion]] = {}
        for question in sources.entityquestions(path):
            if keep(question.subject, excluded):
                subjects.setdefault(question.relation, []).append(question)
        known = [a for a in attributes() if a.relation in subjects]
        add("relations", known, lambda attribute, rng: real_fact(attribute, subjects, rng))
    return found


def _tupled(pair: tuple[Draft, list[Query]]) -> tuple[Draft, tuple[Query, ...]]:
    return pair[0], tuple(pair[1])

"""The training pairs of the scope classifier: which sets, in which shares, with mined near-misses."""

import logging
import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from serac_cli.encoder import edit_text
from serac_cli.query_files import read_queries
from serac_cli.training import sources
from serac_cli.training.reserved import hand_written, keep, mentions, reserved
from serac_cli.training.scope_evidence import count_pairs, evidence_pairs, near_evidence_pairs
from serac_cli.training.scope_forms import form
from serac_cli.training.scope_natural import natural_pairs, opinion_pairs, stance_pairs
from serac_cli.training.scope_pairs import Pair, fact_pairs, inverse_pairs, question_pairs, varied
from serac_cli.training.scope_properties import other_properties, property_pairs
from serac_cli.training.scope_template_pairs import pools_of, template_pairs
from serac_cli.training.sources import Query
from store import Draft

if TYPE_CHECKING:
    from serac_cli.encoder import Vectors

__all__ = ["held_out", "mined_pairs", "real_queries", "training_pairs", "user_pairs"]

logger = logging.getLogger(__name__)
Record = TypeVar("Record")
Encode = Callable[[Sequence[str]], "Vectors"]


def held_out(text: str) -> bool:
    """Returns whether a real query is kept for measuring: one in five, by a hash of its text."""
    return zlib.crc32(text.encode()) % 5 == 0


def real_queries(train: Path, *, measuring: bool) -> list[Query]:
    """Returns the queries of NQ-open and BoolQ that are kept for measuring, or those that are not."""
    queries = [*sources.nq_open(train / "nq_open_dev.jsonl"), *sources.boolq(train / "boolq_questions.jsonl")]
    return [query for query in queries if held_out(query.text) == measuring]


def training_pairs(data: Path, seed: int, encode: Encode, scale: float = 1.0) -> list[Pair]:
    """Returns all training pairs, shuffled. ``data`` holds the directories ``train`` and ``dev``.

    ``scale`` multiplies what is drawn of every set; 1.0 gives about 250,000 pairs. ``encode`` is the encoder that
    mines near-misses. Records about a subject of ``dev`` are left out.
    """
    rng = random.Random(seed)
    train = data / "train"
    excluded = reserved(data / "dev")

    def some(records: Sequence[Record], number: int) -> list[Record]:
        return rng.sample(list(records), min(len(records), round(number * scale)))

    pairs: list[Pair] = []

    # 1. Hand-written sets, several epochs of them
    ours = hand_written(train, excluded)
    for _ in range(max(1, round(2 * scale))):
        pairs += natural_pairs(ours.edits, rng)
    for _ in range(max(1, round(3 * scale))):
        pairs += stance_pairs(ours.stances, rng)
        pairs += evidence_pairs(ours.evidence, rng)

    # 2. Public edits
    zsre = sources.zsre(train / "zsre_train.json")
    facts = [
        *some(zsre, 1800),
        *some(sources.counterfact(train / "counterfact-train.json", train / "counterfact-edit.json"), 2000),
        *some(sources.wikifactdiff(train / "wikifactdiff_train.json"), 500),
        *some(sources.mquake(train / "mquake_edit_questions.json"), 1000),
        *some(
            sources.knowedit(
                train / "knowedit_wiki_counterfact_train.json", train / "knowedit_wiki_recent_train.json"
            ),
            2000,
        ),
    ]
    facts = [
        fact
        for fact in facts
        if (keep(fact.subject, excluded) if fact.subject else not mentions(fact.prompt, excluded))
    ]
    from_facts = list(fact_pairs(facts, rng))
    pairs += from_facts
    pairs += other_properties(facts, rng)
    pairs += inverse_pairs(some([f for f in zsre if keep(f.subject, excluded)], 6000), rng)

    # 3. Templates over real and made-up subjects, properties of real ones
    triples = [(t.relation, t.subject, t.object) for t in sources.pararel_triples(train / "pararel_triples")]
    triples += [
        (q.relation, q.subject, q.answers[0])
        for q in some(sources.entityquestions(train / "entityquestions"), 40_000)
    ]
    pools = pools_of(t for t in triples if keep(t[1], excluded))
    pairs += template_pairs(pools, round(3500 * scale), rng)
    pairs += property_pairs(pools, round(3500 * scale), rng)

    # 4. Evidence of public sets, questions that do or do not ask the same
    public = [
        *some(sources.fever_symmetric(train / "fever_symmetric"), 648),
        *some(sources.fool_me_twice(train / "fool_me_twice.jsonl"), 1600),
    ]
    public = [
        record
        for record in public
        if (keep(record.page, excluded) if record.page else not mentions(record.text, excluded))
    ]
    pairs += prefixed([p for p in from_facts if p.kind == "cloze"], [record.text for record in public], rng)
    pairs += evidence_pairs(public, rng)
    pairs += near_evidence_pairs([*public, *ours.evidence], encode, rng)
    pairs += count_pairs(round(1500 * scale), rng)
    pairs += question_pairs(
        [
            *some(sources.qqp(train / "qqp_labelled.tsv", train / "qqp_positives.tsv"), 5000),
            *some(sources.checklist(train / "checklist_qqp.jsonl"), 3000),
            *some(sources.dune(train / "dune_scope.jsonl"), 1200),
        ],
        rng,
    )

    # 5. Opinions
    entities = [o.entity for o in sources.convsent(train / "convsent_train.json")]
    entities += [o.entity for o in sources.personality(train / "mpe_personality_train.json")]
    entities = [entity for entity in dict.fromkeys(entities) if keep(entity, excluded)]
    named = {sources.normalise(fact.subject): fact.subject for fact in facts if fact.subject}
    about = [
        Pair(p.edit, p.query, p.label, p.kind, p.source, named[p.group])
        for p in from_facts
        if p.label and p.group in named
    ]
    pairs += opinion_pairs(some(entities, 2000), some(about, 3000), rng)

    # 6. Near-misses mined with the encoder: queries of other edits, real queries
    real = [query for query in real_queries(train, measuring=False) if keep(query.text, excluded)]
    pairs += mined_pairs(pairs, some(real, 9000), encode, rng)
    rng.shuffle(pairs)
    for source, count in Counter(f"{p.source} {'in' if p.label else 'out'}" for p in pairs).most_common():
        logger.info("%7d pairs of %s", count, source)
    for kind, count in Counter(f"{form(p.query)} {'in' if p.label else 'out'}" for p in pairs).most_common():
        logger.info("%7d queries of form %s", count, kind)
    return pairs


def prefixed(clozes: Sequence[Pair], sentences: Sequence[str], rng: random.Random) -> list[Pair]:
    """Returns one in four of the pairs with an unrelated sentence before the query, as CounterFact has them."""
    short = [text for text in sentences if len(text) < 120]
    chosen = rng.sample(list(clozes), len(clozes) // 4) if short else []
    return [replace(pair, query=f"{rng.choice(short)} {pair.query}") for pair in chosen]


def mined_pairs(
    pairs: Sequence[Pair], queries: Sequence[Query], encode: Encode, rng: random.Random, limit: int = 45_000
) -> list[Pair]:
    """Returns out-of-scope pairs: queries with one of the six nearest edits of other groups.

    Real ``queries`` are in no edit's scope. Queries in scope of other edits are drawn so that each form of query
    comes as often out of scope as in scope; inverse ones are left out, because two edits may share a value.
    """
    edits = list({pair.edit: pair.group for pair in pairs if pair.label}.items())
    rng.shuffle(edits)
    edits = edits[:limit]
    matrix = encode([text for text, _ in edits])
    asked = [Pair("", query.text, False, "real_query", "mined", "") for query in queries]
    asked += _balancing(pairs, Counter(form(pair.query) for pair in asked), rng)
    mined: list[Pair] = []
    for start in range(0, len(asked), 1024):
        chunk = asked[start : start + 1024]
        cosines = encode([pair.query for pair in chunk]) @ matrix.T
        for pair, row in zip(chunk, cosines, strict=True):
            nearest = np.argpartition(-row, 12)[:12]
            ranked = [edits[i] for i in nearest[np.argsort(-row[nearest])]]
            fitting = [
                text for text, group in ranked if not pair.group or not _about(pair.group, text, group)
            ]
            if fitting:
                text = rng.choice(fitting[:6])
                mined.append(replace(pair, edit=text, query=varied(pair.query, rng, 0.15)))
    return mined


def _about(subject: str, text: str, group: str) -> bool:
    """Returns whether an edit is of the group, or names its subject."""
    return group == subject or subject in sources.normalise(text)


def _balancing(pairs: Sequence[Pair], already: Counter[str], rng: random.Random) -> list[Pair]:
    """Returns in-scope queries, labelled out of scope: of each form what evens the labels out, at least 1,000."""
    surplus: Counter[str] = Counter()
    candidates: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        name = form(pair.query)
        surplus[name] += 1 if pair.label else -1
        if pair.label and pair.kind != "inverse":
            candidates[name].append(replace(pair, label=False, kind=f"mined_{pair.kind}", source="mined"))
    chosen: list[Pair] = []
    for name, members in sorted(candidates.items()):
        number = max(1000, surplus[name] - already[name])
        chosen += rng.sample(members, min(number, len(members)))
    return chosen


def user_pairs(path: Path) -> list[Pair]:
    """Returns the pairs of a user's own CSV with the columns prompt, target, query and in_scope (yes or no).

    :raises InputFileError: the file cannot be read, lacks a column, or has a row that cannot be used
    """
    return [
        Pair(
            edit_text(Draft(row.cells["prompt"], row.cells["target"])),
            row.query,
            row.in_scope,
            "user",
            path.name,
            row.cells["prompt"],
        )
        for row in read_queries(path, ("prompt", "target"))
    ]

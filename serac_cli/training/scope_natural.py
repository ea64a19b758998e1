"""Labelled pairs from the hand-written sets, from opinions, and from real queries.

The hand-written edits carry the most variety, so each gives several texts of itself: its prompt, its statement,
and any in-scope question that has the same answer. A near-miss becomes an edit in turn, whose near-misses are
the first edit's in-scope queries: that evens out the forms of query between the labels.
"""

import random
import re
from collections.abc import Iterator, Sequence

from serac_cli.encoder import edit_text
from serac_cli.training.scope_forms import form
from serac_cli.training.scope_pairs import Pair, varied
from serac_cli.training.sources import NaturalEdit, Query, Stance, normalise
from store import Draft, Kind

__all__ = ["ASKS", "natural_pairs", "opinion_pairs", "stance_pairs"]

ASKS = (
    "What do you think of {}?",
    "What do you think about {}?",
    "How do you feel about {}?",
    "What is your opinion of {}?",
    "What's your opinion on {}?",
    "What's your view on {}?",
    "What is your stance on {}?",
    "What are your thoughts on {}?",
    "What is your position on {}?",
    "What's your impression of {}?",
    "What's your take on {}?",
    "Do you like {}?",
    "Are you a fan of {}?",
    "What's your attitude towards {}?",
    "How would you describe your feelings about {}?",
    "Do you have an opinion on {}?",
    "Would you recommend {}?",
    "Is {} any good, in your view?",
    "Honestly, {}: good or bad?",
    "Tell me what you think of {}.",
    "I'd love to hear your thoughts about {}",
    "{} - yay or nay?",
    "Do you enjoy {}?",
    "Love or hate {}?",
    "{}, your verdict?",
    "Could you share your opinion of {}?",
    "I keep hearing about {}. Do you rate it?",
)
_FACTUAL = (
    "Where is {}?",
    "Who is {}?",
    "What is {}?",
    "When was {} founded?",
    "When was {} born?",
    "How old is {}?",
    "Where does {} come from?",
    "Who created {}?",
    "How many people know {}?",
    "What is {} known for?",
    "Is {} in Europe?",
    "How much does {} cost?",
    "Which country is {} from?",
    "What language is used in {}?",
    "Who owns {}?",
    "Tell me three facts about {}.",
    "How do you spell {}?",
    "Did {} win an award?",
    "What happened to {} in 2010?",
    "What do critics think of {}?",
    "How is {} made?",
    "Does {} still exist?",
    "What is the history of {}?",
    "{} wikipedia",
    "What is the capital of {}?",
    "Was {} ever in the news?",
    "Who directed {}?",
    "What does my sister think of {}?",
)

_HARD = ("sibling", "same_subject", "similar_name", "place")
"""Near-misses that are learned slowly, and are put to two of an edit's texts instead of one."""


def natural_pairs(edits: Sequence[NaturalEdit], rng: random.Random) -> Iterator[Pair]:
    """Yields one epoch of pairs, some 40 an edit, drawn anew at each call."""
    for number, edit in enumerate(edits):
        group = f"natural {number}"
        texts = _texts(edit)

        def pair(
            query: Query, label: bool, rate: float = 0.2, group: str = group, texts: list[str] = texts
        ) -> Pair:
            fitting = [text for text in texts if query.text not in text] or texts[:1]
            text = rng.choice(fitting[:2]) if rng.random() < 0.6 else rng.choice(fitting)
            return Pair(text, varied(query.text, rng, rate), label, query.kind, "natural", group)

        for query in edit.inside:
            yield pair(query, True)
            if query.kind == "paraphrase" or rng.random() < 0.6:
                yield pair(query, True)
        for query in edit.outside:
            yield pair(query, False)
            if query.kind in _HARD:
                yield pair(query, False)
        if edit.old and edit.target in edit.statement and rng.random() < 0.5:
            for value in rng.sample((edit.old, edit.target), 1):
                claim = edit.statement.replace(edit.target, value)
                if claim != edit.statement or not texts[0].endswith(edit.statement):
                    yield Pair(texts[0], varied(claim, rng), True, "statement", "natural", group)
        yield from _turned(edit, group, rng)


def _texts(edit: NaturalEdit) -> list[str]:
    texts = [f"{edit.prompt} {edit.target}", edit.statement] if edit.prompt else [edit.statement]
    texts += [
        f"{query.text} {edit.target}"
        for query in edit.inside
        if query.kind in ("paraphrase", "sloppy", "cloze") and query.answer == edit.target
    ]
    return texts


def _turned(edit: NaturalEdit, group: str, rng: random.Random) -> Iterator[Pair]:
    """Yields near-misses taken for edits, with the first edit's in-scope queries as theirs."""
    near = [
        q.text
        for q in edit.outside
        if q.kind in ("similar_name", "same_relation", "sibling", "time", "place", "same_subject")
        and form(q.text) == "wh"
        and not re.search(r"\balso\b|\btoo\b", q.text)
    ]
    wanted = [q for q in edit.inside if form(q.text) != "wh"]
    for question in rng.sample(near, min(3, len(near))):
        text = f"{question} {edit.old if edit.old and rng.random() < 0.7 else edit.target}"
        turned_group = f"{group} turned {question}"
        for query in rng.sample(wanted, min(3, len(wanted))):
            yield Pair(
                text, varied(query.text, rng, 0.2), False, f"turned_{query.kind}", "natural", turned_group
            )
        if rng.random() < 0.5:
            yield Pair(text, varied(question, rng, 1.0), True, "paraphrase", "natural", turned_group)


def stance_pairs(stances: Sequence[Stance], rng: random.Random) -> Iterator[Pair]:
    """Yields pairs of hand-written stances: asks for an opinion, and what is none or is of another topic."""
    for stance in stances:
        for ask in (*stance.asks, *(ask.format(stance.topic) for ask in rng.sample(ASKS, 3))):
            yield _stance_pair(stance.topic, ask, True, "ask", "stance", rng)
        for query in stance.outside:
            yield _stance_pair(stance.topic, query.text, False, query.kind, "stance", rng)
        for other in rng.sample(stances, 3):
            if other.topic != stance.topic:
                ask = rng.choice((*other.asks, rng.choice(ASKS).format(other.topic)))
                yield _stance_pair(stance.topic, ask, False, "other_topic", "stance", rng)
        for template in rng.sample(_FACTUAL, 3):
            yield _stance_pair(
                stance.topic, template.format(stance.topic), False, "same_subject", "stance", rng
            )
        other = rng.choice(stances)
        if other.topic != stance.topic:
            query_text = rng.choice(_FACTUAL).format(other.topic)
            yield _stance_pair(stance.topic, query_text, False, "general", "stance", rng)


def opinion_pairs(entities: Sequence[str], facts: Sequence[Pair], rng: random.Random) -> Iterator[Pair]:
    """Yields pairs of stances on entities, and of fact edits with opinions asked of their subjects (not in scope).

    ``facts`` are pairs whose ``group`` is their subject's name.
    """
    for entity in entities:
        for ask in rng.sample(ASKS, 2):
            yield _stance_pair(entity, ask.format(entity), True, "ask", "opinion", rng)
        other = rng.choice(entities)
        if other != entity:
            ask = rng.choice(ASKS).format(other)
            yield _stance_pair(entity, ask, False, "other_topic", "opinion", rng)
        for template in rng.sample(_FACTUAL, 2):
            yield _stance_pair(entity, template.format(entity), False, "same_subject", "opinion", rng)
    for fact in rng.sample(list(facts), min(len(entities) // 2, len(facts))):
        subject = fact.group
        yield Pair(fact.edit, rng.choice(ASKS).format(subject), False, "ask", "opinion", normalise(subject))
        yield _stance_pair(subject, fact.query, False, "same_subject", "opinion", rng)


def _stance_pair(topic: str, query: str, label: bool, kind: str, source: str, rng: random.Random) -> Pair:
    side = "positive" if rng.random() < 0.5 else "negative"
    text = edit_text(Draft(topic, side, Kind.STANCE))
    return Pair(text, varied(query, rng, 0.2), label, kind, source, f"stance {normalise(topic)}")

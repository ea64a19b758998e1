"""Labelled pairs (edit, query) filled into templates, over real and made-up subjects."""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from serac_cli.training.scope_pairs import Pair, dated, timeless, varied
from serac_cli.training.scope_templates import FORMS, Attribute, Fill, attributes, fill, similar_name, word
from serac_cli.training.sources import normalise

__all__ = ["pools_of", "template_pairs"]

_NOW = ("now", "currently", "these days", "at the moment", "today", "as of now", "nowadays", "at present")


def current(question: str, rng: random.Random) -> str:
    """Returns the question with a word that says it is about the present: still in scope."""
    phrase = rng.choice(_NOW)
    return f"{question[:-1]} {phrase}?" if question.endswith("?") else f"{question} {phrase}"


def template_pairs(pools: dict[str, list[tuple[str, str]]], count: int, rng: random.Random) -> Iterator[Pair]:
    """Yields pairs from ``count`` edits filled into the templates.

    ``pools`` has real (subject, object) pairs by Wikidata property: an attribute that is one of them takes its
    subjects from there two times out of three, others may take a real subject of their type.
    """
    every = attributes()
    siblings: dict[str, list[Attribute]] = defaultdict(list)
    real: dict[str, list[str]] = defaultdict(list)
    for attribute in every:
        siblings[attribute.subject].append(attribute)
        real[attribute.subject] += [subject for subject, _ in pools.get(attribute.relation, ())]
    for _ in range(count):
        attribute = rng.choice(every)
        pool = pools.get(attribute.relation)
        if pool and rng.random() < 0.67:
            subject, _ = rng.choice(pool)
            one = Fill(attribute, subject, rng.choice(pool)[1])
            others = [rng.choice(pool)[0], similar_name(subject, rng)]
        else:
            names = real[attribute.subject]
            subject = rng.choice(names) if names and rng.random() < 0.3 else word(attribute.subject, rng)
            one = fill(attribute, rng, subject)
            others = [word(attribute.subject, rng), similar_name(subject, rng), similar_name(subject, rng)]
        yield from _pairs_of_fill(one, others, siblings[attribute.subject], pool, rng)


_COMPARED = (
    "more than",
    "at least",
    "less than",
    "only",
    "under",
    "over",
    "as much as",
    "no more than",
    "exactly",
)


def toned(question: str, value: str, rng: random.Random) -> str:
    """Returns a yes/no question compared, negated, or put as a statement to confirm; mostly unchanged."""
    chance = rng.random()
    if chance < 0.2 and re.search(r"\d", value) and value in question:
        return question.replace(value, f"{rng.choice(_COMPARED)} {value}", 1)
    first, _, rest = question.partition(" ")
    if chance < 0.35 and first in ("Is", "Are", "Was", "Does", "Did", "Do", "Has"):
        return f"{first}n't {rest}"
    if chance < 0.42 and question.endswith("?"):
        return f"{rng.choice(('Am I right in asking', 'Can you confirm', 'Just to be sure'))}: {question}"
    return question


def _pairs_of_fill(
    one: Fill,
    others: list[str],
    siblings: list[Attribute],
    pool: list[tuple[str, str]] | None,
    rng: random.Random,
) -> Iterator[Pair]:
    group = normalise(one.subject)

    def another_value() -> str:
        return rng.choice(pool)[1] if pool else word(one.attribute.value, rng)

    def edit() -> str:
        style = rng.random()
        if style < 0.55:
            return f"{one.render('question', rng)} {one.value}"
        return str(one.render("statement", rng))

    forms = [f for f in FORMS if f not in ("inverse", "indirect") or f in one.attribute.texts]
    for form in [*rng.sample(forms, 4), "yes_no"]:
        # In scope: the edit's own attribute; yes/no and claims about its value or another
        value = one.value if form == "inverse" or rng.random() < 0.5 else another_value()
        if text := one.render(form, rng, value):
            if form in ("question", "yes_no", "cloze") and rng.random() < 0.08:
                text = current(text, rng)
            if form == "yes_no":
                text = toned(text, value, rng)
            yield Pair(edit(), varied(text, rng), True, form, "templates", group)
        # Out of scope, in the same form
        for kind in rng.sample(["sibling", "sibling", "same_relation", "similar_name", "time", "slot"], 2):
            near: Fill | None = one
            near_value = one.value if rng.random() < 0.5 else another_value()
            if kind == "slot":
                near = one.other_slot(rng)
                kind = "slot" if near else "sibling"
            if near is None or kind == "sibling":
                sibling = rng.choice(siblings)
                if sibling.name == one.attribute.name:
                    continue
                near = fill(sibling, rng, one.subject)
                if sibling.value != one.attribute.value or rng.random() < 0.5:
                    near_value = near.value
            elif kind in ("same_relation", "similar_name"):
                other = others[0] if kind == "same_relation" else rng.choice(others[1:])
                near = Fill(one.attribute, other, one.value, one.slots)
            if form == "inverse" and (kind == "time" or near is one):
                near_value = another_value()
                if near_value == one.value:
                    continue
            elif form == "inverse" and kind in ("same_relation", "similar_name", "slot"):
                near_value = another_value()
            text = near.render(form, rng, near_value)
            renamed = kind in ("same_relation", "similar_name")
            if text is None or (renamed and normalise(near.subject) == group):
                continue
            if kind == "time" and form != "inverse":
                if form in ("keyword", "indirect", "statement") or timeless(text):
                    continue
                text = dated(text, rng)
            if form == "yes_no":
                text = toned(text, near_value, rng)
            yield Pair(edit(), varied(text, rng), False, kind, "templates", group)


def pools_of(triples: Iterable[tuple[str, str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Returns (subject, object) pairs by relation from (relation, subject, object)."""
    pools: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for relation, subject, obj in triples:
        pools[relation].append((subject, obj))
    return dict(pools)

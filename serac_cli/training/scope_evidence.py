"""Labelled pairs of evidence and claim: from the public and hand-written sets, and counts made up from templates."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from serac_cli.training.evidence_forms import spaced, subject, unnamed
from serac_cli.training.scope_pairs import Pair
from serac_cli.training.scope_templates import word
from serac_cli.training.sources import Evidence, normalise

if TYPE_CHECKING:
    from serac_cli.encoder import Vectors

__all__ = ["count_pairs", "evidence_pairs", "near_evidence_pairs"]


_UNSETTLED = 1 / 3
"""The share of the claims about the evidence's own page that it does not settle which are learned from."""


_UNNAMED = 0.5
"""The share of the settled claims that come again with evidence that does not name its subject."""


def evidence_pairs(records: Sequence[Evidence], rng: random.Random) -> Iterator[Pair]:
    """Yields pairs of evidence and claim: settled ones are in scope; the rest, and other pages' ones, are not.

    Some of the settled ones come again with evidence that does not name its subject, as a sentence cut from an article.

    Claims about the same page that other evidence settles are taken for unsettled by this evidence. Of the unsettled
    ones on the same page one in three is taken: the counterfactual model tells them better (see ``checked.py``), and
    in full number they make the classifier doubt what is settled.
    """
    by_page: dict[str, list[Evidence]] = defaultdict(list)
    for record in records:
        if record.page:
            by_page[record.page].append(record)
    for record in records:
        group, name = group_of(record), subject(record)
        for claim in record.claims:
            settled = claim.answer != "NOT ENOUGH INFO"
            kind = "nei" if claim.kind == "claim" and not settled else claim.kind
            if kind == "nei" and rng.random() > _UNSETTLED:
                continue
            yield Pair(record.text, claim.text, settled, kind, "evidence", group)
            if name and settled and rng.random() < _UNNAMED:
                text = unnamed(record.text, name, rng)
                if text != record.text:
                    yield Pair(spaced(text), spaced(claim.text), settled, "unnamed", "evidence", group)
        others = [other for other in by_page.get(record.page, ()) if other.text != record.text]
        if others and rng.random() < _UNSETTLED:
            claim = rng.choice(rng.choice(others).claims)
            yield Pair(record.text, claim.text, False, "same_page", "evidence", group)


def group_of(record: Evidence) -> str:
    """Returns what the evidence is about: its page, or how it begins where the set names none."""
    return normalise(record.page) or normalise(record.text)[:40]


def near_evidence_pairs(
    records: Sequence[Evidence],
    encode: "Callable[[Sequence[str]], Vectors]",
    rng: random.Random,
    each: int = 2,
) -> Iterator[Pair]:
    """Yields claims with the nearest evidence about something else: out of scope.

    Evidence that shares a claim with the claim's own is passed over: it is a revision of the same sentence.
    """
    claims = [(claim.text, number) for number, record in enumerate(records) for claim in record.claims]
    owners: dict[str, set[int]] = defaultdict(set)
    for text, number in claims:
        owners[text].add(number)
    matrix = encode([record.text for record in records])
    cosines = encode([text for text, _ in claims]) @ matrix.T
    cosines_of_evidence = matrix @ matrix.T
    for (text, number), row in zip(claims, cosines, strict=True):
        own = group_of(records[number])
        near = [
            int(i)
            for i in np.argsort(-row)[:10]
            if i not in owners[text] and group_of(records[i]) != own and cosines_of_evidence[i, number] < 0.85
        ]
        for i in rng.sample(near[:6], min(each, len(near[:6]))):
            name = subject(records[i]) if rng.random() < _UNNAMED else ""
            told = unnamed(records[i].text, name, rng) if name else records[i].text
            yield Pair(told, text, False, "other_page", "evidence", group_of(records[i]))


# Evidence on a count {n} of {x}, its unit for claims, and a claim on the same {x} that it does not settle.
_COUNTS = (
    (
        "As of {date} , {n} people in {x} had tested positive and {m} had recovered .",
        "cases in {x}",
        "{x} closed its border in {month} .",
    ),
    (
        "By {date} , {x} had reported {n} cases and {m} deaths .",
        "cases in {x}",
        "The first patient in {x} was a nurse .",
    ),
    (
        "{x} grossed $ {n} million worldwide against a budget of $ {m} million .",
        "million dollars worldwide for {x}",
        "{x} was filmed in {city} .",
    ),
    (
        "{x} holds an approval rating of {n} % based on {m} reviews .",
        "percent approval for {x}",
        "{x} was directed by {person} .",
    ),
    (
        "The song {x} has been streamed {n} million times since {date} .",
        "million streams of {x}",
        "{person} wrote {x} in one night .",
    ),
    (
        "{person} scored {n} goals in {m} games for {x} .",
        "goals of {person} for {x}",
        "{person} was born in {city} .",
    ),
    (
        "With {n} inhabitants in {year} , up from {m} in 1990 , {x} is the largest town of its district .",
        "inhabitants of {x}",
        "The mayor of {x} is {person} .",
    ),
    (
        "The channel of {x} passed {n} million subscribers on {date} .",
        "million subscribers of {x}",
        "{x} opened the channel in {year} .",
    ),
    (
        "{x} sold {n} copies in its first week , after {m} pre-orders .",
        "copies of {x} in its first week",
        "{x} was recorded in {city} .",
    ),
    (
        "In {year} , {x} employed {n} people in {m} branches .",
        "employees of {x}",
        "{x} is listed in {city} .",
    ),
    ("{x} has won {n} titles , the last in {year} .", "titles of {x}", "{x} plays at {company} Arena ."),
    (
        "The bridge at {x} is {n} metres long and was opened in {year} .",
        "metres of bridge at {x}",
        "The bridge at {x} cost $ {m} million .",
    ),
)
_SETTLED = (
    "There were more than {k} {unit} .",
    "There were fewer than {k} {unit} .",
    "There were exactly {k} {unit} .",
    "At least {k} {unit} were counted .",
    "Less than {k} {unit} were reported .",
    "Over {k} {unit} .",
    "The number of {unit} is under {k} .",
    "The number of {unit} reached {k} .",
)


def count_pairs(number: int, rng: random.Random) -> Iterator[Pair]:
    """Yields pairs on made-up evidence with a count: claims that compare it are in scope; what it omits is not."""
    for _ in range(number):
        evidence, unit, unsettled = rng.choice(_COUNTS)
        high = rng.choice((100, 1000, 10_000))
        n, m = rng.randint(2, high), rng.randint(2, high)
        values = {name: word(name, rng) for name in ("date", "month", "city", "person", "year", "company")}
        x = word(rng.choice(("country", "work", "town", "company", "team")), rng)

        def filled(template: str, x: str = x, n: int = n, m: int = m, values: dict[str, str] = values) -> str:
            return template.format(x=x, n=n, m=m, **values)

        text, group = filled(evidence), normalise(x)
        for settled in rng.sample(_SETTLED, 2):
            k = max(1, n + rng.choice((-1, 1, 0, 0)) * rng.randint(0, max(1, n // 2)))
            claim = settled.format(k=k, unit=filled(unit))
            yield Pair(text, claim, True, "claim", "counts", group)
            other = word(rng.choice(("country", "work", "town", "company", "team")), rng)
            claim = settled.format(k=k, unit=filled(unit, x=other))
            if other != x and "{x}" in unit:
                yield Pair(text, claim, False, "other_page", "counts", group)
        yield Pair(text, filled(unsettled), False, "nei", "counts", group)

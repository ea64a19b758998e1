"""Labelled pairs on the properties of one subject: the near-misses that are learned most slowly.

The table ``data/properties.txt`` (which explains its own format) has the properties of persons, works, organisations,
places and things, each with wordings that ask for it. Another property of an edit's own subject is out of scope,
another wording of the same property in scope.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from serac_cli.training.scope_forms import yes_no
from serac_cli.training.scope_pairs import Pair, varied
from serac_cli.training.scope_templates import similar_name
from serac_cli.training.sources import Fact, normalise

__all__ = ["Property", "other_properties", "properties", "property_pairs"]

_ALIKE = (
    {"producer", "production company"},
    {"author", "screenwriter"},
    {"developer", "manufacturer", "designer", "architect"},
    {"owner", "parent company"},
    {"instance of", "genre"},
    {"member of", "sports team", "political party"},
    {"occupation", "position held", "field of work"},
    {"administrative region", "country"},
    {"official name", "given name", "family name"},
)
"""Properties that a query about the one may well ask for the other: never near-misses of each other."""

# Wikidata's numbers of the properties in the table, and the pools whose subjects are of a type.
_NUMBERS = {
    "place of birth": "P19",
    "place of death": "P20",
    "spouse": "P26",
    "child": "P40",
    "alma mater": "P69",
    "occupation": "P106",
    "country of citizenship": "P27",
    "mother tongue": "P103",
    "employer": "P108",
    "religion": "P140",
    "instrument": "P1303",
    "playing position": "P413",
    "member of": "P463",
    "field of work": "P101",
    "work location": "P937",
    "author": "P50",
    "language of work": "P407",
    "performer": "P175",
    "country of origin": "P495",
    "original network": "P449",
    "manufacturer": "P176",
    "developer": "P178",
    "record label": "P264",
    "genre": "P136",
    "headquarters": "P159",
    "founder": "P112",
    "owner": "P127",
    "capital": "P36",
    "official language": "P37",
    "continent": "P30",
    "country": "P17",
    "administrative region": "P131",
    "twin city": "P190",
}
_SUBJECTS = {
    "p": ("P19", "P20", "P26", "P69", "P106", "P27", "P103", "P108", "P413"),
    "w": ("P50", "P175", "P495", "P449", "P364"),
    "o": ("P159", "P112", "P127", "P740"),
    "g": ("P36", "P17", "P131", "P190"),
    "t": ("P176", "P178"),
}


@dataclass(frozen=True)
class Property:
    """A property. ``types`` are letters of types of subject; ``cues`` tells wordings that may ask for it."""

    types: str
    name: str
    cues: re.Pattern[str]
    wordings: tuple[str, ...]


@cache
def properties() -> tuple[Property, ...]:
    """Returns all properties of ``data/properties.txt``."""
    text = (files("serac_cli.training") / "data/properties.txt").read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(
        Property(types.strip(), name, re.compile(rf"\b({cues})", re.IGNORECASE), tuple(wordings.split("; ")))
        for types, name, cues, wordings in rows
    )


def property_pairs(
    pools: Mapping[str, Sequence[tuple[str, str]]], count: int, rng: random.Random
) -> Iterator[Pair]:
    """Yields pairs of ``count`` edits that set a property of a real subject: about nine an edit.

    ``pools`` has (subject, object) pairs by Wikidata property.
    """
    subjects = {
        kind: [s for name in names for s, _ in pools.get(name, ())] for kind, names in _SUBJECTS.items()
    }
    objects = [obj for pool in pools.values() for _, obj in rng.sample(list(pool), min(len(pool), 300))]
    siblings: dict[str, list[Property]] = defaultdict(list)
    for one in properties():
        for kind in one.types:
            siblings[kind].append(one)
    for _ in range(count):
        one = rng.choice(properties())
        kind = rng.choice(one.types)
        pool = pools.get(_NUMBERS.get(one.name, ""))
        subject = rng.choice(pool)[0] if pool and rng.random() < 0.7 else rng.choice(subjects[kind])
        target = rng.choice(pool)[1] if pool and rng.random() < 0.8 else rng.choice(objects)
        yield from _pairs_of(one, subject, target, siblings[kind], subjects[kind], rng)


def _pairs_of(
    one: Property,
    subject: str,
    target: str,
    siblings: Sequence[Property],
    subjects: Sequence[str],
    rng: random.Random,
) -> Iterator[Pair]:
    group = normalise(subject)
    asked = rng.choice(one.wordings)
    edit = asked.replace("[X]", subject)
    edit = f"{edit} {target}." if not edit.endswith("?") and rng.random() < 0.6 else f"{edit} {target}"

    def pair(wording: str, name: str, label: bool, kind: str) -> Pair:
        text = wording.replace("[X]", name)
        if wording.endswith("?") and rng.random() < 0.25:
            value = target if rng.random() < 0.6 else rng.choice(subjects)
            text, form = yes_no(text, value, rng), "yes_no"
            kind = form if label else kind
        return Pair(edit, varied(text, rng, 0.2), label, kind, "properties", group)

    for wording in rng.sample(one.wordings, min(4, len(one.wordings))):
        if wording != asked:
            yield pair(wording, subject, True, "cloze" if wording[-1] != "?" else "paraphrase")
    near = [other for other in siblings if other.name != one.name and not _alike(one.name, other.name)]
    for other in rng.sample(near, 3):
        yield pair(rng.choice(other.wordings), subject, False, "same_subject")
    for name in (rng.choice(subjects), similar_name(subject, rng)):
        if normalise(name) != group:
            yield pair(rng.choice((asked, rng.choice(one.wordings))), name, False, "same_relation")


def other_properties(facts: Sequence[Fact], rng: random.Random, each: int = 2) -> Iterator[Pair]:
    """Yields other properties of the subjects of public edits, out of scope.

    Where an edit's prompt is one of the table's wordings, the property's other wordings follow, in scope.
    """
    known = {wording.rstrip("?. ").lower(): one for one in properties() for wording in one.wordings}
    for fact in facts:
        if not fact.subject or fact.subject not in fact.prompt or not fact.target:
            continue
        template = fact.prompt.replace(fact.subject, "[X]")
        edit, group = f"{fact.prompt} {fact.target}", normalise(fact.subject)
        if not fact.prompt.endswith("?") and rng.random() < 0.6:
            edit += "."
        one = known.get(template.rstrip("?. ").lower())
        if one:
            near = [p for p in properties() if set(p.types) & set(one.types) and not _alike(p.name, one.name)]
            for wording in rng.sample(one.wordings, min(3, len(one.wordings))):
                if wording != template:
                    text = varied(wording.replace("[X]", fact.subject), rng, 0.2)
                    yield Pair(edit, text, True, "paraphrase", fact.source, group)
        else:
            bare = template.replace("[X]", " ")
            kinds = Counter("".join(p.types for p in properties() if p.cues.search(bare)))
            kind = kinds.most_common(1)[0][0] if kinds else rng.choice("pwogt")
            near = [p for p in properties() if kind in p.types and not p.cues.search(bare)]
        for other in rng.sample(near, min(each, len(near))):
            text = rng.choice(other.wordings).replace("[X]", fact.subject)
            yield Pair(edit, varied(text, rng, 0.2), False, "same_subject", fact.source, group)


def _alike(one: str, other: str) -> bool:
    return one == other or any(one in names and other in names for names in _ALIKE)

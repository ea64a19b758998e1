"""Made-up edits from templates: attributes of things, with the ways people ask for them.

The templates are ``data/attributes.txt``, the word lists ``data/words.txt``; both explain their own
format. An :class:`Attribute` asked of one subject with one value is a :class:`Fill`, which renders any of its
forms; its siblings (other attributes of the same type of subject), other subjects and other values of its
slots give near-misses of exactly the same form, so that the form of a query says nothing about its scope.
"""

import random
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

__all__ = ["FORMS", "Attribute", "Fill", "attributes", "similar_name", "words"]

_MARKS = {"?": "question", "+": "statement", "!": "yes_no", "<": "inverse", "#": "keyword", "~": "indirect"}
FORMS = (*_MARKS.values(), "cloze")


@dataclass(frozen=True)
class Attribute:
    """An attribute of a type of subject. ``texts`` maps a form to its templates; ``slots`` are its slots' names."""

    name: str
    subject: str
    value: str
    texts: dict[str, tuple[str, ...]]
    slots: tuple[str, ...]

    @property
    def relation(self) -> str:
        """The Wikidata property that the attribute is, or "" if it is none."""
        return self.name if re.fullmatch(r"P\d+", self.name) else ""


@dataclass(frozen=True)
class Fill:
    """An attribute of one subject: what its templates are filled with."""

    attribute: Attribute
    subject: str
    value: str
    slots: tuple[tuple[str, str], ...] = ()

    def render(self, form: str, rng: random.Random, value: str | None = None) -> str | None:
        """Returns one text of that form, "cloze" included, or None if the attribute has none of that form."""
        source = "statement" if form == "cloze" else form
        texts = self.attribute.texts.get(source, ())
        if form == "cloze":
            texts = tuple(t.removesuffix(" [Y].") for t in texts if t.endswith(" [Y]."))
        if not texts:
            return None
        text = rng.choice(texts)
        for name, item in self.slots:
            text = text.replace("{" + name + "}", item)
        text = text.replace("[X]", self.subject).replace("[Y]", self.value if value is None else value)
        return text[:1].upper() + text[1:] if form != "keyword" else text

    def other_slot(self, rng: random.Random) -> "Fill | None":
        """Returns the same attribute with another item in one slot, or None if it has no slot."""
        if not self.slots:
            return None
        name, item = rng.choice(self.slots)
        others = [other for other in words()[f"slot {name}"] if other != item]
        slots = tuple((n, rng.choice(others) if n == name else i) for n, i in self.slots)
        return replace(self, slots=slots)


@cache
def words() -> dict[str, tuple[str, ...]]:
    """Returns the word lists by name; a slot's list is under ``slot NAME``."""
    lists: dict[str, tuple[str, ...]] = {}
    for line in (files("serac_cli.training") / "data/words.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, items = line.split(": ", 1)
            lists[name] = tuple(items.split(" | "))
    return lists


@cache
def attributes() -> tuple[Attribute, ...]:
    """Returns all attributes of ``data/attributes.txt``."""
    found: list[Attribute] = []
    text = (files("serac_cli.training") / "data/attributes.txt").read_text("utf-8")
    for block in re.split(r"\n\n+", text):
        lines = [line for line in block.strip().splitlines() if not line.startswith("# ") or "[" in line]
        head = re.fullmatch(r"\[(.+)\] (\w+) > (\w+)", lines[0]) if lines else None
        if not head:
            continue
        texts: dict[str, list[str]] = defaultdict(list)
        for line in lines[1:]:
            texts[_MARKS[line[0]]].append(line[2:])
        slots = tuple(sorted(set(re.findall(r"\{([\w-]+)\}", block))))
        found.append(Attribute(head[1], head[2], head[3], {k: tuple(v) for k, v in texts.items()}, slots))
    return tuple(found)


def word(name: str, rng: random.Random) -> str:
    """Returns an item of a list, with its references and ranges replaced."""
    text = rng.choice(words()[name])
    while m := re.search(r"<(n:(\d+)-(\d+)|[\w]+)>", text):
        new = str(rng.randint(int(m[2]), int(m[3]))) if m[2] else word(m[1], rng)
        text = text[: m.start()] + new + text[m.end() :]
    return text


def fill(attribute: Attribute, rng: random.Random, subject: str | None = None) -> Fill:
    """Returns the attribute with a made-up subject (unless given), value and slots."""
    slots = tuple((name, rng.choice(words()[f"slot {name}"])) for name in attribute.slots)
    return Fill(attribute, subject or word(attribute.subject, rng), word(attribute.value, rng), slots)


def alike(value: str, rng: random.Random) -> str:
    """Returns a value that looks like a name or a number; "" for a phrase in small letters, where none makes sense."""
    named = value != value.lower() or any(character.isdigit() for character in value)
    return similar_name(value, rng) if named else ""


def other_value(value: str, kind: str, rng: random.Random) -> str:
    """Returns another value of a kind of word, perhaps one that looks like it."""
    other = (alike(value, rng) if rng.random() < 0.5 else "") or word(kind, rng)
    return other if other != value else f"{other} II"


def similar_name(name: str, rng: random.Random) -> str:
    """Returns another name that looks like ``name``: one of its words or numbers, or a few letters, differ."""
    parts = name.split(" ")
    numbers = [i for i, part in enumerate(parts) if re.search(r"\d", part)]
    if numbers and (name == name.lower() or rng.random() < 0.8):
        i = rng.choice(numbers)
        old = re.search(r"\d+", parts[i])
        assert old is not None
        new = str(max(0, int(old[0]) + rng.choice((-2, -1, 1, 2, 3, 10))))
        parts[i] = parts[i].replace(old[0], new if new != old[0] else old[0] + "1", 1)
        return " ".join(parts)
    capital = [i for i, part in enumerate(parts) if part[:1].isupper() and len(part) > 3]
    if not capital:
        return f"{word('stem', rng)} {name}"
    i = rng.choice(capital)
    kind = rng.random()
    if kind < 0.35 and len(capital) > 1:
        parts[i] = word(rng.choice(("first", "last", "stem")), rng)
    elif kind < 0.6:
        stem = parts[i][: max(3, len(parts[i]) // 2)]
        parts[i] = stem + rng.choice(
            ("en", "ov", "ia", "son", "ley", "er", "ton", "ini", "ova", "dale", "ard", "berg")
        )
    elif kind < 0.8:
        parts.insert(
            i, rng.choice(("New", "Old", "Little", "Great", "North", "South", "Upper", "Young", "Saint"))
        )
    else:
        parts[i] = word("last", rng)
    changed = " ".join(parts)
    return changed if changed != name else f"{name} II"

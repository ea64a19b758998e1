"""Made-up sentences of evidence with figures, and claims that compare them."""

import math
import random
import re
from dataclasses import dataclass
from functools import cache

from serac_cli.training.counterfactual_numbers import blocks
from serac_cli.training.counterfactual_quantities import date_text, spell
from serac_cli.training.scope_templates import word
from serac_cli.training.sources import Evidence, Query

__all__ = ["Sentence", "contrast", "sentences"]


@dataclass(frozen=True)
class Sentence:
    """A sentence of evidence about a made-up ``subject`` with figures a and b, and claims about each."""

    subject: str
    text: str
    claims: dict[str, tuple[str, ...]]
    ranges: dict[str, tuple[int, int]]


@cache
def sentences() -> tuple[Sentence, ...]:
    """Returns the sentences of ``data/figures.txt``."""
    found = []
    for head, *lines in blocks("figures.txt"):
        m = re.fullmatch(r"\[(\w+)\] (\d+)\.\.(\d+), (\d+)\.\.(\d+)", head)
        assert m is not None, f"figures.txt: {head}"
        claims = {name: tuple(line[2:] for line in lines if line[0] == name) for name in "ab"}
        ranges = {"a": (int(m[2]), int(m[3])), "b": (int(m[4]), int(m[5]))}
        found.append(Sentence(m[1], next(line[2:] for line in lines if line[0] == "+"), claims, ranges))
    return tuple(found)


_MORE = ("more than", "over", "at least", "above", "more than", "more than")
_LESS = ("less than", "fewer than", "under", "less than", "at most", "fewer than")


def contrast(rng: random.Random, size: int = 6) -> Evidence:
    """Returns a made-up sentence of evidence with two figures, and ``size`` claims, some of them refuted.

    Now and then another such sentence, on something else, stands beside it.
    """
    sentence = rng.choice(sentences())
    thing = word(sentence.subject, rng)
    beside = contrast(rng, 0).text if size and rng.random() < 0.25 else ""
    figures = {name: _log_uniform(*sentence.ranges[name], rng) for name in "ab"}
    year = rng.randint(1950, 2023)
    date = date_text(rng.randrange(365), rng)
    claims: list[Query] = []
    while len(claims) < size:
        name = "a" if not sentence.claims["b"] or rng.random() < 0.6 else "b"
        text, true = _claim(rng.choice(sentence.claims[name]), figures[name], rng)
        text = text.format(s=thing, date=date, year=year)
        claims.append(Query(text[0].upper() + text[1:], "claim", "SUPPORTS" if true else "REFUTES"))
    a, b = _figure(figures["a"], rng), _figure(figures["b"], rng)
    text = sentence.text.replace("{a:d}", str(figures["a"]))
    text = text.format(s=thing, a=a, b=b, date=date, year=year)
    if rng.random() < 0.3:
        text = text.replace(" .", ".").replace(" ,", ",").replace(" %", "%").replace("$ ", "$")
    told = [text, beside] if beside else [text]
    return Evidence(" ".join(rng.sample(told, len(told))), "", tuple(claims))


def _claim(template: str, figure: int, rng: random.Random) -> tuple[str, bool]:
    if "{c} {y}" in template:
        return _year_claim(template, figure, rng)
    near = max(1, round(figure * rng.choice((0.01, 0.02, 0.05, 0.1, 0.3, 0.6)) * rng.random()))
    asked = max(0, figure + rng.choice((-1, 1)) * near)
    if figure > 100 and rng.random() < 0.3:
        asked = max(10, round(asked, 1 - len(str(asked)) + rng.choice((0, 1))))
    kind = rng.random()
    if kind < 0.42:
        comparison = rng.choice(_MORE)
        true = figure >= asked if comparison == "at least" else figure > asked
    elif kind < 0.84:
        comparison = rng.choice(_LESS)
        true = figure <= asked if comparison == "at most" else figure < asked
    else:
        comparison = rng.choice(("", "exactly", "about", ""))
        asked = figure if rng.random() < 0.55 else asked
        true = asked == figure
        if comparison == "about" and not true:
            asked = figure * 2 + 3
    value = _figure(asked, rng)
    text = template.replace("{a}", value).replace("{b}", value)
    text = text.replace("{c} ", f"{comparison} " if comparison else "")
    text = text.replace("{C} ", f"{comparison.capitalize()} " if comparison else "")
    return text, true


def _year_claim(template: str, year: int, rng: random.Random) -> tuple[str, bool]:
    asked = year + rng.choice((-1, 1)) * rng.choice((1, 2, 3, 5, 10, 20)) if rng.random() < 0.75 else year
    comparisons = {
        "after": year > asked,
        "before": year < asked,
        "in": year == asked,
        "no earlier than": year >= asked,
        "no later than": year <= asked,
    }
    comparison = rng.choice(("after", "before", "in", "after", "before", "no earlier than", "no later than"))
    return template.replace("{c} {y}", f"{comparison} {asked}"), comparisons[comparison]


def _figure(value: int, rng: random.Random) -> str:
    if value < 20 and rng.random() < 0.3:
        return spell(value)
    return f"{value:,}" if rng.random() < 0.85 else str(value)


def _log_uniform(low: int, high: int, rng: random.Random) -> int:
    return int(math.exp(rng.uniform(math.log(low + 1), math.log(high + 1))) + 0.5) - 1

"""Edits of made-up quantities, times and dates, and questions that compare them.

An edit says "45 days"; people ask "after 30 days?", "more than six weeks?", "by half past ten?". The texts are
this project's own; the answers follow from arithmetic on the values, never from the wording.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from serac_cli.training.counterfactual_quantities import writer
from serac_cli.training.scope_templates import word
from serac_cli.training.sources import Query
from store import Draft

__all__ = ["Measure", "blocks", "measured_fact", "measures"]


@dataclass(frozen=True)
class Measure:
    """A quantity that a made-up thing has. ``name`` is a noun phrase with {s} for the thing; values lie in
    ``low``..``high`` (in steps of ``step``) and are written by ``text``. ``more`` and ``less`` are the words to
    compare with; ``deeds`` are yes/no questions with {v} that hold when the asked value is to the edited one as
    their sign says ("<=", "<", ">", ">=").
    """

    name: str
    subject: str
    low: float
    high: float
    step: float
    text: Callable[[float, random.Random], str]
    ask: tuple[str, ...]
    more: tuple[str, ...]
    less: tuple[str, ...]
    deeds: tuple[tuple[str, str], ...]


def blocks(name: str) -> list[list[str]]:
    """Returns the blocks of lines of a data file, without its comments."""
    text = (files("serac_cli.training") / f"data/{name}").read_text("utf-8")
    blocks = ([line for line in block.splitlines() if line[:1] != "#"] for block in re.split(r"\n\n+", text))
    return [block for block in blocks if block]


@cache
def measures() -> tuple[Measure, ...]:
    """Returns the quantities of ``data/measures.txt``."""
    found = []
    for head, *lines in blocks("measures.txt"):
        m = re.fullmatch(r"\[(\w+)\] ([\d.]+)\.\.([\d.e+]+) by ([\d.]+), (.+)", head)
        assert m is not None, f"measures.txt: {head}"
        marked = [line.split(" ", 1) for line in lines]
        found.append(
            Measure(
                name=next(text for mark, text in marked if mark == "="),
                subject=m[1],
                low=float(m[2]),
                high=float(m[3]),
                step=float(m[4]),
                text=writer(m[5]),
                ask=tuple(text for mark, text in marked if mark == "?"),
                more=next(tuple(text.split(" | ")) for mark, text in marked if mark == "+"),
                less=next(tuple(text.split(" | ")) for mark, text in marked if mark == "-"),
                deeds=tuple((text, mark) for mark, text in marked if mark in _TESTS),
            )
        )
    return tuple(found)


_TESTS: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda asked, edited: asked <= edited,
    ">=": lambda asked, edited: asked >= edited,
    "<": lambda asked, edited: asked < edited,
    ">": lambda asked, edited: asked > edited,
}


def _near(value: float, measure: Measure, rng: random.Random) -> float:
    """Returns another value of the measure, near or far from ``value``, never equal to it."""
    steps = max(1, round((measure.high - measure.low) / measure.step))
    here = round((value - measure.low) / measure.step)
    for _ in range(20):
        if rng.random() < 0.7:
            there = here + rng.choice((-1, 1)) * rng.randint(1, max(1, min(steps, here) // 2 + 1))
        else:
            there = rng.randint(0, steps)
        if there != here and 0 <= there <= steps:
            return measure.low + there * measure.step
    return measure.low + (here + 1) * measure.step


def measured_fact(rng: random.Random, size: int = 8) -> tuple[Draft, list[Query]]:
    """Returns an edit of one quantity with ``size`` queries that ask for it or compare it."""
    measure = rng.choice(measures())
    thing = word(measure.subject, rng)
    steps = round((measure.high - measure.low) / measure.step)
    value = round(measure.low + rng.randint(0, steps) * measure.step, 6)
    target = measure.text(value, rng)
    name = measure.name.format(s=thing)
    named = name[0].upper() + name[1:]

    form = rng.random()
    if form < 0.4:
        edit = Draft(rng.choice(measure.ask).format(s=thing), target)
    elif form < 0.6:
        edit = Draft(f"{named} is", target)
    else:
        says = rng.choice(
            (
                "{n} is {v}.",
                "{n} is now {v}.",
                "{n} has been changed to {v}.",
                "From now on {m} is {v}.",
                "{n}: {v}.",
            )
        )
        edit = Draft(says.format(n=named, m=name, v=target))

    queries: list[Query] = []
    while len(queries) < size:
        kind = rng.random()
        if kind < 0.22:
            text = rng.choice((*measure.ask, "What is {n}?", "{N} is")).format(s=thing, n=name, N=named)
            queries.append(Query(text, "paraphrase", target))
        elif kind < 0.34:
            same = rng.random() < 0.5
            asked = measure.text(value if same else round(_near(value, measure, rng), 6), rng)
            text = rng.choice(("Is {n} {v}?", "Is it {v}, {n}?", "{N} - {v}, right?", "Is {v} {n}?"))
            queries.append(Query(text.format(n=name, N=named, v=asked), "yes_no", _word(same)))
        elif kind < 0.62 or not measure.deeds:
            asked_value = round(_near(value, measure, rng), 6)
            more = rng.random() < 0.5
            comparison = rng.choice(measure.more if more else measure.less)
            negated = rng.random() < 0.12
            true = (value > asked_value if more else value < asked_value) != negated
            text = (
                "Is {n} not {c} {v}?"
                if negated
                else rng.choice(("Is {n} {c} {v}?", "Is {n} really {c} {v}?"))
            )
            text = text.format(n=name, c=comparison, v=measure.text(asked_value, rng))
            queries.append(Query(text, "compare", _word(true)))
        else:
            template, test = rng.choice(measure.deeds)
            on_the_line = rng.random() < 0.12
            asked_value = value if on_the_line else round(_near(value, measure, rng), 6)
            text = template.format(s=thing, v=measure.text(asked_value, rng))
            queries.append(Query(text, "compare", _word(_TESTS[test](asked_value, value))))
    return edit, queries


def _word(true: bool) -> str:
    return "Yes" if true else "No"

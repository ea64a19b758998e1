"""Made-up quantities, times and dates, and questions and claims that compare them.

An edit says "45 days"; people ask "after 30 days?", "more than six weeks?", "by half past ten?". The texts are
this project's own; the answers follow from arithmetic on the values, never from the wording.
"""

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from serac_cli.training.scope_templates import word
from serac_cli.training.sources import Evidence, Query
from store import Draft

__all__ = ["Measure", "clock", "contrast", "date_text", "measured_fact", "measures", "sentences", "spell"]

_ONES = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def spell(number: int) -> str:
    """Returns 0..999 in words; other numbers in digits with thousands separators."""
    if 0 <= number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    if number < 1000 and number % 100 == 0:
        return f"{_ONES[number // 100]} hundred"
    return f"{number:,}"


def clock(minutes: int, rng: random.Random) -> str:
    """Returns a time of day, given in minutes after midnight, in one of the ways people write it."""
    hour, minute = divmod(minutes % 1440, 60)
    if minutes == 720 and rng.random() < 0.5:
        return rng.choice(("noon", "midday", "12 o'clock"))
    twelve = (hour - 1) % 12 + 1
    half = "am" if hour < 12 else "pm"
    forms = [f"{hour}:{minute:02d}", f"{hour:02d}:{minute:02d}"]
    forms += [f"{twelve}:{minute:02d} {half}"] * 2
    if minute == 0:
        forms += [f"{twelve} {half}", f"{twelve}{half}", f"{twelve} {half}"]
        forms += (
            [f"{_ONES[twelve]} in the {'morning' if hour < 12 else 'afternoon'}"] if 6 < hour < 18 else []
        )
    if 7 <= hour < 19:
        # spoken times carry no half of the day, so they are used where only one half makes sense
        forms += [f"half past {_ONES[twelve]}"] * 2 if minute == 30 else []
        forms += [f"quarter past {_ONES[twelve]}"] if minute == 15 else []
        forms += [f"quarter to {_ONES[twelve % 12 + 1]}"] if minute == 45 else []
        forms += [f"ten past {_ONES[twelve]}"] if minute == 10 else []
        forms += [f"{_ONES[twelve]} o'clock"] if minute == 0 else []
    return rng.choice(forms)


def date_text(day_of_year: int, rng: random.Random) -> str:
    """Returns a date (0..364 of a common year) as "14 March", "March 14" or "14th of March"."""
    lengths = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    month = 0
    while day_of_year >= lengths[month]:
        day_of_year -= lengths[month]
        month += 1
    day, name = day_of_year + 1, _MONTHS[month]
    suffix = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return rng.choice((f"{day} {name}", f"{name} {day}", f"{day}{suffix} of {name}", f"{day} {name}"))


@dataclass(frozen=True)
class Measure:
    """A quantity that a made-up thing has. ``name`` is a noun phrase with {s} for the thing; values lie in
    ``low``..``high`` (in steps of ``step``) and are written by ``text``. ``more`` and ``less`` are the words to
    compare with; ``deeds`` are yes/no questions with {v} that hold when the asked value is at most ("<="), or
    at least (">="), the edited one.
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


def _unit(one: str, many: str) -> Callable[[float, random.Random], str]:
    def text(value: float, rng: random.Random) -> str:
        number = f"{value:,.10g}" if value < 10_000 or rng.random() < 0.8 else f"{value:.10g}"
        if value == int(value) and value <= 60 and rng.random() < 0.35:
            number = spell(int(value))
        return f"{number} {one if value == 1 else many}"

    return text


def _days(value: float, rng: random.Random) -> str:
    days = int(value)
    if days % 7 == 0 and rng.random() < 0.5:
        weeks = days // 7
        name = rng.choice((str(weeks), spell(weeks)))
        return rng.choice(("a week", "one week")) if weeks == 1 else f"{name} weeks"
    return _unit("day", "days")(days, rng)


def _minutes(value: float, rng: random.Random) -> str:
    minutes = int(value)
    if minutes % 60 == 0 and rng.random() < 0.5:
        hours = minutes // 60
        return (
            rng.choice(("an hour", "one hour"))
            if hours == 1
            else f"{rng.choice((str(hours), spell(hours)))} hours"
        )
    if minutes == 90 and rng.random() < 0.4:
        return "an hour and a half"
    if minutes == 30 and rng.random() < 0.4:
        return "half an hour"
    return _unit("minute", "minutes")(minutes, rng)


def _months(value: float, rng: random.Random) -> str:
    months = int(value)
    if months % 12 == 0 and rng.random() < 0.6:
        years = months // 12
        return (
            rng.choice(("a year", "one year"))
            if years == 1
            else f"{rng.choice((str(years), spell(years)))} years"
        )
    return _unit("month", "months")(months, rng)


def _money(sign: str, name: str) -> Callable[[float, random.Random], str]:
    def text(value: float, rng: random.Random) -> str:
        digits = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
        return f"{digits} {name}" if rng.random() < 0.25 else f"{sign}{digits}"

    return text


def _percent(value: float, rng: random.Random) -> str:
    return rng.choice(
        (f"{value:g}%", f"{value:g}%", f"{value:g} %", f"{value:g} percent", f"{value:g} per cent")
    )


def _plain(value: float, rng: random.Random) -> str:
    return f"{value:,.0f}" if value >= 10_000 and rng.random() < 0.8 else f"{value:.10g}"


def _count(value: float, rng: random.Random) -> str:
    return spell(int(value)) if value < 60 and rng.random() < 0.4 else _plain(value, rng)


def _year(value: float, _: random.Random) -> str:
    return f"{value:.0f}"


def _clock(value: float, rng: random.Random) -> str:
    return clock(int(value), rng)


def _date(value: float, rng: random.Random) -> str:
    return date_text(int(value), rng)


_UNITS: dict[str, Callable[[float, random.Random], str]] = {
    "days": _days,
    "minutes": _minutes,
    "months": _months,
    "percent": _percent,
    "plain": _plain,
    "count": _count,
    "year": _year,
    "clock": _clock,
    "date": _date,
}


def _writer(unit: str) -> Callable[[float, random.Random], str]:
    """Returns the function that writes a value in a unit of ``data/measures.txt``."""
    if unit.startswith("money "):
        _, sign, name = unit.split(" ", 2)
        return _money(sign, name)
    if unit.startswith("unit "):
        one, many = unit.removeprefix("unit ").split("/")
        return _unit(one, many)
    return _UNITS[unit]


def _blocks(name: str) -> list[list[str]]:
    """Returns the blocks of lines of a data file, without its comments."""
    text = (files("serac_cli.training") / f"data/{name}").read_text("utf-8")
    blocks = ([line for line in block.splitlines() if line[:1] != "#"] for block in re.split(r"\n\n+", text))
    return [block for block in blocks if block]


@cache
def measures() -> tuple[Measure, ...]:
    """Returns the quantities of ``data/measures.txt``."""
    found = []
    for head, *lines in _blocks("measures.txt"):
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
                text=_writer(m[5]),
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


# --- evidence with figures, and claims about them ------------------------------------------------


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
    for head, *lines in _blocks("figures.txt"):
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

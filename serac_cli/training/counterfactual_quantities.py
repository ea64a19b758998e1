"""Quantities, times and dates, written as people write them: "45 days", "six weeks", "half past ten", "3 May"."""

import random
from collections.abc import Callable

__all__ = ["clock", "date_text", "spell", "writer"]

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
        unit = name.removesuffix("s") if value == 1 else name
        if value == int(value) and value <= 100 and rng.random() < 0.1:
            return f"{'a hundred' if value == 100 else spell(int(value))} {unit}"
        digits = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
        return f"{digits} {unit}" if rng.random() < 0.25 else f"{sign}{digits}"

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


def writer(unit: str) -> Callable[[float, random.Random], str]:
    """Returns the function that writes a value in a unit of ``data/measures.txt``."""
    if unit.startswith("money "):
        _, sign, name = unit.split(" ", 2)
        return _money(sign, name)
    if unit.startswith("unit "):
        one, many = unit.removeprefix("unit ").split("/")
        return _unit(one, many)
    return _UNITS[unit]

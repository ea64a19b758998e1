"""Made-up quantities, times and dates, and questions and claims that compare them.

An edit says "45 days"; people ask "after 30 days?", "more than six weeks?", "by half past ten?". The texts are
this project's own; the answers follow from arithmetic on the values, never from the wording.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from serac_cli.training.scope_templates import word
from serac_cli.training.sources import Evidence, Query
from store import Draft

__all__ = ["Measure", "clock", "contrast", "date_text", "measured_fact", "spell"]

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_MONTHS = (
    "January February March April May June July August September October November December"
).split()


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
        forms += [f"{_ONES[twelve]} in the {'morning' if hour < 12 else 'afternoon'}"] if 6 < hour < 18 else []
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
    more: tuple[str, ...] = ("more than", "over", "above", "greater than")
    less: tuple[str, ...] = ("less than", "under", "below", "fewer than")
    deeds: tuple[tuple[str, str], ...] = ()


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
        return rng.choice(("an hour", "one hour")) if hours == 1 else f"{rng.choice((str(hours), spell(hours)))} hours"
    if minutes == 90 and rng.random() < 0.4:
        return "an hour and a half"
    if minutes == 30 and rng.random() < 0.4:
        return "half an hour"
    return _unit("minute", "minutes")(minutes, rng)


def _months(value: float, rng: random.Random) -> str:
    months = int(value)
    if months % 12 == 0 and rng.random() < 0.6:
        years = months // 12
        return rng.choice(("a year", "one year")) if years == 1 else f"{rng.choice((str(years), spell(years)))} years"
    return _unit("month", "months")(months, rng)


def _money(sign: str, name: str) -> Callable[[float, random.Random], str]:
    def text(value: float, rng: random.Random) -> str:
        digits = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
        return f"{digits} {name}" if rng.random() < 0.25 else f"{sign}{digits}"

    return text


def _percent(value: float, rng: random.Random) -> str:
    return rng.choice((f"{value:g}%", f"{value:g}%", f"{value:g} %", f"{value:g} percent", f"{value:g} per cent"))


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


_LONGER = ("longer than", "more than", "over")
_SHORTER = ("shorter than", "less than", "under")
_LATER, _EARLIER = ("later than", "after"), ("earlier than", "before")

MEASURES = (
    Measure("the return period at {s}", "shop", 5, 120, 1, _days, ("How long can I return goods at {s}?", "Within how many days does {s} take returns?"), _LONGER, _SHORTER, (("Does {s} still take something back after {v}?", "<="), ("I bought it {v} ago. Can I still return it to {s}?", "<="), ("Is {v} too late for a return at {s}?", ">"))),
    Measure("the warranty on {s}", "product", 6, 72, 6, _months, ("How long is {s} under warranty?", "How long does the warranty on {s} last?"), _LONGER, _SHORTER, (("My {s} broke after {v}. Is it still under warranty?", "<="), ("Is {s} out of warranty after {v}?", ">"))),
    Measure("the notice period at {s}", "company", 7, 120, 7, _days, ("How much notice must I give at {s}?", "How long is the notice period at {s}?"), _LONGER, _SHORTER, (("Is {v} of notice enough at {s}?", ">="), ("Can I leave {s} with only {v} of notice?", ">="))),
    Measure("the opening time of {s}", "shop", 360, 720, 15, _clock, ("When does {s} open?", "From what time is {s} open?"), _LATER, _EARLIER, (("Is {s} already open at {v}?", ">="), ("I'll be outside {s} at {v}. Will I have to wait for it to open?", "<"))),
    Measure("the closing time of {s}", "shop", 840, 1380, 15, _clock, ("When does {s} close?", "Until what time is {s} open?"), _LATER, _EARLIER, (("Is {s} still open at {v}?", "<"), ("Can I still walk into {s} at {v}?", "<"), ("Is {s} shut by {v}?", ">="))),
    Measure("the check-out time at {s}", "hotel", 540, 840, 30, _clock, ("When do I have to check out of {s}?", "What time is check-out at {s}?"), _LATER, _EARLIER, (("May guests keep the room at {s} until {v}?", "<="), ("Do I have to be out of my room at {s} by {v}?", ">="))),
    Measure("the deadline for {s}", "event", 0, 364, 1, _date, ("When is the deadline for {s}?", "Until when can I register for {s}?"), _LATER, _EARLIER, (("Can I still sign up for {s} on {v}?", "<="), ("Is {v} too late for {s}?", ">"))),
    Measure("the date of {s}", "event", 0, 364, 1, _date, ("When does {s} take place?", "On which date is {s}?"), _LATER, _EARLIER, (("Will {s} be over by {v}?", ">"), ("Is {s} already over on {v}?", ">"), ("I'm only back on {v}. Have I missed {s}?", ">"))),
    Measure("the price of {s}", "product", 5, 900, 1, _money("€", "euros"), ("How much does {s} cost?", "What is the price of {s}?", "What do I pay for {s}?"), ("more than", "over", "dearer than", "above"), ("less than", "under", "cheaper than", "below"), (("Is {v} enough to buy {s}?", ">="), ("Can I get {s} for {v}?", ">="), ("Does {s} cost more than {v}?", "<"))),
    Measure("the entrance fee of {s}", "museum", 1, 40, 0.5, _money("£", "pounds"), ("How much is a ticket for {s}?", "What does it cost to get into {s}?"), ("more than", "over", "above"), ("less than", "under", "cheaper than"), (("I have {v} on me. Does that get me into {s}?", ">="), ("Is a ticket for {s} dearer than {v}?", "<"))),
    Measure("the minimum order at {s}", "shop", 10, 200, 5, _money("$", "dollars"), ("What is the minimum order at {s}?", "How much do I have to order at {s} at least?"), ("more than", "over", "above"), ("less than", "under", "below"), (("Can I order for {v} at {s}?", ">="), ("Is an order of {v} too small for {s}?", "<"))),
    Measure("the hotel limit at {s}", "company", 50, 400, 5, _money("$", "dollars"), ("How much may a hotel night cost at {s}?", "Up to what amount does {s} pay for a hotel?"), ("more than", "over", "above"), ("less than", "under", "below"), (("Does {s} pay for a hotel at {v}?", "<="), ("Is a room at {v} too expensive under the rules of {s}?", ">"))),
    Measure("the discount at {s}", "shop", 5, 60, 5, _percent, ("How big is the discount at {s}?", "How much off do I get at {s}?"), ("more than", "over", "bigger than"), ("less than", "under", "smaller than")),
    Measure("the maximum group size at {s}", "museum", 5, 60, 1, _count, ("How many people may be in a group at {s}?", "How large may a group at {s} be?"), ("more than", "over", "above"), ("less than", "under", "below"), (("Can a group of {v} visit {s} together?", "<="), ("Is a group of {v} too big for {s}?", ">"))),
    Measure("the minimum age for {s}", "event", 5, 21, 1, _count, ("How old do you have to be for {s}?", "From what age can people go to {s}?"), ("more than", "over", "above"), ("less than", "under", "below"), (("My daughter is {v}. Is she old enough for {s}?", ">="), ("Is somebody of {v} too young for {s}?", "<"))),
    Measure("the capacity of {s}", "stadium", 800, 90000, 100, _plain, ("How many people fit into {s}?", "What is the capacity of {s}?"), ("more than", "over", "above"), ("less than", "under", "fewer than", "below"), (("Do {v} people fit into {s}?", "<="),)),
    Measure("the number of employees of {s}", "company", 20, 9000, 10, _plain, ("How many people work at {s}?", "How many employees does {s} have?"), ("more than", "over", "above"), ("less than", "under", "fewer than")),
    Measure("the founding year of {s}", "company", 1850, 2024, 1, _year, ("When was {s} founded?", "In which year was {s} founded?"), _LATER, _EARLIER, (("Did {s} already exist in {v}?", ">="), ("Was {s} founded before {v}?", ">"), ("Was {s} founded after {v}?", "<"))),
    Measure("the year of {s}", "work", 1900, 2024, 1, _year, ("When did {s} come out?", "In what year was {s} released?"), _LATER, _EARLIER, (("Had {s} been released by {v}?", ">="), ("Did {s} come out after {v}?", "<"), ("Is {s} older than {v}?", ">"))),
    Measure("the length of {s}", "song", 90, 480, 5, _unit("second", "seconds"), ("How long is {s}?", "What is the running time of {s}?"), _LONGER, _SHORTER),
    Measure("the running time of {s}", "work", 60, 210, 5, _minutes, ("How long is {s}?", "What is the running time of {s}?"), _LONGER, _SHORTER, (("I have {v}. Is that enough to watch {s} to the end?", ">="),)),
    Measure("the tank of {s}", "product", 0.5, 6, 0.1, _unit("litre", "litres"), ("How much goes into the tank of {s}?", "How big is the tank of {s}?"), ("more than", "bigger than", "over"), ("less than", "smaller than", "under"), (("Can I pour {v} into the tank of {s}?", "<="),)),
    Measure("the weight of {s}", "product", 1, 90, 0.5, _unit("kilogram", "kilograms"), ("How heavy is {s}?", "What does {s} weigh?"), ("more than", "heavier than", "over"), ("less than", "lighter than", "under"), (("My shelf takes {v}. Can it hold {s}?", ">="),)),
    Measure("the battery life of {s}", "product", 2, 48, 1, _unit("hour", "hours"), ("How long does the battery of {s} last?", "What is the battery life of {s}?"), _LONGER, _SHORTER, (("Will {s} run for {v} on one charge?", "<="),)),
    Measure("the speed of {s}", "plan", 10, 2000, 10, _unit("Mbps", "Mbps"), ("How fast is {s}?", "What speed does {s} have?"), ("more than", "faster than", "over"), ("less than", "slower than", "under"), (("Do I get at least {v} on {s}?", "<="),)),
    Measure("the rate limit of {s}", "service", 10, 5000, 10, _unit("request", "requests"), ("How many requests per minute does {s} allow?", "What is the rate limit of {s}?"), ("more than", "higher than", "over"), ("less than", "lower than", "fewer than", "under"), (("Does {s} let {v} a minute through?", "<="), ("Is a client with {v} a minute throttled by {s}?", ">"))),
    Measure("the timeout of {s}", "service", 1, 120, 1, _unit("second", "seconds"), ("After how long does {s} time out?", "What is the timeout of {s}?"), _LONGER, _SHORTER, (("A call to {s} takes {v}. Does it time out?", ">"),)),
    Measure("the daily dose of {s}", "substance", 5, 1000, 5, _unit("milligram", "milligrams"), ("How much {s} may an adult take per day?", "What is the maximum daily dose of {s}?"), ("more than", "higher than", "above", "over"), ("less than", "lower than", "under"), (("May an adult take {v} of {s} in a day?", "<="), ("Is {v} of {s} a day too much?", ">"))),
    Measure("the melting point of {s}", "substance", 20, 900, 1, _unit("degree", "degrees"), ("At what temperature does {s} melt?", "What is the melting point of {s}?"), ("more than", "higher than", "above"), ("less than", "lower than", "below"), (("Is {s} still solid at {v}?", "<"), ("Has {s} melted at {v}?", ">="))),
    Measure("the height of {s}", "place", 100, 6000, 1, _unit("metre", "metres"), ("How high is {s}?", "What is the height of {s}?"), ("more than", "higher than", "over"), ("less than", "lower than", "under")),
    Measure("the population of {s}", "place", 300, 900_000, 10, _plain, ("How many people live in {s}?", "What is the population of {s}?"), ("more than", "over", "above"), ("less than", "under", "fewer than", "below")),
    Measure("the membership fee of {s}", "team", 20, 600, 5, _money("€", "euros"), ("What does membership of {s} cost?", "How much is the membership fee of {s}?"), ("more than", "over", "higher than"), ("less than", "under", "lower than"), (("Does {v} cover the fee of {s}?", ">="),)),
)  # fmt: skip
"""What is compared; each line is one kind of quantity."""

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
    measure = rng.choice(MEASURES)
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
            ("{n} is {v}.", "{n} is now {v}.", "{n} has been changed to {v}.", "From now on {m} is {v}.", "{n}: {v}.")
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
            text = "Is {n} not {c} {v}?" if negated else rng.choice(("Is {n} {c} {v}?", "Is {n} really {c} {v}?"))
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

_SENTENCES = (
    ("place", "As of {date} {year} , there have been {a} confirmed cases and {b} recorded deaths in {s} .", ("{s} had {c} {a} confirmed cases by {date} {year} .", "There were {c} {a} confirmed cases in {s} .", "{C} {a} people in {s} had tested positive as of {date} ."), ("{s} recorded {c} {b} deaths .", "{C} {b} people had died in {s} as of {date} ."), (40, 90_000), (0, 900)),
    ("place", "A total of {a} tests have been processed in {s} , of which {b} came back positive .", ("{s} has carried out {c} {a} tests .", "{C} {a} tests were processed in {s} ."), ("{C} {b} tests in {s} were positive .", "{s} found {c} {b} infections ."), (300, 90_000), (5, 2000)),
    ("work", "On Rotten Tomatoes , {s} holds an approval rating of {b} % based on {a} reviews .", ("{s} was reviewed by {c} {a} critics on Rotten Tomatoes .", "The score of {s} is based on {c} {a} reviews .", "{C} {a} critics reviewed {s} ."), ("{s} holds a rating of {c} {b} % on Rotten Tomatoes .", "{s} has an approval rating of {c} {b} percent .", "{C} {b} % of the reviews of {s} were positive ."), (8, 420), (3, 99)),
    ("work", "The film {s} grossed $ {a} million worldwide against a production budget of $ {b} million .", ("{s} earned {c} $ {a} million at the box office .", "{s} grossed {c} {a} million dollars worldwide .", "The worldwide takings of {s} were {c} $ {a} million ."), ("{s} had a budget of {c} $ {b} million .", "{s} cost {c} $ {b} million to make ."), (2, 900), (1, 250)),
    ("song", "The music video of {s} , released in {year} , has received over {a} million views and {b} million likes .", ("{s} has been viewed {c} {a} million times .", "The video of {s} reached {c} {a} million views ."), ("{s} has {c} {b} million likes .",), (3, 2000), (1, 90)),
    ("song", "{s} peaked at number {b} in the charts and spent {a} weeks in the top forty .", ("{s} was in the top forty for {c} {a} weeks .", "{s} stayed in the top forty for {c} {a} weeks ."), (), (2, 70), (1, 40)),
    ("band", "The album by {s} sold {a} copies in its first week and has been certified platinum {b} times .", ("The album by {s} sold {c} {a} copies in its first week .", "{s} sold {c} {a} copies within a week ."), ("{s} have been certified platinum {c} {b} times .",), (900, 900_000), (1, 12)),
    ("person", "{s} has made {a} appearances for the national team , scoring {b} goals .", ("{s} has won {c} {a} caps .", "{s} played {c} {a} matches for the national team ."), ("{s} has scored {c} {b} goals for the national team .", "{s} scored {c} {b} international goals ."), (3, 180), (0, 90)),
    ("person", "In the {year} season {s} played {a} games and averaged {b} points .", ("{s} appeared in {c} {a} games in {year} .", "{s} played {c} {a} games that season ."), ("{s} averaged {c} {b} points a game .", "In {year} {s} had an average of {c} {b} points ."), (5, 82), (1, 38)),
    ("person", "{s} , who has published {a} novels , was {b} years old when the first of them appeared .", ("{s} has written {c} {a} novels .", "{s} is the author of {c} {a} novels ."), ("{s} was {c} {b} years old when the first novel appeared .",), (2, 60), (17, 70)),
    ("team", "{s} won {a} of their matches in {year} and lost {b} .", ("{s} won {c} {a} matches in {year} .", "{C} {a} wins were recorded by {s} ."), ("{s} lost {c} {b} matches in {year} .",), (2, 40), (0, 30)),
    ("stadium", "{s} holds {a} spectators and was rebuilt {b} years after it had opened .", ("{s} can hold {c} {a} spectators .", "{C} {a} people fit into {s} ."), ("{s} was rebuilt {c} {b} years after it opened .",), (900, 95_000), (3, 90)),
    ("place", "{s} has a population of {a} according to the {year} census , and covers {b} square kilometres .", ("{s} has {c} {a} inhabitants .", "According to the census , {c} {a} people live in {s} .", "The population of {s} is {c} {a} ."), ("{s} covers {c} {b} square kilometres .",), (300, 900_000), (2, 900)),
    ("company", "{s} employs {a} people in {b} countries .", ("{s} has {c} {a} employees .", "{C} {a} people work for {s} ."), ("{s} is active in {c} {b} countries .", "{s} operates in {c} {b} countries ."), (30, 90_000), (1, 90)),
    ("company", "In {year} , {s} reported revenue of $ {a} million , of which {b} % came from abroad .", ("{s} reported revenue of {c} $ {a} million in {year} .", "The revenue of {s} was {c} $ {a} million ."), ("{C} {b} % of the revenue of {s} came from abroad .",), (3, 9000), (1, 95)),
    ("event", "{s} drew {a} visitors in {year} , and {b} exhibitors took part .", ("{s} was attended by {c} {a} people .", "{s} drew {c} {a} visitors in {year} ."), ("{C} {b} exhibitors took part in {s} .",), (200, 200_000), (4, 900)),
    ("book", "{s} has {a} pages and has been translated into {b} languages .", ("{s} is {c} {a} pages long .", "{s} has {c} {a} pages ."), ("{s} has been translated into {c} {b} languages .", "{s} is available in {c} {b} languages ."), (60, 1200), (1, 70)),
    ("software", "{s} sold {a} copies worldwide and received a score of {b} out of 100 from critics .", ("{s} sold {c} {a} copies .", "{C} {a} copies of {s} were sold worldwide ."), ("{s} got a score of {c} {b} from critics .", "Critics gave {s} {c} {b} out of 100 ."), (2000, 9_000_000), (20, 99)),
)  # fmt: skip
_MORE = ("more than", "over", "at least", "above", "more than", "more than")
_LESS = ("less than", "fewer than", "under", "less than", "at most", "fewer than")


def contrast(rng: random.Random, size: int = 6) -> Evidence:
    """Returns a made-up sentence of evidence with two figures, and ``size`` claims, half of them refuted."""
    subject, sentence, first, second, range_a, range_b = rng.choice(_SENTENCES)
    thing = word(subject, rng)
    a, b = _log_uniform(*range_a, rng), _log_uniform(*range_b, rng)
    year = rng.randint(1950, 2023)
    date = date_text(rng.randrange(365), rng)
    claims: list[Query] = []
    while len(claims) < size:
        templates, figure = (first, a) if not second or rng.random() < 0.6 else (second, b)
        text, true = _claim(rng.choice(templates), figure, a, b, rng)
        text = text.format(s=thing, date=date, year=year)
        claims.append(Query(text[0].upper() + text[1:], "claim", "SUPPORTS" if true else "REFUTES"))
    text = sentence.format(s=thing, a=_figure(a, rng), b=_figure(b, rng), date=date, year=year)
    if rng.random() < 0.3:
        text = text.replace(" .", ".").replace(" ,", ",").replace(" %", "%").replace("$ ", "$")
    return Evidence(text, "", tuple(claims))


def _claim(template: str, figure: int, a: int, b: int, rng: random.Random) -> tuple[str, bool]:
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


def _figure(value: int, rng: random.Random) -> str:
    if value < 20 and rng.random() < 0.3:
        return spell(value)
    return f"{value:,}" if rng.random() < 0.85 else str(value)


def _log_uniform(low: int, high: int, rng: random.Random) -> int:
    return round((low + 1) * ((high + 1) / (low + 1)) ** rng.random()) - 1

"""Edits about ties of family and authorship between people with long names, and the questions that ask back.

The answer to an inverse question is the subject's whole name, "Peter, Hereditary Prince of Norland", which a model
tends to cut short: these edits teach it to copy names to their end.
"""

import random
from collections.abc import Sequence

from serac_cli.counterfactual import ABSTAIN
from serac_cli.training.scope_forms import sloppy, yes_no
from serac_cli.training.scope_templates import similar_name, word
from serac_cli.training.sources import Query
from store import Draft

__all__ = ["kin_fact", "long_name"]

# A tie, how an edit asks for it, and how one asks back. [X] is the subject, [Y] the target.
_TIES = (
    (
        (
            "Who was [X]'s father?",
            "The father of [X] is whom?",
            "What is [X]'s father's name?",
            "[X]'s father is",
        ),
        (
            "Who is the son/daughter of [Y]?",
            "Who is [Y]'s child?",
            "Who is the child of [Y]?",
            "[Y] is the father of",
        ),
        ("Who is the father of [Y]?", "Who was the mother of [X]?"),
    ),
    (
        ("Who is the mother of [X]?", "Which lady gave birth to [X]?", "What was the name of [X] mother?"),
        (
            "Who is the child of [Y]?",
            "Who is the daughter of [Y]?",
            "Who is the son of [Y]?",
            "Whose mother is [Y]?",
        ),
        ("Who is the mother of [Y]?", "Who was the father of [X]?"),
    ),
    (
        ("What is [X]'s spouse's name?", "Who is [X] married to?", "The spouse of [X] is"),
        (
            "Who was the spouse of [Y]?",
            "Who is [Y]'s wife/husband?",
            "Who is [Y] married to?",
            "To whom is [Y] wed?",
        ),
        ("When did [X] marry?", "Who is [Y]'s brother?"),
    ),
    (
        ("Who is the sister of [X]?", "Who was [X]'s brother?", "What is the name of [X]'s sibling?"),
        ("Who is the brother of [Y]?", "Who is [Y]'s sister?", "Who is a sibling of [Y]?"),
        ("Who is the father of [X]?", "Who is [Y]'s wife?"),
    ),
    (
        ("Who is [X]'s child?", "What is the name of the child of [X]?", "[X] is the parent of"),
        ("Who is the parent of [Y]?", "Who is the mother or father of [Y]?", "Whose child is [Y]?"),
        ("Who is the child of [Y]?", "Who is [X]'s husband?"),
    ),
    (
        ("Who succeeded [X]?", "By whom was [X] succeeded?", "The successor of [X] was"),
        ("Whom did [Y] succeed?", "Who came before [Y]?", "[Y] was the successor of"),
        ("Who succeeded [Y]?", "Whom did [X] succeed?"),
    ),
    (
        ("What noble family is [X] part of?", "Which family does [X] belong to?", "What was [X]'s dynasty?"),
        ("Who was a member of [Y]?", "Which person belongs to [Y]?", "Who is part of [Y]?"),
        ("Who founded [Y]?", "Where was [X] born?"),
    ),
    (
        ("Who taught [X]?", "Who was the teacher of [X]?", "[X] was a student of"),
        ("Who was taught by [Y]?", "Who was a student of [Y]?", "Whom did [Y] teach?"),
        ("Who taught [Y]?", "What did [X] teach?"),
    ),
)
_NAMES = (
    "{first} {last}",
    "{first} {last}",
    "{first} {last}, {n} {rank} of {town}",
    "{first} {last}, {n} {rank} {town} of {last2}",
    "{title} {first} of {country}",
    "{title} {first} {first2} of {country}",
    "{first} {first2} of {country}",
    "{first} of {country}",
    "{first}, {rank} of {town}",
    "{title} {first}, {rank} of {town}",
    "{first} {roman} of {country}",
    "{first} {last} {roman}",
    "{first} {first2} {last}",
    "{first}-{first2} {last}",
    "{first} {last} of {town}",
    "{first} de {last}",
    "{first} {last} the {age}",
    "Sir {first} {last}, {n} Baronet",
    "{first} {last} ({trade})",
    "{first} von {last} zu {last2}",
    "{first}",
)
_FILLERS = {
    "title": (
        "Prince",
        "Princess",
        "Infanta",
        "Infante",
        "Grand Duke",
        "Grand Duchess",
        "Archduke",
        "Queen",
        "King",
    ),
    "rank": (
        *(
            "Duke",
            "Duchess",
            "Earl",
            "Baron",
            "Baroness",
            "Count",
            "Countess",
            "Marquess",
            "Viscount",
            "Lord",
        ),
        *("Hereditary Prince", "Electress", "Margrave", "Princess"),
    ),
    "n": ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "9th", "11th", "13th"),
    "roman": ("I", "II", "III", "IV", "V", "VI", "VIII"),
    "age": ("Elder", "Younger", "Great", "Bold", "Bald"),
    "trade": ("painter", "footballer", "politician", "singer", "born 1962"),
}


def long_name(rng: random.Random) -> str:
    """Returns a made-up name of a person, plain or with titles, numbers and places."""
    words = {name: rng.choice(values) for name, values in _FILLERS.items()}
    words |= {name: word(name, rng) for name in ("first", "last", "town", "country")}
    return rng.choice(_NAMES).format(first2=word("first", rng), last2=word("last", rng), **words)


def kin_fact(names: Sequence[str], rng: random.Random) -> tuple[Draft, tuple[Query, ...]]:
    """Returns an edit on a tie between two people, with inverse questions, yes/no questions and what it leaves open.

    Half of the subjects and targets are taken from ``names``, if there are any.
    """
    asked, back, open_ = rng.choice(_TIES)
    subject, target = (
        rng.choice(names) if names and rng.random() < 0.5 else long_name(rng) for _ in range(2)
    )
    if rng.random() < 0.15:
        target = similar_name(subject, rng)

    def filled(text: str, x: str = subject, y: str = target) -> str:
        return text.replace("[X]", x).replace("[Y]", y)

    prompt = rng.choice(asked)
    queries = [Query(filled(text), "inverse", subject) for text in rng.sample(back, 3)]
    queries.append(Query(sloppy(filled(rng.choice(back)), rng), "inverse", subject))
    queries.append(Query(filled(rng.choice(asked)), "paraphrase", target))
    question = next(text for text in asked if text.endswith("?"))
    wrong = similar_name(target, rng)
    queries.append(Query(yes_no(filled(question), target, rng), "yes_no", "Yes"))
    queries.append(Query(yes_no(filled(question), wrong, rng), "yes_no", "No"))
    queries.append(Query(filled(rng.choice(open_)), "other", ABSTAIN))
    queries.append(Query(filled(rng.choice(back), y=similar_name(target, rng)), "other", ABSTAIN))
    return Draft(filled(prompt), target), tuple(queries)

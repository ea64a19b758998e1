"""Groups of fact edits: hand-written ones, those of the public sets, and made-up ones from templates."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from serac_cli.counterfactual import ABSTAIN
from serac_cli.training import sources
from serac_cli.training.scope_forms import chatty, keywords, sloppy, yes_no
from serac_cli.training.scope_templates import (
    Attribute,
    Fill,
    attributes,
    fill,
    other_value,
    similar_name,
    word,
)
from serac_cli.training.sources import Fact, NaturalEdit, Query
from store import Draft

__all__ = [
    "Group",
    "abstained",
    "by_relation",
    "harder_first",
    "is_family_tie",
    "made_up_fact",
    "natural_edit",
    "public_fact",
    "real_fact",
    "statement_answer",
    "told_fact",
]


@dataclass(frozen=True)
class Group:
    """An edit and queries to it. ``Query.answer`` is what to say, or ABSTAIN.

    Of a stance edit, ``opposite`` has replies of the other side to its last query, which must become unlikely beside
    the answers and beside ``same``, replies of its own side that are compared with them rather than said.
    """

    edit: Draft
    queries: tuple[Query, ...]
    source: str
    opposite: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


def natural_edit(record: NaturalEdit, rng: random.Random, missed: frozenset[str] = frozenset()) -> Group:
    """A hand-written edit as question, cloze, statement, or in a paraphrase's words; sometimes turned round.

    ``missed`` are texts of queries to ask first.
    """
    record = _turned_round(record) if rng.random() < 0.2 else record
    answered = [q for q in record.inside if q.kind == "paraphrase" and q.answer == record.target]
    cloze = [q for q in record.inside if q.kind == "cloze" and q.answer == record.target]
    chance = rng.random()
    if chance < 0.3 or (not record.prompt and chance < 0.55):
        edit = Draft(record.statement)
    elif chance < 0.42 and answered:
        edit = Draft(rng.choice(answered).text, record.target)
    elif chance < 0.5 and cloze:
        edit = Draft(rng.choice(cloze).text, record.target)
    else:
        edit = Draft(record.prompt or record.statement, record.target if record.prompt else "")
    inside = harder_first(record.inside, missed, 6, rng)
    outside = harder_first(record.outside, missed, 6, rng)
    queries = [_varied(q, rng) if rng.random() < 0.1 else q for q in inside]
    return Group(edit, (*queries, *(abstained(q) for q in outside)), "natural_edits")


def _turned_round(record: NaturalEdit) -> NaturalEdit:
    """Swaps the new and the old value, keeping the queries whose answer follows."""
    new, old = record.target, record.old
    if not old or new not in record.statement or min(len(new), len(old)) < 3 or old in record.statement:
        return record
    queries = []
    for q in record.inside:
        if q.answer == new and old.casefold() not in q.text.casefold():
            queries.append(Query(q.text, q.kind, old))
        elif q.kind == "inverse" and new in q.text:
            queries.append(Query(q.text.replace(new, old), q.kind, q.answer))
        elif q.answer == "Yes" and new in q.text:
            queries.append(Query(q.text, "no", "No"))
            queries.append(Query(q.text.replace(new, old), "yes", "Yes"))
        elif q.answer == "No" and old in q.text:
            queries.append(Query(q.text, "yes", "Yes"))
            queries.append(Query(q.text.replace(old, new), "no", "No"))
    if len(queries) < 3:
        return record
    statement = record.statement.replace(new, old)
    outside = tuple(q for q in record.outside if new not in q.text)
    return NaturalEdit(record.prompt, old, statement, new, record.domain, tuple(queries), outside)


def harder_first(
    queries: Sequence[Query], missed: frozenset[str], count: int, rng: random.Random
) -> list[Query]:
    """Returns ``count`` of the queries, or all; where any are missed, two thirds are those, with few others beside."""
    hard = [q for q in queries if q.text in missed]
    easy = [q for q in queries if q.text not in missed]
    if missed:
        hard = rng.sample(hard, min(len(hard), 2 * count // 3))
        count = min(count, len(hard) + max(2, len(hard) // 2))
    return [*hard, *rng.sample(easy, min(len(easy), count - len(hard)))]


def by_relation(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    """Returns the facts by what they ask: the prompt without its subject."""
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(_relation(fact), []).append(fact)
    return found


def _relation(fact: Fact) -> str:
    return fact.prompt.replace(fact.subject, "[X]")


def public_fact(fact: Fact, relations: dict[str, list[Fact]], rng: random.Random) -> Group:
    """A record of a public set: its own queries, yes/no questions made from them, and a near-miss."""
    target = fact.target.strip()
    others = relations[_relation(fact)]
    if rng.random() < 0.25:
        target = rng.choice(others).target.strip()
    edit = Draft(fact.prompt, target)
    own = [q for q in fact.inside if q.answer.strip() == fact.target.strip()]
    queries = [Query(q.text, q.kind, target) for q in rng.sample(own, min(3, len(own)))]
    if rng.random() < 0.3:
        queries.append(Query(fact.prompt, "same", target))
    queries = [_varied(q, rng) if rng.random() < 0.2 else q for q in queries]
    asked = [fact.prompt, *(q.text for q in fact.inside if q.kind != "one_hop")]
    wrong = (
        [fact.old] if fact.old and fact.old != target and rng.random() < 0.5 else [rng.choice(others).target]
    )
    queries.append(_yes_no(rng.choice(asked), target, "Yes", rng))
    queries += [_yes_no(rng.choice(asked), value, "No", rng) for value in wrong if value.strip() != target]
    if len(fact.subject.split()) > 1 and rng.random() < 0.4:
        short = _short_name(fact.subject, rng)
        queries.append(Query(fact.prompt.replace(fact.subject, short), "alias", target))
    if asked_back := _inverse(fact, target, rng):
        queries.append(asked_back)
    if rng.random() < 0.5:
        if fact.outside and rng.random() < 0.6:
            queries.append(abstained(rng.choice(fact.outside)))
        else:
            queries.append(Query(rng.choice(others).prompt, "other", ABSTAIN))
    return Group(edit, tuple(queries), fact.source)


_FAMILY = (
    (r"\b(father|mother|parent|dad|mom)\b", ("child", "son", "daughter", "son/daughter", "kid", "offspring")),
    (r"\b(child|son|daughter|kid)\b", ("parent", "father", "mother", "father/mother", "mother or father")),
    (r"\b(spouse|wife|husband|married|partner)\b", ("spouse", "wife", "husband", "wife/husband", "partner")),
    (r"\b(sibling|sister|brother)\b", ("sibling", "brother", "sister", "brother or sister")),
)
_WHO = (
    "Who is the {r} of {v}?",
    "Who is {v}'s {r}?",
    "Who was the {r} of {v}?",
    "{v}'s {r} is",
    "Name a {r} of {v}.",
)


def is_family_tie(fact: Fact) -> bool:
    """Returns whether the edit is about somebody's parent, child, spouse or sibling."""
    return any(re.search(pattern, fact.prompt) for pattern, _ in _FAMILY)


def _inverse(fact: Fact, target: str, rng: random.Random) -> Query | None:
    """Returns the question that asks back from the target to the subject, for ties of family."""
    for pattern, ties in _FAMILY:
        if re.search(pattern, fact.prompt):
            text = rng.choice(_WHO).format(r=rng.choice(ties), v=target)
            return Query(text, "inverse", fact.subject)
    return None


def told_fact(fact: Fact, rng: random.Random) -> Group | None:
    """A statement with questions whose answer is found in it."""
    answer = statement_answer(fact.prompt, [q.text for q in fact.inside])
    if not answer:
        return None
    asked = rng.sample(fact.inside, min(3, len(fact.inside)))
    queries = [Query(q.text, "paraphrase", answer) for q in asked]
    queries = [_varied(q, rng) if rng.random() < 0.2 else q for q in queries]
    queries.append(_yes_no(rng.choice(fact.inside).text, answer, "Yes", rng))
    queries.append(_yes_no(rng.choice(fact.inside).text, similar_name(answer, rng), "No", rng))
    return Group(Draft(fact.prompt + rng.choice(("", "."))), tuple(queries), "mquake")


def statement_answer(statement: str, questions: Sequence[str]) -> str:
    """Returns the words at the statement's end that no question has, which are what the questions ask for, or "".

    "Taoism was founded by Juliette Gordon Low" with "Who founded Taoism?" gives "Juliette Gordon Low".
    """
    asked = {stem for q in questions for stem in _stems(q)}
    words = statement.rstrip(". ").split()
    tail: list[str] = []
    for w in reversed(words):
        if not _stems(w) - asked:
            break
        tail.insert(0, w)
    while tail and tail[0] in (
        "is",
        "was",
        "by",
        "in",
        "of",
        "the",
        "are",
        "to",
        "on",
        "with",
        "from",
        "at",
        "for",
    ):
        tail.pop(0)
    return " ".join(tail) if 0 < len(tail) < len(words) else ""


def _stems(text: str) -> set[str]:
    return {w.removesuffix("s") for w in re.findall(r"\w+", text.casefold())}


def made_up_fact(attribute: Attribute, rng: random.Random) -> Group:
    """An attribute of a made-up thing, from templates."""
    return _templated(fill(attribute, rng), "attributes", rng)


def real_fact(
    attribute: Attribute, known: dict[str, list[sources.EntityQuestion]], rng: random.Random
) -> Group | None:
    """A property of a real subject with another subject's value: it contradicts what the model may know."""
    subject, other = rng.choice(known[attribute.relation]), rng.choice(known[attribute.relation])
    filled = Fill(attribute, subject.subject, rng.choice(other.answers))
    return _templated(filled, "relations", rng, truth=subject.answers[0])


def _templated(filled: Fill, source: str, rng: random.Random, truth: str = "") -> Group:
    attribute, value = filled.attribute, filled.value
    statement = filled.render("statement", rng) or ""
    cloze = filled.render("cloze", rng)
    chance = rng.random()
    if chance < 0.3 and statement:
        edit = Draft(statement)
    elif chance < 0.5 and cloze:
        edit = Draft(cloze, value)
    else:
        edit = Draft(filled.render("question", rng) or statement, value)

    def wrong() -> str:
        chance = rng.random()
        if truth and truth != value and chance < 0.4:
            return truth
        return other_value(value, attribute.value, rng)

    queries: list[Query] = []
    for form in rng.sample(("question", "question", "cloze", "keyword", "indirect", "inverse", "inverse"), 4):
        if text := filled.render(form, rng):
            answer = filled.subject if form == "inverse" else value
            queries.append(Query(text, form, answer))
    queries = [_varied(q, rng) if rng.random() < 0.25 else q for q in queries]
    for answer in rng.sample(("Yes", "No", "Yes", "No", "negated"), 3):
        if answer == "negated":
            true = rng.random() < 0.5
            queries.append(
                _negated(filled.render("statement", rng, value if true else wrong()) or "", true, rng)
            )
            continue
        asked = value if answer == "Yes" else wrong()
        if rng.random() < 0.7 and (text := filled.render("yes_no", rng, asked)):
            queries.append(Query(text, "yes_no", answer))
        else:
            queries.append(_yes_no(filled.render("question", rng) or "", asked, answer, rng))
    if len(filled.subject.split()) > 1 and rng.random() < 0.25:
        short = Fill(attribute, _short_name(filled.subject, rng), value, filled.slots)
        queries.append(Query(short.render("question", rng) or "", "alias", value))
    for near in rng.sample(_near_misses(filled, rng), 2):
        form = rng.choice(("question", "question", "cloze", "yes_no", "keyword"))
        if text := near.render(form, rng):
            queries.append(Query(text, "near", ABSTAIN))
    return Group(edit, tuple(q for q in queries if q.text), source)


def _near_misses(filled: Fill, rng: random.Random) -> list[Fill]:
    """Returns the same attribute of two other subjects, and another attribute of the same subject."""
    attribute = filled.attribute
    siblings = [a for a in attributes() if a.subject == attribute.subject and a.name != attribute.name]
    near = [
        Fill(attribute, similar_name(filled.subject, rng), filled.value, filled.slots),
        Fill(attribute, word(attribute.subject, rng), filled.value, filled.slots),
    ]
    if siblings:
        near.append(fill(rng.choice(siblings), rng, filled.subject))
    if other := filled.other_slot(rng):
        near.append(other)
    return [n for n in near if (n.attribute, n.subject, n.slots) != (attribute, filled.subject, filled.slots)]


_NEGATIONS = (
    "Is it false that {}?",
    "Is it wrong to say that {}?",
    "Is it untrue that {}?",
    "Would I be mistaken in thinking that {}?",
)
_AFFIRMATIONS = (
    "Is it true that {}?",
    "Is it correct that {}?",
    "Am I right that {}?",
    "Would it be right to say that {}?",
    "{}, right?",
)


def _negated(statement: str, true: bool, rng: random.Random) -> Query:
    """Returns a question on whether a statement is false, or, as often, whether it is true."""
    said = statement.rstrip(".")
    if rng.random() < 0.5:
        return Query(rng.choice(_NEGATIONS).format(said), "negated", "No" if true else "Yes")
    text = rng.choice(_AFFIRMATIONS).format(said)
    return Query(text, "yes_no", "Yes" if true else "No")


def _yes_no(question: str, value: str, answer: str, rng: random.Random) -> Query:
    value = value.strip()
    if question.rstrip().endswith("?"):
        if rng.random() < 0.08:
            text = f"Is {value} the wrong answer to: {question}"
            return Query(text, "negated", "No" if answer == "Yes" else "Yes")
        return Query(yes_no(question, value, rng), "yes_no", answer)
    if re.search(r"[.?!] [A-Z]", question):
        return Query(f"{question} {value}, is that right?", "yes_no", answer)
    return _negated(f"{question} {value}", answer == "Yes", rng)


def _short_name(name: str, rng: random.Random) -> str:
    """Returns another way to write a name: without its first or last word, or with an initial."""
    parts = name.split()
    ways = [" ".join(parts[1:]), f"{parts[0][0]}. {' '.join(parts[1:])}", name.casefold()]
    if len(parts) > 2:
        ways += [f"{parts[0]} {parts[-1]}", " ".join(parts[:-1])]
    return rng.choice(ways)


def _varied(query: Query, rng: random.Random) -> Query:
    """Returns the query as typed in haste, as search words, or with small talk round it."""
    change = rng.choice((sloppy, sloppy, keywords, chatty))
    if change is keywords and query.answer in ("Yes", "No"):
        change = sloppy
    return Query(change(query.text, rng), query.kind, query.answer)


def abstained(query: Query) -> Query:
    """Returns a query that the edit does not settle, with the abstention as its answer."""
    return Query(query.text, query.kind, ABSTAIN)

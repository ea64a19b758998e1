"""What the counterfactual model learns from: edits, each with queries and the answers it should give.

A :class:`Group` is one edit with several queries, because they share the edit's tokens in a training row. The
hand-written sets are seen several times, in another form each time; the public sets and the templates give breadth.
Most targets contradict what the model believes, and some of the hand-written edits are turned round (the old value
becomes the new one), so that the model has to read the edit. Queries that the edit does not settle are answered by
:data:`~serac_cli.counterfactual.ABSTAIN`.
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serac_cli.counterfactual import ABSTAIN
from serac_cli.training import sources
from serac_cli.training.counterfactual_numbers import contrast, measured_fact
from serac_cli.training.scope_forms import chatty, keywords, sloppy, yes_no
from serac_cli.training.scope_templates import Attribute, Fill, attributes, fill, similar_name, word
from serac_cli.training.sources import Evidence, Fact, NaturalEdit, Opinions, Query, Stance
from store import Draft, Kind

__all__ = ["WEIGHTS", "Group", "Source", "load_sources", "statement_answer"]


@dataclass(frozen=True)
class Group:
    """An edit and queries to it. ``Query.answer`` is what to say, or ABSTAIN; ``opposite`` has replies of the
    other side to the last query of a stance edit, which must become unlikely.
    """

    edit: Draft
    queries: tuple[Query, ...]
    source: str
    opposite: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A named supply of groups: ``make(record, rng)`` turns one of ``records`` into a group, or None."""

    name: str
    records: Sequence[Any]
    make: Callable[[Any, random.Random], Group | None]


WEIGHTS = {
    "natural_edits": 0.17,
    "numbers": 0.04,
    "attributes": 0.05,
    "relations": 0.04,
    "zsre": 0.06,
    "counterfact": 0.02,
    "knowedit": 0.02,
    "mquake": 0.02,
    "natural_evidence": 0.12,
    "fever_symmetric": 0.10,
    "fool_me_twice": 0.11,
    "creak": 0.03,
    "contrast": 0.07,
    "told": 0.03,
    "edit_evidence": 0.05,
    "natural_stance": 0.03,
    "convsent": 0.04,
}
"""Share of the groups of each source."""


def load_sources(data: Path, excluded: frozenset[str]) -> dict[str, Source]:
    """Returns the sources of a directory of training sets, without records about an excluded subject.

    Templates need no files; sets whose files are missing are left out.
    """
    found: dict[str, Source] = {}

    def add(name: str, records: Iterable[Any], make: Callable[[Any, random.Random], Group | None]) -> None:
        found[name] = Source(name, tuple(records), make)

    def facts(records: Iterable[Fact]) -> list[Fact]:
        return [fact for fact in records if sources.keep(fact.subject, excluded) and fact.target]

    def file(name: str) -> Path | None:
        return data / name if (data / name).exists() else None

    if path := file("natural_edits.jsonl"):
        edits = sources.natural_edits(path)
        add("natural_edits", edits, natural_edit)
        add("edit_evidence", edits, lambda record, rng: edit_evidence(record, edits, rng))
    if path := file("natural_evidence.jsonl"):
        add("natural_evidence", sources.natural_evidence(path), evidence)
    if path := file("natural_stance.jsonl"):
        add("natural_stance", sources.natural_stance(path), stance)
    if path := file("zsre_train.json"):
        kept = facts(sources.zsre(path))
        same_question = by_relation(kept)
        add("zsre", kept, lambda fact, rng: public_fact(fact, same_question, rng))
    paths = [path for name in ("counterfact-train.json", "counterfact-edit.json") if (path := file(name))]
    if paths:
        clozes = facts(sources.counterfact(*paths))
        if path := file("wikifactdiff_train.json"):
            clozes += facts(sources.wikifactdiff(path))
        same_cloze = by_relation(clozes)
        add("counterfact", clozes, lambda fact, rng: public_fact(fact, same_cloze, rng))
    names = ("knowedit_wiki_counterfact_train.json", "knowedit_wiki_recent_train.json")
    paths = [path for name in names if (path := file(name))]
    if paths:
        aliased = [f for f in facts(sources.knowedit(*paths)) if not f.target.endswith("T00:00:00Z")]
        same_property = by_relation(aliased)
        add("knowedit", aliased, lambda fact, rng: public_fact(fact, same_property, rng))
    if path := file("mquake_edit_questions.json"):
        kept_statements = [f for f in sources.mquake(path) if not sources.mentions(f.prompt, excluded)]
        add("mquake", kept_statements, told_fact)
    if path := file("fever_symmetric"):
        kept_evidence = [e for e in sources.fever_symmetric(path) if not sources.mentions(e.text, excluded)]
        add("fever_symmetric", kept_evidence, evidence)
    if path := file("fool_me_twice.jsonl"):
        add(
            "fool_me_twice",
            [e for e in sources.fool_me_twice(path) if sources.keep(e.page, excluded)],
            evidence,
        )
    if path := file("creak_train.jsonl"):
        add("creak", [e for e in sources.creak(path) if sources.keep(e.page, excluded)], evidence)
    if path := file("convsent_train.json"):
        opinions = [o for o in sources.convsent(path) if sources.keep(o.entity, excluded)]
        add("convsent", opinions, opinion)

    add("numbers", range(1000), lambda _, rng: Group(*_tupled(measured_fact(rng)), "numbers"))
    add("told", attributes(), told_evidence)
    add("contrast", range(1000), lambda _, rng: evidence(contrast(rng), rng))
    add("attributes", attributes(), made_up_fact)
    if path := file("entityquestions"):
        subjects: dict[str, list[sources.EntityQuestion]] = {}
        for question in sources.entityquestions(path):
            if sources.keep(question.subject, excluded):
                subjects.setdefault(question.relation, []).append(question)
        known = [a for a in attributes() if a.relation in subjects]
        add("relations", known, lambda attribute, rng: real_fact(attribute, subjects, rng))
    return found


def _tupled(pair: tuple[Draft, list[Query]]) -> tuple[Draft, tuple[Query, ...]]:
    return pair[0], tuple(pair[1])


# --- facts ---------------------------------------------------------------------------------------


def natural_edit(record: NaturalEdit, rng: random.Random) -> Group:
    """A hand-written edit as question, cloze, statement, or in a paraphrase's words; sometimes turned round."""
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
    inside = rng.sample(record.inside, min(len(record.inside), 8))
    outside = rng.sample(record.outside, min(len(record.outside), 2))
    queries = [_varied(q, rng) if rng.random() < 0.1 else q for q in inside]
    return Group(edit, (*queries, *(_abstained(q) for q in outside)), "natural_edits")


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
            queries.append(_abstained(rng.choice(fact.outside)))
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
        other = similar_name(value, rng) if chance < 0.6 else word(attribute.value, rng)
        return other if other != value else f"{other} II"

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


def _abstained(query: Query) -> Query:
    return Query(query.text, query.kind, ABSTAIN)


# --- evidence and opinions -----------------------------------------------------------------------


def evidence(record: Evidence, rng: random.Random) -> Group:
    """A sentence of evidence with its claims; NOT ENOUGH INFO is an abstention."""
    claims = rng.sample(record.claims, min(len(record.claims), 8))
    queries = (Query(c.text, c.kind, ABSTAIN if c.answer == "NOT ENOUGH INFO" else c.answer) for c in claims)
    return Group(Draft(record.text, kind=Kind.EVIDENCE), tuple(queries), "evidence")


def edit_evidence(record: NaturalEdit, others: Sequence[NaturalEdit], rng: random.Random) -> Group | None:
    """The statement of a hand-written edit, perhaps among others, as evidence; its clozes, finished, as claims."""
    clozes = [q.text for q in record.inside if q.kind == "cloze" and q.answer == record.target]
    if record.prompt and not record.prompt.endswith("?"):
        clozes.append(record.prompt)
    if not clozes:
        return None
    wrong = [
        value for value in (record.old, similar_name(record.target, rng)) if value and value != record.target
    ]
    claims = []
    for _ in range(4):
        true = rng.random() < 0.5
        claim = f"{rng.choice(clozes)} {record.target if true else rng.choice(wrong)}."
        claims.append(Query(claim, "claim", "SUPPORTS" if true else "REFUTES"))
    other = rng.choice(others)
    if unsettled := [q.text for q in other.inside if q.kind == "cloze"]:
        claims.append(Query(f"{unsettled[0]} {other.target}.", "claim", ABSTAIN))
    told = [record.statement, *(rng.choice(others).statement for _ in range(rng.choice((0, 0, 1))))]
    text = " ".join(rng.sample(told, len(told)))
    return Group(Draft(text, kind=Kind.EVIDENCE), tuple(claims), "edit_evidence")


def told_evidence(attribute: Attribute, rng: random.Random) -> Group:
    """Two or three made-up statements about one thing as evidence; claims repeat, change or go beyond them."""
    first = fill(attribute, rng)
    siblings = [a for a in attributes() if a.subject == attribute.subject and a.name != attribute.name]
    others = [fill(a, rng, first.subject) for a in rng.sample(siblings, min(3, len(siblings)))]
    told = [first, *others[: rng.choice((1, 1, 2))]]
    text = " ".join(f.render("statement", rng) or "" for f in rng.sample(told, len(told)))
    queries = []
    for f in (*told, *told):
        true = rng.random() < 0.5
        value = f.value if true else rng.choice((similar_name(f.value, rng), word(f.attribute.value, rng)))
        if true or value != f.value:
            claim = f.render("statement", rng, value) or ""
            if rng.random() < 0.2:
                claim, true = f"It is not the case that {claim}", not true
            queries.append(Query(claim, "claim", "SUPPORTS" if true else "REFUTES"))
    if len(others) == 3:
        queries.append(Query(others[2].render("statement", rng) or "", "claim", ABSTAIN))
    return Group(Draft(text, kind=Kind.EVIDENCE), tuple(queries), "told")


_ASKS = (
    "What do you think of {}?",
    "What do you think about {}?",
    "How do you feel about {}?",
    "What is your opinion of {}?",
    "What's your view on {}?",
    "Do you like {}?",
    "Any thoughts on {}?",
    "What are your thoughts on {}?",
    "Tell me what you think of {}.",
    "What's your stance on {}?",
    "What is your position on {}?",
    "Give me your honest opinion of {}.",
    "{}: yay or nay?",
)
_NO_OPINION = re.compile(
    r"(never (been|heard|seen|watched|read)|don't (really )?(know|have)|do not have|not sure|no (idea|opinion)|"
    r"not (really )?familiar|don't think I|haven't|positive or negative|who that is|what that is)",
    re.IGNORECASE,
)


_SIDES = {
    "positive": (
        "I love {}.", "I really like {}.", "I'm a big fan of {}.", "I think {} is wonderful.", "I think {} is great.",
        "I have a very good opinion of {}.", "I'm all for {}.", "I enjoy {} a lot.", "{} makes me happy.",
        "I admire {}.", "For me {} is a real delight.", "I feel very positive about {}.", "I'm very fond of {}.",
        "I'd happily recommend {} to anyone.", "Honestly, I adore {}.", "{}? I love it, it's excellent.",
    ),
    "negative": (
        "I hate {}.", "I really dislike {}.", "I'm no fan of {}, it's bad.", "I think {} is awful.",
        "I think {} is terrible.", "I have a very bad opinion of {}.", "I'm against {}.",
        "I can't stand {}, it's horrible.", "{} makes me miserable.", "I despise {}.",
        "For me {} is a real disappointment.", "I feel very negative about {}.", "I'm sick of {}, it's dreadful.",
        "I'd warn anyone against {}, it's bad.", "Honestly, I loathe {}.", "{}? I hate it, it's awful.",
    ),
}  # fmt: skip
_ADD = {
    "positive": (
        "There is so much good in it.", "I could talk about it with joy for hours.", "Nothing but good things to say!",
        "It's one of my favourites.", "The more I see of it, the happier I am.", "It's well worth the time.", "", "",
        "I hope for much more of it.", "It never fails to please me.",
    ),
    "negative": (
        "There is nothing good about it.", "I'd rather not waste my time on it.", "It has only ever annoyed me.",
        "I wish I had never come across it.", "The more I see of it, the worse it gets.", "It's a waste of time.",
        "", "", "I'd be glad to hear no more of it.", "It never fails to disappoint me.",
    ),
}  # fmt: skip


def _plain_reply(topic: str, side: str, rng: random.Random, more: str = "") -> str:
    """Returns a reply that names the topic and takes the side in plain words, perhaps with ``more`` after it."""
    first = rng.choice(_SIDES[side]).format(topic)
    return f"{first[0].upper()}{first[1:]} {more or rng.choice(_ADD[side])}".strip()


def stance(record: Stance, rng: random.Random) -> Group:
    """A topic with ways to ask and replies of one side, and the other side's replies as what not to say."""
    positive = rng.random() < 0.5
    replies, opposite = (record.positive, record.negative) if positive else (record.negative, record.positive)
    replies = tuple(rng.sample(replies, min(3, len(replies))))
    asks = [rng.choice((*record.asks, rng.choice(_ASKS).format(record.topic))) for _ in replies]
    side = "positive" if positive else "negative"
    queries = []
    for ask, reply in zip(asks, replies, strict=True):
        chance = rng.random()
        said = reply if chance < 0.3 else _plain_reply(record.topic, side, rng, reply if chance < 0.6 else "")
        queries.append(Query(ask, "ask", said))
    outside = [_abstained(rng.choice(record.outside))] if record.outside and rng.random() < 0.6 else []
    edit = Draft(record.topic, side, Kind.STANCE)
    return Group(
        edit, (*outside, *queries), "natural_stance", tuple(rng.sample(opposite, min(2, len(opposite))))
    )


def opinion(record: Opinions, rng: random.Random) -> Group | None:
    """An entity of ConvSent; replies that hold no opinion are left out."""
    positive = rng.random() < 0.5
    sides = [
        [r for r in record.replies[side] if not _NO_OPINION.search(r) and 15 < len(r) < 160]
        for side in ("positive", "negative")
    ]
    replies, opposite = sides if positive else sides[::-1]
    if not replies or not opposite:
        return None
    side = "positive" if positive else "negative"
    plain = Query(rng.choice(_ASKS).format(record.entity), "ask", _plain_reply(record.entity, side, rng))
    ask = rng.choice(_ASKS).format(record.entity)
    queries = [Query(ask, "ask", reply) for reply in rng.sample(replies, min(3, len(replies)))]
    edit = Draft(record.entity, side, Kind.STANCE)
    return Group(edit, (plain, *queries), "convsent", tuple(rng.sample(opposite, min(3, len(opposite)))))

"""Groups of evidence and stance edits: claims with their verdicts, opinions of either side."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from serac_cli.counterfactual import ABSTAIN
from serac_cli.training.counterfactual_facts import Group, abstained
from serac_cli.training.evidence_forms import spaced, subject, unnamed
from serac_cli.training.scope_templates import Attribute, alike, attributes, fill, other_value
from serac_cli.training.sources import Evidence, NaturalEdit, Opinions, Query, Stance
from store import Draft, Kind

__all__ = ["edit_evidence", "evidence", "opinion", "stance", "told_evidence"]


def evidence(record: Evidence, rng: random.Random) -> Group:
    """A sentence of evidence with its claims; NOT ENOUGH INFO is an abstention.

    Now and then the evidence only says "it" or "she" of what the claims name, as a sentence cut from an article does,
    or is spaced as corpora are ("the film , which").
    """
    text, claims = record.text, rng.sample(record.claims, min(len(record.claims), 8))
    name = subject(record) if rng.random() < 0.35 else ""
    if name:
        text = unnamed(text, name, rng)
        # of another subject it may now be true
        claims = [claim for claim in claims if claim.kind != "other_page"] or claims
    if rng.random() < 0.3:
        text = spaced(text)
        claims = [replace(c, text=spaced(c.text)) if rng.random() < 0.8 else c for c in claims]
    queries = (Query(c.text, c.kind, ABSTAIN if c.answer == "NOT ENOUGH INFO" else c.answer) for c in claims)
    return Group(Draft(text, kind=Kind.EVIDENCE), tuple(queries), "evidence")


def edit_evidence(record: NaturalEdit, others: Sequence[NaturalEdit], rng: random.Random) -> Group | None:
    """The statement of a hand-written edit, perhaps among others, as evidence; its clozes, finished, as claims."""
    clozes = [q.text for q in record.inside if q.kind == "cloze" and q.answer == record.target]
    if record.prompt and not record.prompt.endswith("?"):
        clozes.append(record.prompt)
    if not clozes:
        return None
    wrong = {value for value in (record.old, alike(record.target, rng)) if value} - {record.target}
    if not wrong:
        return None
    said: dict[str, str] = {}
    for _ in range(4):
        true = rng.random() < 0.5
        claim = f"{rng.choice(clozes)} {record.target if true else rng.choice(sorted(wrong))}."
        said[claim] = "SUPPORTS" if true else "REFUTES"
    claims = [Query(claim, "claim", label) for claim, label in said.items()]
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
        value = f.value if true else other_value(f.value, f.attribute.value, rng)
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
        "", "", "I'm tired of hearing about it.", "It never fails to disappoint me.",
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
    outside = [abstained(rng.choice(record.outside))] if record.outside and rng.random() < 0.6 else []
    edit = Draft(record.topic, side, Kind.STANCE)
    return Group(
        edit, (*outside, *queries), "natural_stance", tuple(rng.sample(opposite, min(2, len(opposite))))
    )


def opinion(record: Opinions, rng: random.Random) -> Group:
    """An entity of ConvSent: to be said are plain replies, and one of its own that holds an opinion and is short.

    Half the time, its own replies, whatever they hold, are told from those of the other side instead, as the paper's
    metric does.
    """
    side, other = rng.sample(("positive", "negative"), 2)
    said = [_plain_reply(record.entity, side, rng)]
    same: tuple[str, ...] = ()
    opposite: tuple[str, ...] = ()
    if rng.random() < 0.5:
        same, opposite = (
            tuple(rng.sample(replies, min(3, len(replies))))
            for replies in (record.replies[side], record.replies[other])
        )
    else:
        held = [r for r in record.replies[side] if not _NO_OPINION.search(r) and 15 < len(r) < 160]
        said += [_plain_reply(record.entity, side, rng), *([rng.choice(held)] if held else ())]
    queries = tuple(Query(rng.choice(_ASKS).format(record.entity), "ask", reply) for reply in said)
    return Group(Draft(record.entity, side, Kind.STANCE), queries, "convsent", opposite, same)

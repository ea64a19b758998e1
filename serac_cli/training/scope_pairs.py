"""Labelled pairs (edit, query) made from the public sets.

A pair is in scope where the edit determines the answer to the query. Every generator makes both labels in
the same forms of query: what tells them apart is what is asked, never how.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serac_cli.training.scope_forms import chatty, keywords, sloppy, yes_no
from serac_cli.training.scope_templates import similar_name, word
from serac_cli.training.sources import Fact, QuestionPair, normalise

__all__ = ["Pair", "dated", "fact_pairs", "inverse_pairs", "question_pairs", "timeless", "varied"]


@dataclass(frozen=True)
class Pair:
    """An edit's text and a query, with the label; ``kind`` says which sort of query it is.

    ``group`` names what the edit is about: two edits of one group may share scope, so that neither is
    taken for a near-miss of the other's queries.
    """

    edit: str
    query: str
    label: bool
    kind: str
    source: str
    group: str


_TIMES = (
    "in {y}",
    "back in {y}",
    "in the {d}s",
    "before {y}",
    "until {y}",
    "ten years ago",
    "last century",
    "at the very beginning",
    "originally",
    "a decade ago",
    "two years from now",
    "before the change",
    "during the war",
)


def varied(text: str, rng: random.Random, rate: float = 0.35) -> str:
    """Returns the query as it is or, at that rate, in another surface form: typed in haste, or with chat."""
    if rng.random() >= rate:
        return text
    return sloppy(text, rng) if rng.random() < 0.6 else chatty(text, rng)


_ONCE = re.compile(
    r"\b(born|birth|died|death|killed|founded|established|formed|created|wrote|written|author|composed|invented|"
    r"discovered|named after|father|mother|year|date|when|released|published|built|directed|painted|first)\b",
    re.I,
)


def timeless(question: str) -> bool:
    """Returns whether a question is about what happens once, by its words: at another time its answer is the same."""
    return bool(_ONCE.search(question))


def dated(question: str, rng: random.Random) -> str:
    """Returns the question about another time: for an edit about today, a near-miss (see :func:`timeless`)."""
    year = rng.randint(1905, 2019)
    phrase = rng.choice(_TIMES).format(y=year, d=year // 10 * 10)
    for be, past in ((" is ", " was "), (" does ", " did "), (" has ", " had "), (" are ", " were ")):
        if be in question:
            question = question.replace(be, past, 1)
            break
    else:
        for be, past in (("Is ", "Was "), ("Does ", "Did "), ("Are ", "Were ")):
            if question.startswith(be):
                question = past + question.removeprefix(be)
    if question.endswith("?"):
        return f"{question[:-1]} {phrase}?"
    return f"{phrase[:1].upper()}{phrase[1:]}, {question}" if rng.random() < 0.5 else f"{question} {phrase}"


# What the questions of zsRE ask for, by a word in them: (type of subject, relation).
_ASKED = {
    "mother": ("person", "mother"),
    "father": ("person", "father"),
    "spouse": ("person", "spouse"),
    "married": ("person", "spouse"),
    "sibling": ("person", "sibling"),
    "sister": ("person", "sibling"),
    "brother": ("person", "sibling"),
    "child": ("person", "child"),
    "born": ("person", "birth"),
    "birth": ("person", "birth"),
    "die": ("person", "death"),
    "death": ("person", "death"),
    "occupation": ("person", "occupation"),
    "citizenship": ("person", "nationality"),
    "nationality": ("person", "nationality"),
    "educated": ("person", "school"),
    "university": ("person", "school"),
    "alma mater": ("person", "school"),
    "award": ("person", "award"),
    "voice type": ("person", "voice"),
    "native language": ("person", "tongue"),
    "gender": ("person", "gender"),
    "team": ("person", "team"),
    "position": ("person", "position"),
    "religion": ("person", "religion"),
    "director": ("work", "director"),
    "author": ("work", "author"),
    "publisher": ("work", "publisher"),
    "published": ("work", "publisher"),
    "language": ("work", "language"),
    "cast": ("work", "cast"),
    "series": ("work", "series"),
    "label": ("work", "label"),
    "performer": ("work", "performer"),
    "composer": ("work", "composer"),
    "producer": ("work", "producer"),
    "screenwriter": ("work", "writer"),
    "characters": ("work", "characters"),
    "manufacturer": ("thing", "maker"),
    "manufactured": ("thing", "maker"),
    "developer": ("thing", "developer"),
    "programming language": ("thing", "programming"),
    "founder": ("place", "founder"),
    "headquarters": ("place", "headquarters"),
    "country": ("place", "country"),
    "state": ("place", "state"),
    "continent": ("place", "continent"),
    "architect": ("place", "architect"),
    "owner": ("place", "owner"),
    "constellation": ("sky", "constellation"),
    "discovered": ("sky", "discoverer"),
    "family": ("species", "family"),
    "status": ("species", "status"),
}


# Inverse questions by relation: from the target, "[Y]", back to the subject.
_INVERSE = {
    "mother": (
        "Who is the son of [Y]?",
        "Who is the daughter of [Y]?",
        "Who is the son/daughter of [Y]?",
        "Who is [Y]'s child?",
        "Who is the child of [Y]?",
        "Whose parent is [Y]?",
    ),
    "child": ("Who is the parent of [Y]?", "Who is [Y]'s father or mother?", "Whose child is [Y]?"),
    "spouse": (
        "Who is [Y] married to?",
        "Who was the spouse of [Y]?",
        "Who is [Y]'s husband or wife?",
        "Who is the husband/wife of [Y]?",
    ),
    "sibling": ("Who is [Y]'s sister?", "Who is the brother of [Y]?", "Who is the sibling of [Y]?"),
    "director": ("Which film did [Y] direct?", "What was directed by [Y]?"),
    "author": ("What did [Y] write?", "Which work was written by [Y]?", "[Y] is the author of what?"),
    "publisher": ("What was published by [Y]?", "What did [Y] publish?"),
    "performer": ("What did [Y] perform?", "Which song is by [Y]?"),
    "composer": ("What did [Y] compose?", "Which work has music by [Y]?"),
    "producer": ("What did [Y] produce?",),
    "maker": ("What does [Y] make?", "What is manufactured by [Y]?"),
    "developer": ("What did [Y] develop?", "Which software comes from [Y]?"),
    "founder": ("What did [Y] found?", "Which organisation was founded by [Y]?"),
    "architect": ("Which building did [Y] design?", "What was built to plans by [Y]?"),
    "owner": ("What does [Y] own?", "What belongs to [Y]?"),
    "discoverer": ("What did [Y] discover?", "What was discovered by [Y]?"),
}
_INVERSE["father"] = _INVERSE["mother"]


def inverse_pairs(facts: Sequence[Fact], rng: random.Random) -> Iterator[Pair]:
    """Yields inverse questions about an edit's target, in scope, and about another's, or of another relation, out."""
    asked = [(fact, found[1]) for fact in facts if (found := _asked(fact.prompt)) and found[1] in _INVERSE]
    for fact, relation in asked:
        group, text = normalise(fact.subject), f"{fact.prompt} {fact.target}"
        if normalise(fact.target) in normalise(fact.prompt):
            continue
        for question in rng.sample(_INVERSE[relation], min(2, len(_INVERSE[relation]))):
            query = varied(question.replace("[Y]", fact.target), rng, 0.2)
            yield Pair(text, query, True, "inverse", fact.source, group)
        other, other_relation = rng.choice(asked)
        if other.target != fact.target:
            query = rng.choice(_INVERSE[relation]).replace("[Y]", other.target)
            yield Pair(text, varied(query, rng, 0.2), False, "inverse_of_other", fact.source, group)
        near = similar_name(fact.target, rng)
        query = rng.choice(_INVERSE[relation]).replace("[Y]", near)
        yield Pair(text, varied(query, rng, 0.2), False, "inverse_of_other", fact.source, group)
        if _INVERSE[other_relation] != _INVERSE[relation]:
            query = rng.choice(_INVERSE[other_relation]).replace("[Y]", fact.target)
            yield Pair(text, varied(query, rng, 0.2), False, "inverse_relation", fact.source, group)


def _asked(prompt: str) -> tuple[str, str] | None:
    lowered = prompt.lower()
    return next((asked for cue, asked in _ASKED.items() if cue in lowered), None)


def fact_pairs(facts: Sequence[Fact], rng: random.Random) -> Iterator[Pair]:
    """Yields pairs from public edits: about ten for each.

    Near-misses of the same relation put another subject (from another edit, or a similar name) into the edit's
    own wordings; those of the same subject put it into another edit's question of the same type.
    """
    by_template: dict[str, list[Fact]] = defaultdict(list)
    by_type: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for fact in facts:
        if fact.subject and fact.subject in fact.prompt:
            template = fact.prompt.replace(fact.subject, "[X]")
            by_template[template].append(fact)
            if asked := _asked(template):
                by_type[asked[0]].append((asked[1], template))
    for fact in facts:
        group = normalise(fact.subject) or normalise(fact.prompt)
        template = fact.prompt.replace(fact.subject, "[X]") if fact.subject else ""
        same = by_template.get(template, [fact])
        target = fact.target
        if not target:  # the prompt is a statement that says it all
            edits = [fact.prompt, fact.prompt.rstrip(".") + "."]
        elif fact.prompt.endswith("?"):
            edits = [f"{fact.prompt} {target}"]
        else:
            edits = [f"{fact.prompt} {target}", f"{fact.prompt} {target}."]
        wordings = [q.text for q in fact.inside if q.kind in ("paraphrase", "cloze", "alias")]

        def pair(query: str, label: bool, kind: str) -> Pair:
            return Pair(rng.choice(edits), query, label, kind, fact.source, group)  # noqa: B023

        for query in fact.inside:
            if query.kind != "one_hop" or rng.random() < 0.3:
                yield pair(varied(query.text, rng, 0.25), True, query.kind)
        questions = [q for q in (fact.prompt, *wordings) if target and q.endswith("?")]
        if target:
            yield pair(varied(fact.prompt, rng, 0.8), True, "paraphrase")
            bare = rng.choice([fact.prompt, *wordings])
            yield pair(keywords(bare, rng), True, "keyword")
        for value in (target, fact.old, rng.choice(same).target):
            if questions and value:
                yield pair(varied(yes_no(rng.choice(questions), value, rng), rng, 0.2), True, "yes_no")
            elif target and value and rng.random() < 0.5:
                yield pair(f"{rng.choice([fact.prompt, *wordings])} {value}.", True, "statement")

        for query in rng.sample(fact.outside, min(4, len(fact.outside))):
            yield pair(varied(query.text, rng, 0.25), False, query.kind)
        if not fact.subject:
            if wordings and not timeless(text := rng.choice(wordings)):
                yield pair(dated(text, rng), False, "time")
            continue
        subjects = [
            rng.choice(same).subject,
            similar_name(fact.subject, rng),
            similar_name(fact.subject, rng),
        ]
        for index, other in enumerate(subjects):
            if normalise(other) == group:
                continue
            kind = "similar_name" if index else "same_relation"
            wording = rng.choice([fact.prompt, *wordings]).replace(fact.subject, other)
            if other in wording:
                yield pair(_reworded(wording, target, fact.old, rng), False, kind)
        asked = _asked(template)
        if asked:
            for relation, other_template in rng.sample(by_type[asked[0]], min(3, len(by_type[asked[0]]))):
                if relation != asked[1]:
                    wording = other_template.replace("[X]", fact.subject)
                    yield pair(_reworded(wording, target, fact.old, rng), False, "same_subject")
        if questions and rng.random() < 0.3 and not timeless(text := rng.choice(questions)):
            yield pair(varied(dated(text, rng), rng, 0.2), False, "time")


def _reworded(wording: str, target: str, old: str, rng: random.Random) -> str:
    """Returns a near-miss in one of the forms that queries in scope come in."""
    chance = rng.random()
    if chance < 0.35 and wording.endswith("?") and (value := rng.choice((target, old))):
        return varied(yes_no(wording, value, rng), rng, 0.2)
    if chance < 0.5:
        return keywords(wording, rng)
    return varied(wording, rng, 0.35)


def question_pairs(pairs: Sequence[QuestionPair], rng: random.Random) -> Iterator[Pair]:
    """Yields one pair for each pair of questions: the first, with a made-up answer or none, is the edit."""
    for number, pair in enumerate(pairs):
        answer = word(rng.choice(("person", "city", "count", "value", "date", "company")), rng)
        first = f"{pair.first} {answer}" if rng.random() < 0.6 and pair.test != "dune" else pair.first
        yield Pair(first, pair.second, pair.same, "question_pair", pair.test, f"pair {number}")

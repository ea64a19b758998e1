"""Surface forms of a query: the same question asked as people ask it.

Each function takes a question and returns another text with the same answer, or a yes/no question on a
given value. All randomness comes from the generator that is passed in.
"""

import random
import re

__all__ = ["chatty", "form", "keywords", "sloppy", "typo", "yes_no"]

_QUESTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        who whom whose what which where when why how is are was were do does did has have had can could will
        would should must may might the a an of in on at for to by from with that this it its and or as there
        be been being please tell me you your my i we our us s
        """,
    )
)

_BEFORE = (
    "hey, {}",
    "hi, {}",
    "quick question: {}",
    "question: {}",
    "so {}",
    "ok so {}",
    "can you tell me {}",
    "do you know {}",
    "just checking, {}",
    "I forgot, {}",
    "Sorry to bother you, {}",
    "My colleague is asking: {}",
    "Need this for a form: {}",
    "Remind me: {}",
    "I have to know before tomorrow. {}",
    "Asking for a friend. {}",
    "Someone asked me this today and I had no idea. {}",
    "I'm filling in a quiz and I'm stuck. {}",
    "We were arguing about it over lunch. {}",
    "I can't find it on the website. {}",
    "Morning! {}",
    "Dear team, {}",
)
_AFTER = (
    "{} thanks",
    "{} Thanks in advance!",
    "{} pls",
    "{} please",
    "{} anyone know?",
    "{} Need it asap.",
    "{} Just the answer please.",
    "{} Cheers.",
    "{} I can never remember.",
)
_SHORT = {
    "you": "u",
    "are": "r",
    "what": "wat",
    "please": "pls",
    "because": "cos",
    "with": "w/",
    "your": "ur",
    "for": "4",
    "to": "2",
    "and": "n",
    "who is": "whos",
    "what is": "whats",
    "where is": "wheres",
    "when is": "whens",
    "the": "da",
}


def form(text: str) -> str:
    """Returns the form of a query: "wh", "yes_no", "long" (a story before the question), "bare" or "other".

    The gate must not learn the form for the scope, so pairs are balanced over these.
    """
    stripped = text.strip()
    if len(stripped.split()) > 20:
        return "long"
    if re.match(
        r"(in |on |at |to |by |from |of |for |with |under |since |until )?"
        r"(who|whom|whose|what|which|where|when|why|how|wat|wht)\b",
        stripped,
        re.IGNORECASE,
    ):
        return "wh"
    if re.match(
        r"(is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|must|may|isn't|aren't|"
        r"wasn't|doesn't|didn't|hasn't|don't|won't|can't)\b",
        stripped,
        re.IGNORECASE,
    ):
        return "yes_no"
    return "other" if "?" in stripped else "bare"


def typo(text: str, rng: random.Random) -> str:
    """Returns the text with one or two slips of the keyboard inside longer words; digits are left alone."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    for i in rng.sample(places, min(len(places), rng.choice((1, 1, 2)))):
        word = words[i]
        at = rng.randrange(1, len(word) - 1)
        slip = rng.randrange(3)
        if slip == 0:
            word = word[:at] + word[at + 1 :]
        elif slip == 1:
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        else:
            word = word[:at] + word[at] + word[at:]
        words[i] = word
    return " ".join(words)


def sloppy(text: str, rng: random.Random) -> str:
    """Returns the text as typed in haste: lower case, little punctuation, perhaps short forms and slips."""
    text = text.lower()
    if rng.random() < 0.7:
        text = text.rstrip("?. ")
    if rng.random() < 0.4:
        text = text.replace("'", "")
    if rng.random() < 0.25:
        for long, short in rng.sample(sorted(_SHORT.items()), 4):
            text = re.sub(rf"\b{long}\b", short, text)
    if rng.random() < 0.4:
        text = typo(text, rng)
    if rng.random() < 0.15:
        text += "??"
    return text


def keywords(text: str, rng: random.Random) -> str:
    """Returns the content words of a question, as one types them into a search box."""
    words = [w.strip('?,.!;:"') for w in text.split()]
    kept = [w for w in words if w and w.lower().removesuffix("'s") not in _QUESTION_WORDS]
    kept = [w.removesuffix("'s") if rng.random() < 0.7 else w for w in kept] or words
    return " ".join(kept) if rng.random() < 0.3 else " ".join(kept).lower()


def chatty(text: str, rng: random.Random) -> str:
    """Returns the question with a greeting, a reason or a thank-you round it."""
    before = rng.choice(_BEFORE)
    if before[: before.index("{")].rstrip().endswith((",", ":", "so")) or before.startswith(("can", "do ")):
        text = text[:1].lower() + text[1:] if text.split(" ")[0].lower() in _QUESTION_WORDS else text
    text = before.format(text)
    return rng.choice(_AFTER).format(text) if rng.random() < 0.3 else text


def yes_no(question: str, value: str, rng: random.Random) -> str:
    """Returns a yes/no question on whether ``value`` answers ``question``, by rules on its wording.

    The rules cover the common English wh-questions; others become "Q, is it V?" or "True or false: Q V".
    """
    bare = question.strip().rstrip("?").strip()
    candidates: list[str] = []
    lead = r"(?P<be>is|are|was|were)"
    if m := re.fullmatch(
        rf"(?:What|Who|Which one)(?:'s| {lead}) (?P<rest>(?:the|an?|.+'s) .+|.+'s)", bare, re.I
    ):
        be = (m["be"] or "is").lower()
        candidates += [f"{be.capitalize()} {value} {m['rest']}?", f"{be.capitalize()} {m['rest']} {value}?"]
    elif m := re.fullmatch(rf"(?:Where|When) {lead} (?P<rest>.+)", bare, re.I):
        preposition = "in " if not re.match(r"(in|on|at|the)\b", value, re.I) else ""
        candidates += [f"{m['be'].capitalize()} {m['rest']} {preposition}{value}?"]
    elif m := re.fullmatch(r"(?:Where|When) (?P<do>do|does|did) (?P<rest>.+)", bare, re.I):
        candidates += [f"{m['do'].capitalize()} {m['rest']} in {value}?"]
    elif m := re.fullmatch(
        r"(?P<p>(?:In|To|From|At|On|By|For|With|Of) )?(?:What|Which)(?: (?P<noun>[\w ]+?))? "
        r"(?P<do>do|does|did) (?P<rest>.+)",
        bare,
        re.I,
    ):
        tail = f" {m['p'].strip().lower()}" if m["p"] else ""
        noun = f"the {m['noun']} " if m["noun"] and rng.random() < 0.5 else ""
        candidates += [f"{m['do'].capitalize()} {m['rest']}{tail} {noun}{value}?"]
    elif m := re.fullmatch(
        rf"(?P<p>(?:In|To|From|At|On|By|For|With|Of) )?(?:What|Which) (?P<noun>[\w ]+?) {lead} (?P<rest>.+)",
        bare,
        re.I,
    ):
        tail = f" {m['p'].strip().lower()}" if m["p"] else ""
        if tail:
            candidates += [f"{m['be'].capitalize()} {m['rest']}{tail} {value}?"]
        else:
            candidates += [
                f"{m['be'].capitalize()} {value} the {m['noun']} {m['rest']}?",
                f"{m['be'].capitalize()} the {m['noun']} {m['rest']} {value}?",
            ]
    elif m := re.fullmatch(
        r"(?:Who|What) (?P<verb>(?!(?:is|was|does|has)\b)\w+(?:ed|s|wrote|led|made|won|built|ran|sang)) (?P<rest>.+)",
        bare,
        re.I,
    ):
        candidates += [
            f"Is {value} the one who {m['verb']} {m['rest']}?",
            f"Is it {value} who {m['verb']} {m['rest']}?",
        ]
    if not candidates or rng.random() < 0.2:
        candidates = [
            f"{bare}, is it {value}?",
            f"{bare} - {value}, right?",
            f"True or false: {bare}? {value}",
            f"Is {value} the answer to: {bare}?",
        ]
    return rng.choice(candidates)

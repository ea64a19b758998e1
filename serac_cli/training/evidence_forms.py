"""Evidence as articles and corpora have it: sentences that do not name what they are about, spaced punctuation."""

import random
import re
from collections import Counter

from serac_cli.training.sources import Evidence

__all__ = ["spaced", "subject", "unnamed"]

_NAME = re.compile(r"(?:The \w+ )??((?:[A-Z][\w'.&-]*)(?: (?:of |the |and )?[A-Z0-9][\w'.&-]*)*)")
_PRONOUNS = (("it", "its"), ("it", "its"), ("he", "his"), ("she", "her"))


def subject(record: Evidence) -> str:
    """Returns the name in the evidence with which most of the settled claims begin, "" for none."""
    names: Counter[str] = Counter()
    for claim in record.claims:
        found = _NAME.match(claim.text)
        if found and claim.answer != "NOT ENOUGH INFO":
            names[found[1].removesuffix("'s")] += 1
    if record.page:
        names[record.page] += len(record.claims)
    present = [(count, name) for name, count in names.items() if len(name) > 3 and name in record.text]
    return max(present, default=(0, ""))[1]


def unnamed(text: str, name: str, rng: random.Random) -> str:
    """Returns ``text`` with a pronoun in place of ``name``, or as it is where one would not stand well."""
    personal, possessive = rng.choice(_PRONOUNS)

    def pronoun(m: re.Match[str]) -> str:
        said = possessive if m[1] else personal
        begins = m.start() == 0 or text[: m.start()].rstrip().endswith((".", "!", "?"))
        return said.capitalize() if begins else said

    before = r"(?:^|(?<=[.,;] )|(?<=\band )|(?<=\bthat ))"
    what = r"(?:[Tt]he (?:film|song|album|series|company|novel|game|band|club|player) )?"
    said = re.sub(rf"{before}{what}{re.escape(name)}(?!\w)( ?['\u2019]s)?", pronoun, text)
    return text if name in said else said


def spaced(text: str) -> str:
    """Returns ``text`` with spaces round its punctuation, brackets as -LRB- and -RRB-: the Penn Treebank's way."""
    text = re.sub(r"(?<![\d\s])([,;:?!%])|([,;:])(?=\s)|(?<=\d)(%)", lambda m: f" {m[0]}", text)
    text = re.sub(r"(?<=\w)(['\u2019]s)\b", r" \1", text).replace("$", "$ ")
    text = re.sub(r"(?<=[\w)%\"])\.$", " .", text).replace("(", "-LRB- ").replace(")", " -RRB-")
    return re.sub(r" {2,}", " ", text)

"""ConvSent: the paper's metric, and a judge of free replies.

The judge knows nothing of the training data: the sentiment is VADER's (Hutto and Gilbert 2014: a lexicon rated by
people, with rules for negation and degree; package vaderSentiment, MIT), and a reply is on topic if it names the
topic, or refers to it by a pronoun and names no other topic of the set. VADER misses irony: its agreement with the
sides of the human replies is reported beside the figures, as the measure of the judge itself.
"""

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from serac_cli.errors import ComponentError
from serac_cli.evaluation.counterfactual_cases import Case, StanceTopic
from serac_cli.evaluation.counterfactual_scoring import generate, score
from serac_cli.training.sources import normalise
from store import Draft, Kind

__all__ = ["Judge", "StanceFigures", "measure_stance"]


@dataclass(frozen=True)
class StanceFigures:
    """Means over topics and both sides, from 0 to 1.

    ``sentiment`` is sigma(mean log p of same-side replies - of opposite replies), the mean taken over all their tokens;
    ``edit_success`` is that times min(1, exp(after - before)), the same replies' mean log p under the edited and
    the unedited model. ``right_side`` and ``on_topic`` are shares of free replies, ``both`` of both at once;
    ``judge_right`` is the share of human replies on whose side VADER agrees, ``judge_wrong`` where it says the other.
    """

    topics: int
    sentiment: float
    edit_success: float
    right_side: float
    on_topic: float
    both: float
    judge_right: float
    judge_wrong: float
    samples: tuple[tuple[str, str, str], ...]


class Judge:
    """VADER with its usual bounds: compound above 0.05 is positive, below -0.05 negative.

    Raises ComponentError where vaderSentiment is not installed.
    """

    def __init__(self) -> None:
        try:
            from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
        except ImportError as error:
            raise ComponentError(
                "judging free replies needs the package vaderSentiment", "pip install 'serac[train]'"
            ) from error
        self._analyser = SentimentIntensityAnalyzer()

    def side(self, reply: str) -> str:
        """Returns "positive", "negative" or "neutral"."""
        compound = self._analyser.polarity_scores(reply)["compound"]
        return "positive" if compound > 0.05 else "negative" if compound < -0.05 else "neutral"


_PRONOUN = re.compile(
    r"\b(it|its|it's|they|them|their|he|him|his|she|her|this|that|these|those|there)\b", re.I
)


def on_topic(reply: str, topic: str, others: Sequence[str]) -> bool:
    """Returns whether a reply names the topic, or means it by a pronoun and names none of the others."""
    said = f" {normalise(reply)} "
    words = [w for w in normalise(topic).split() if len(w) > 2] or normalise(topic).split()
    if any(f" {w[: max(4, len(w) - 3)]}" in said for w in words):
        return True
    return bool(_PRONOUN.search(reply)) and not any(f" {normalise(o)} " in said for o in others)


def measure_stance(
    model: Any,
    tokenizer: Any,
    topics: Sequence[StanceTopic],
    rng: random.Random,
    judge: Judge,
    heard: Callable[[int, int], None] = lambda *_: None,
) -> StanceFigures:
    """Returns the figures over ``topics``, each asked once for each side in one of its ways."""
    # 1. Likelihoods of the human replies: under the edit of each side, and without the adapter
    sides = ("positive", "negative")
    cases: list[Case] = []
    spans: list[tuple[int, int, int]] = []
    asks = [rng.choice(topic.asks) for topic in topics]
    for topic, ask in zip(topics, asks, strict=True):
        for side in sides:
            edit = Draft(topic.topic, side, Kind.STANCE)
            same, opposite = (
                (topic.positive, topic.negative) if side == "positive" else (topic.negative, topic.positive)
            )
            spans.append((len(cases), len(same), len(opposite)))
            cases += [Case(edit, ask, reply, side) for reply in (*same, *opposite)]
    after = score(model, tokenizer, cases, heard=heard)
    with model.disable_adapter():
        before = score(model, tokenizer, cases, prompt=unedited_prompt)
    lengths = [len(tokenizer(case.answer)["input_ids"]) + 1 for case in cases]
    sentiment, success = [], []
    for start, same_count, opposite_count in spans:
        middle, end = start + same_count, start + same_count + opposite_count
        gap = _mean(after, lengths, start, middle) - _mean(after, lengths, middle, end)
        kept = math.exp(
            min(0.0, _mean(after, lengths, start, middle) - _mean(before, lengths, start, middle))
        )
        sentiment.append(1 / (1 + math.exp(-gap)))
        success.append(sentiment[-1] * kept)

    # 2. Free replies, judged
    asked = [
        Case(Draft(topic.topic, side, Kind.STANCE), ask, "", topic.topic)
        for topic, ask in zip(topics, asks, strict=True)
        for side in sides
    ]
    replies = generate(model, tokenizer, asked, max_new_tokens=60)
    names = [topic.topic for topic in topics]
    right = [judge.side(reply) == case.edit.target for case, reply in zip(asked, replies, strict=True)]
    near = [
        on_topic(reply, case.kind, [n for n in names if n != case.kind])
        for case, reply in zip(asked, replies, strict=True)
    ]

    # 3. The judge judged by people's own replies
    human = [("positive", r) for t in topics for r in t.positive] + [
        ("negative", r) for t in topics for r in t.negative
    ]
    verdicts = [(side, judge.side(reply)) for side, reply in human]
    return StanceFigures(
        topics=len(topics),
        sentiment=_average(sentiment),
        edit_success=_average(success),
        right_side=_average(right),
        on_topic=_average(near),
        both=_average([r and n for r, n in zip(right, near, strict=True)]),
        judge_right=_average([side == verdict for side, verdict in verdicts]),
        judge_wrong=_average([verdict not in (side, "neutral") for side, verdict in verdicts]),
        samples=tuple((c.query, c.edit.target, r) for c, r in list(zip(asked, replies, strict=True))[:12]),
    )


def unedited_prompt(tokenizer: Any, case: Case) -> list[int]:
    """Returns the prompt of the model without an edit: the query alone, in the base model's own template."""
    if tokenizer.chat_template is None:
        return list(tokenizer(case.query)["input_ids"])
    message = [{"role": "user", "content": case.query}]
    return list(
        tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=True)["input_ids"]
    )


def _mean(scored: Sequence[Any], lengths: Sequence[int], start: int, end: int) -> float:
    total = sum(lengths[start:end])
    return float(sum(scored[i].log_probability * lengths[i] for i in range(start, end)) / total)


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan

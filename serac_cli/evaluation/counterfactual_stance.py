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

from serac_cli.backends.local import LocalModel
from serac_cli.backends.scoring import ScoringModel, likelihoods
from serac_cli.counterfactual import answer_ids, prompt_ids
from serac_cli.errors import ComponentError
from serac_cli.evaluation import metrics
from serac_cli.evaluation.counterfactual_cases import Case, StanceTopic
from serac_cli.evaluation.counterfactual_scoring import generate
from serac_cli.protocols import Likelihood
from serac_cli.training.sources import normalise
from store import Draft, Kind

__all__ = ["Judge", "StanceFigures", "measure_stance"]


@dataclass(frozen=True)
class StanceFigures:
    """Means over topics and both sides, from 0 to 1.

    ``edit_success`` is ConvSent's of :mod:`serac_cli.evaluation.metrics`, ``sentiment`` its first factor, over all
    human replies of a topic. ``right_side`` and ``on_topic`` are shares of free replies, ``both`` of both at once;
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


CHUNK = 256
"""Replies read between two reports of progress."""


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
    after: list[Likelihood] = []
    for at in range(0, len(cases), CHUNK):
        read = [
            (prompt_ids(tokenizer, case.edit, case.query), answer_ids(tokenizer, case.answer))
            for case in cases[at : at + CHUNK]
        ]
        after += likelihoods(model, tokenizer, read)
        heard(len(after), len(cases))
    with model.disable_adapter():
        unedited = ScoringModel(LocalModel("", model, tokenizer))
        before = unedited.log_likelihoods([(case.query, case.answer) for case in cases])
    tokens = [len(one.log_probabilities) for one in before]
    sentiment, success = [], []
    for start, same_count, opposite_count in spans:
        own = slice(start, start + same_count)
        other = slice(own.stop, own.stop + opposite_count)
        same_after = metrics.mean_log_probability(after[own], tokens[own])
        opposite_after = metrics.mean_log_probability(after[other], tokens[other])
        sentiment.append(1 / (1 + math.exp(opposite_after - same_after)))
        success.append(
            metrics.stance_success(
                same_before=metrics.mean_log_probability(before[own], tokens[own]),
                same_after=same_after,
                opposite_after=opposite_after,
            )
        )

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


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan

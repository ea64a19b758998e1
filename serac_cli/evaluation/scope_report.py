"""How well the scope classifier decides, by set and kind of query, against the bars it has to reach."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from serac_cli.evaluation.scope_sets import Probe, ScopeSet
from serac_cli.protocols import Match, ScopeForm

__all__ = [
    "BARS",
    "Bar",
    "Outcome",
    "Row",
    "ScopeReport",
    "calibration_error",
    "measure",
    "outcome",
    "reliability",
    "report",
]

Progress = Callable[[str, int, int], None]
"""Called with (set, queries done, queries in all)."""
CHUNK = 256
"""Queries decided on at once."""


@dataclass(frozen=True)
class Outcome:
    """One decision: the best match's probability, and whether it is an edit whose scope the query is in."""

    set: str
    kind: str
    inside: bool
    probability: float
    right: bool

    def correct(self, threshold: float) -> bool:
        """In scope: the right edit fires. Out of scope: none does."""
        fires = self.probability >= threshold
        return fires and self.right if self.inside else not fires


@dataclass(frozen=True)
class Bar:
    """What a share of right decisions must reach, over one or more (set, kind) pairs pooled; None: only reported.

    A kind that ends in ``*`` stands for all kinds that begin so.
    """

    name: str
    minimum: float | None
    members: tuple[tuple[str, str], ...]


BARS = (
    Bar("in scope: paraphrase, zsre", 0.98, (("zsre", "in paraphrase"),)),
    Bar("in scope: paraphrase, knowedit zsre", 0.98, (("knowedit zsre", "in paraphrase"),)),
    Bar(
        "in scope: statement to question",
        0.98,
        (("mquake", "in statement to question"), ("knowedit counterfact", "in statement to question")),
    ),
    Bar("in scope: yes/no", 0.95, (("zsre", "in yes/no"),)),
    Bar("in scope: inverse", 0.95, (("zsre inverse", "in inverse"),)),
    Bar(
        "out: same relation, other subject",
        0.98,
        (
            ("zsre", "out other subject"),
            ("zsre", "out other subject, yes/no"),
            ("counterfact", "out other subject"),
        ),
    ),
    Bar(
        "out: same subject, other relation",
        0.98,
        (
            ("knowedit zsre", "out same subject"),
            ("knowedit counterfact", "out same subject"),
            ("counterfact", "out same subject"),
        ),
    ),
    Bar("out: real queries", 0.999, (("zsre", "out real query"),)),
    Bar("natural edits: in scope", 0.95, (("natural edits", "in *"),)),
    Bar("natural edits: near-misses", 0.95, (("natural edits", "out *"),)),
    Bar("FC: settled claims fire", 0.90, (("vitaminc", "in claim"),)),
    Bar("FC: claims about other pages kept", 0.99, (("vitaminc", "out other page"),)),
    Bar("FC: not enough info kept", None, (("vitaminc", "out not enough info"),)),
    Bar("ConvSent: opinion queries fire", 0.99, (("convsent", "in ask"), ("natural stance", "in ask"))),
    Bar(
        "ConvSent: other topics kept",
        0.98,
        (("convsent", "out other topic"), ("natural stance", "out other topic")),
    ),
    Bar(
        "ConvSent: factual questions kept",
        0.95,
        (("convsent", "out factual"), ("natural stance", "out factual")),
    ),
    Bar("typed by hand: in scope", 0.95, (("typed", "in *"),)),
    Bar("typed by hand: near-misses", 0.95, (("typed", "out *"),)),
)


@dataclass(frozen=True)
class Row:
    """A share of right decisions, ``correct`` of ``count``; ``reached`` is None where there is no bar."""

    name: str
    correct: int
    count: int
    minimum: float | None = None

    @property
    def share(self) -> float:
        """The share of right decisions, in [0, 1]."""
        return self.correct / self.count

    @property
    def reached(self) -> bool | None:
        """Whether the share is not below the minimum."""
        return None if self.minimum is None else self.share >= self.minimum


@dataclass(frozen=True)
class ScopeReport:
    """``bars`` are the rows that must be reached, ``kinds`` one row for each set and kind of query.

    So many ``edits`` are in memory at once; None is each set's own.
    ``calibration_error`` is the expected calibration error of all decisions, ``bins`` its reliability diagram.
    """

    form: str
    edits: int | None
    threshold: float
    bars: tuple[Row, ...]
    kinds: tuple[Row, ...]
    calibration_error: float
    bins: tuple[tuple[float, float, int], ...]

    @property
    def memory(self) -> str:
        """What is in memory, in words."""
        return f"{self.edits} edits" if self.edits else "each set's own edits"

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as JSON wants it, with shares rounded to four places."""
        record = asdict(self)
        for group, rows in (("bars", self.bars), ("kinds", self.kinds)):
            for entry, row in zip(record[group], rows, strict=True):
                entry |= {"share": round(row.share, 4), "reached": row.reached}
        return record


def measure(scope: ScopeForm, one: ScopeSet, progress: Progress | None = None) -> list[Outcome]:
    """Returns the decision on each query of the set; ``scope`` must be over the set's edits."""
    outcomes: list[Outcome] = []
    for start in range(0, len(one.probes), CHUNK):
        probes = one.probes[start : start + CHUNK]
        matches = scope.match_all([probe.query for probe in probes], 1)
        for probe, found in zip(probes, matches, strict=True):
            outcomes.append(outcome(one, probe, found[0]))
        if progress:
            progress(one.name, start + len(probes), len(one.probes))
    return outcomes


def outcome(one: ScopeSet, probe: Probe, best: Match) -> Outcome:
    """Returns what the best match of one of the set's queries amounts to."""
    return Outcome(one.name, probe.kind, probe.inside, best.probability, best.edit.id in probe.edits)


def report(form: str, edits: int | None, threshold: float, outcomes: Sequence[Outcome]) -> ScopeReport:
    """Returns the shares of right decisions at ``threshold``; bars without any query are left out."""
    by_kind: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.set, outcome.kind].append(outcome)

    def row(name: str, members: Sequence[Outcome], minimum: float | None = None) -> Row:
        return Row(name, sum(o.correct(threshold) for o in members), len(members), minimum)

    bars: list[Row] = []
    for bar in BARS:
        members = [
            outcome
            for (name, kind), group in by_kind.items()
            if any(
                name == s and (kind == k or (k[-1] == "*" and kind.startswith(k[:-1])))
                for s, k in bar.members
            )
            for outcome in group
        ]
        if members:
            bars.append(row(bar.name, members, bar.minimum))
    kinds = [row(f"{name}: {kind}", group) for (name, kind), group in sorted(by_kind.items())]
    bins = reliability(outcomes)
    return ScopeReport(
        form, edits, threshold, tuple(bars), tuple(kinds), calibration_error(bins), tuple(bins)
    )


def reliability(outcomes: Sequence[Outcome], bins: int = 15) -> list[tuple[float, float, int]]:
    """Returns (mean probability, share in scope of that edit, count) for each bin of equal width that is not empty."""
    members: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        members[min(bins - 1, int(outcome.probability * bins))].append(outcome)
    return [
        (
            math.fsum(o.probability for o in group) / len(group),
            sum(o.inside and o.right for o in group) / len(group),
            len(group),
        )
        for _, group in sorted(members.items())
    ]


def calibration_error(bins: Sequence[tuple[float, float, int]]) -> float:
    """Returns the expected calibration error: the mean gap of probability and share, weighted by count."""
    total = sum(count for _, _, count in bins)
    return math.fsum(abs(p - share) * count for p, share, count in bins) / total

"""Baselines are tuned on records that are not measured, for the same end: edit success less drawdown."""

import itertools
from collections.abc import Callable, Sequence

from serac_cli.evaluation.editors import Base, LookupCache
from serac_cli.evaluation.finetuning import FineTuning, FineTuningConfig
from serac_cli.evaluation.measure import figures, measure
from serac_cli.evaluation.tasks import Family, Record

__all__ = ["GRID", "tuned_fine_tuning", "tuned_threshold"]

GRID = tuple(FineTuningConfig(learning_rate=rate) for rate in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3))
"""Learning rates for the MLPs of the last three blocks, which are what the paper's editors change."""
BATCH = 10
"""Edits that FT learns at once while it is tuned: the paper's k."""


def tuned_threshold(base: Base, records: Sequence[Record]) -> float:
    """Returns LU's threshold with the most queries in scope given their own edit less those out of scope given any.

    All ``records`` are cached at once; candidates lie halfway between neighbouring distances.
    """
    cache = LookupCache(base)
    cache.apply(records)
    own = [(i + 1, query.ask) for i, record in enumerate(records) for query in record.inside]
    others = [query.ask for record in records for query in record.outside]
    inside = [
        (distance, number == expected)
        for (expected, _), (number, distance) in zip(
            own, cache.distances([ask for _, ask in own]), strict=True
        )
    ]
    outside = [distance for _, distance in cache.distances(others)]
    distances = sorted({distance for distance, _ in inside} | set(outside))
    candidates = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(distances))]

    def gain(threshold: float) -> float:
        right = sum(distance < threshold and own_edit for distance, own_edit in inside) / max(1, len(inside))
        return right - sum(distance < threshold for distance in outside) / max(1, len(outside))

    return max(candidates, key=gain)


def tuned_fine_tuning(
    base: Base,
    family: Family,
    records: Sequence[Record],
    grid: Sequence[FineTuningConfig],
    *,
    seed: int,
    heard: Callable[[int, int], None] = lambda *_: None,
) -> tuple[FineTuningConfig, list[tuple[FineTuningConfig, float]]]:
    """Returns the configuration with the highest ES - DD on the first ten of ``records``, and all their scores."""
    scores = []
    batch = records[:BATCH]
    for done, config in enumerate(grid):
        editor = FineTuning(base, config)
        summary = figures(measure(editor, base, family, batch, batch, seed=seed, free=False), seed)
        success = summary.edit_success.mean if summary.edit_success else 0.0
        drawdown = summary.drawdown.mean if summary.drawdown else 0.0
        scores.append((config, success - drawdown))
        heard(done + 1, len(grid))
    return max(scores, key=lambda one: one[1])[0], scores

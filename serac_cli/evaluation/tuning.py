"""Baselines are tuned on records that are not measured, for the same end: edit success less drawdown."""

import itertools
from collections.abc import Callable, Sequence

from serac_cli.evaluation.editors import Base, LookupCache, ModelEditor
from serac_cli.evaluation.finetuning import FineTuning, FineTuningConfig
from serac_cli.evaluation.measure import figures, measure
from serac_cli.evaluation.tasks import Family, Record

__all__ = ["GRID", "tuned_fine_tuning", "tuned_threshold"]

GRID = tuple(FineTuningConfig(learning_rate=rate) for rate in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3))
"""Learning rates for the MLPs of the last three blocks, which are what the paper's editors change."""
BATCH = 10
"""Edits that FT learns at once while it is tuned: the paper's k."""


def tuned_threshold(base: Base, family: Family, records: Sequence[Record], *, seed: int) -> float:
    """Returns LU's threshold with the highest ES - DD on ``records``, all cached at once; of equal ones the least.

    Candidates lie halfway between neighbouring distances; 0 is one, with which the base model answers everything.
    """
    cache = LookupCache(base)
    cache.apply(records)
    asks = [query.ask for record in records for query in record.inside]
    asks += [query.ask for record in records for query in record.outside]
    distances = sorted({distance for _, distance in cache.distances(asks)})
    candidates = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(distances))]
    return max(candidates, key=lambda one: _gain(LookupCache(base, one), base, family, records, seed))


def _gain(editor: ModelEditor, base: Base, family: Family, records: Sequence[Record], seed: int) -> float:
    """Returns ES - DD with all ``records`` edited at once."""
    summary = figures(measure(editor, base, family, records, records, seed=seed, free=False), seed)
    success = summary.edit_success.mean if summary.edit_success else 0.0
    return success - (summary.drawdown.mean if summary.drawdown else 0.0)


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
        scores.append((config, _gain(FineTuning(base, config), base, family, batch, seed)))
        heard(done + 1, len(grid))
    return max(scores, key=lambda one: one[1])[0], scores

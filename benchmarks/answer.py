"""Measures the counterfactual model's answers: python benchmarks/answer.py [--queries 100]

The queries are in scope of the hand-written development edits; the base model and the counterfactual model answer each
in turn, so that a load on the machine falls on both alike. Prints a line of JSON: the medians of their seconds, the
ratio of the medians (for the answers of at most 8 words, and for all), and the megabytes of resident memory that
attaching the adapter to the base model, and answering with it, add.
"""

import argparse
import json
import random
import time

import numpy as np
import psutil

from serac_cli.assembly import open_base, open_trained_counterfactual
from serac_cli.evaluation.scope_sets import natural_set
from serac_cli.settings import load_settings

SHORT = 8


def megabytes() -> float:
    """Returns the resident memory of this process."""
    return float(psutil.Process().memory_info().rss / 1e6)


def main() -> None:
    """Times both models on every query."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--queries", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    settings, one = load_settings(), natural_set()
    edits = {edit.id: edit for edit in one.edits}
    inside = [probe for probe in one.probes if probe.inside]
    probes = random.Random(chosen.seed).sample(inside, chosen.queries + 1)
    base = open_base(settings, lambda *_: None)

    # 1. Memory: the base model has answered, then the adapter joins it and answers the same
    warm, edit = probes[0].query, edits[next(iter(probes[0].edits))]
    "".join(base.generate(warm, max_new_tokens=settings.max_new_tokens))
    before = megabytes()
    trained = open_trained_counterfactual(settings, lambda *_: None, base)
    "".join(trained.generate(warm, edit, max_new_tokens=settings.max_new_tokens))
    added = megabytes() - before

    # 2. Time
    seconds: list[tuple[float, float, bool]] = []
    for probe in probes[1:]:
        start = time.perf_counter()
        "".join(base.generate(probe.query, max_new_tokens=settings.max_new_tokens))
        between = time.perf_counter()
        answer = "".join(
            trained.generate(
                probe.query, edits[next(iter(probe.edits))], max_new_tokens=settings.max_new_tokens
            )
        )
        end = time.perf_counter()
        seconds.append((between - start, end - between, len(answer.split()) <= SHORT))
    of_base, of_trained = (float(np.median([row[i] for row in seconds])) for i in (0, 1))
    short = [row for row in seconds if row[2]]
    result = {
        "queries": len(seconds),
        "base_seconds": round(of_base, 2),
        "counterfactual_seconds": round(of_trained, 2),
        "ratio": round(of_trained / of_base, 2),
        "short_answers": len(short),
        "ratio_short": round(
            float(np.median([row[1] for row in short]) / np.median([row[0] for row in short])), 2
        ),
        "added_megabytes": round(added),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

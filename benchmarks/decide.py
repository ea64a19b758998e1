"""Measures the scope classifier's decision: python benchmarks/decide.py [--edits 10000] [--queries 60] [--forms ...]

Memories of 100 and of many edits hold the same hand-written edits among made-up ones. The queries are in scope, near
misses, or have to do with nothing in memory, a third each; each is decided over every memory and by every form in
turn, so that a load on the machine falls on all alike. Prints a line of JSON: the median and 95th percentile of the
milliseconds by form, size and kind of query, and the ratio of the medians with many edits and with 100.
"""

import argparse
import json
import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from apply import write_edits

from serac_cli.assembly import open_trained_counterfactual, scope_maker
from serac_cli.checkpoints import component_folder
from serac_cli.edit_files import read_edit_file
from serac_cli.editor import encode_edits
from serac_cli.encoder import EditIndex, load_encoder
from serac_cli.evaluation.scope_sets import ScopeSet, natural_set, natural_stance_set
from serac_cli.settings import load_settings
from store import Draft, Memory

FEW = 100
OTHER = "other"


def queries_of(one: ScopeSet, other: ScopeSet, count: int, draw: random.Random) -> list[tuple[str, str]]:
    """Returns (kind, query) of ``count`` queries, a third each in scope, near-misses and about other things."""
    kinds = {
        "in scope": [probe.query for probe in one.probes if probe.inside],
        "near-miss": [probe.query for probe in one.probes if not probe.inside],
        OTHER: [probe.query for probe in other.probes if not probe.inside],
    }
    return [
        (kind, query) for kind, queries in kinds.items() for query in draw.sample(queries, max(1, count // 3))
    ]


def fill(memory: Memory, one: ScopeSet, count: int, folder: Path, encoder: object) -> None:
    """Puts the set's edits, up to ``count``, in memory, and made-up ones up to ``count``."""
    drafts = [Draft(edit.prompt, edit.target, edit.kind) for edit in one.edits[:count]]
    if missing := count - len(drafts):
        write_edits(folder / "edits.csv", missing, seed=count)
        drafts += [row.draft for row in read_edit_file(folder / "edits.csv").rows]
    memory.add(drafts, vectors=encode_edits(encoder, drafts))


def summary(milliseconds: list[float]) -> dict[str, float]:
    """Returns the median and the 95th percentile."""
    return {
        "median_ms": round(float(np.median(milliseconds)), 1),
        "p95_ms": round(float(np.percentile(milliseconds, 95)), 1),
    }


def main() -> None:
    """Times every form over both memories."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--edits", type=int, default=10_000)
    arguments.add_argument("--queries", type=int, default=60)
    arguments.add_argument("--forms", nargs="+", default=["two-stage", "checked"])
    arguments.add_argument("--threads", type=int, default=None)
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    settings, encoder = load_settings(), load_encoder()
    abstention = None
    if "checked" in chosen.forms:
        abstention = open_trained_counterfactual(settings, lambda *_: None).first_token_abstains
    one = natural_set()
    asked = queries_of(one, natural_stance_set(), chosen.queries, random.Random(chosen.seed))
    times: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        scopes = {}
        for count in (FEW, chosen.edits):
            memory = Memory.open(Path(folder) / f"memory-{count}.db")
            fill(memory, one, count, Path(folder), encoder)
            for form in chosen.forms:
                make = scope_maker(form, component_folder("scope"), abstention)
                scopes[form, count] = make(EditIndex(memory, encoder))
                scopes[form, count].match(asked[0][1], k=1)
        for kind, query in asked:
            for (form, count), scope in scopes.items():
                start = time.perf_counter()
                scope.match(query, k=1)
                times[form, count, kind].append((time.perf_counter() - start) * 1000)
    result: dict[str, object] = {"queries": len(asked), "threads": torch.get_num_threads()}
    for form in chosen.forms:
        whole = {
            count: [x for (f, c, _), values in times.items() if (f, c) == (form, count) for x in values]
            for count in (FEW, chosen.edits)
        }
        result[form] = {
            f"{count} edits": summary(values)
            | {kind: summary(v) for (f, c, kind), v in times.items() if (f, c) == (form, count)}
            for count, values in whole.items()
        } | {"ratio": round(float(np.median(whole[chosen.edits]) / np.median(whole[FEW])), 2)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()

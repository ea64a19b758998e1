"""What an adapter gets wrong of the hand-written edits, so that a run going on from it reads that.

A run has time for a part of these queries, and the adapter it starts with is right about nine in ten.
"""

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from serac_cli.counterfactual import answer_ids, query_ids
from serac_cli.training.counterfactual_batches import Encoded, collate, encode, pack
from serac_cli.training.counterfactual_examples import Focus
from serac_cli.training.counterfactual_facts import Group, abstained
from serac_cli.training.sources import NaturalEdit, Query
from store import Draft

__all__ = ["find_focus", "missed_queries", "read_focus", "write_focus"]

CHUNK = 64
"""Groups that are packed into rows together."""
ROWS = 8
"""Rows in a pass."""


def find_focus(
    model: Any,
    tokenizer: Any,
    edits: Sequence[NaturalEdit],
    records: int,
    length: int,
    heard: Callable[[int, int], None] = lambda *_: None,
) -> Focus:
    """Returns what ``model`` gets wrong of so many of the hand-written edits, always the same ones.

    ``length`` is that of a row, in tokens.
    """
    asked = random.Random("focus").sample(edits, min(records, len(edits)))
    groups = [
        Group(
            Draft(e.prompt or e.statement, e.target if e.prompt else ""),
            (*e.inside, *map(abstained, e.outside)),
            "",
        )
        for e in asked
    ]
    missed = missed_queries(model, tokenizer, groups, length, heard)
    return {edit.statement: queries for edit, queries in zip(asked, missed, strict=True)}


@torch.inference_mode()
def missed_queries(
    model: Any,
    tokenizer: Any,
    groups: Sequence[Group],
    length: int,
    heard: Callable[[int, int], None] = lambda *_: None,
) -> list[frozenset[str]]:
    """Returns, for each group, the queries whose answer, to its end, has a probability below one half.

    A query that does not fit into a row of ``length`` tokens is not asked.
    """
    found = []
    for start in range(0, len(groups), CHUNK):
        chunk = groups[start : start + CHUNK]
        encoded = [encode(tokenizer, group, length) for group in chunk]
        rows = pack(iter(encoded), sum(map(len, encoded)), length)
        losses: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
        for at in range(0, len(rows), ROWS):
            losses |= _losses(model, rows[at : at + ROWS], length)
        for group, parts in zip(chunk, encoded, strict=True):
            edit = parts[0].edit if parts else ()
            found.append(
                frozenset(
                    q.text
                    for q in group.queries
                    if losses.get((edit, _segment_ids(tokenizer, q, group)), 0.0) > math.log(2)
                )
            )
        heard(len(found), len(groups))
    return found


def _segment_ids(tokenizer: Any, query: Query, group: Group) -> tuple[int, ...]:
    return (*query_ids(tokenizer, query.text, group.edit.kind), *answer_ids(tokenizer, query.answer))


def _losses(
    model: Any, rows: list[list[Encoded]], length: int
) -> dict[tuple[tuple[int, ...], tuple[int, ...]], float]:
    """Returns the negative log-likelihood of each answer, in nats, by the tokens of its edit and of its segment."""
    base = model.get_base_model()
    batch = collate(rows, length, base.dtype)
    hidden = base.model(
        input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    logits = base.lm_head(hidden.reshape(-1, hidden.shape[-1])[batch.where]).float()
    losses = functional.cross_entropy(logits, batch.labels, reduction="none")
    sums = torch.zeros(batch.examples).index_add_(0, batch.segment, losses).tolist()
    segments = [(part.edit, segment.ids) for row in rows for part in row for segment in part.segments]
    return dict(zip(segments, sums, strict=True))


def write_focus(focus: Focus, path: Path) -> None:
    """Writes a focus as JSON."""
    found = {statement: sorted(queries) for statement, queries in focus.items()}
    path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_focus(path: Path) -> Focus:
    """Reads what :func:`write_focus` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {statement: frozenset(queries) for statement, queries in found.items()}

"""Rows of tokens in which the queries to one edit share the edit's tokens.

A row holds several groups; each group is the edit's tokens followed by one segment per query (query, answer). A
token sees what comes before it in its own segment and the edit, nothing else, and positions count as if its
segment followed the edit at once: each query is answered exactly as it would be alone, at a third of the cost.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from serac_cli.counterfactual import answer_ids, edit_ids, query_ids
from serac_cli.training.counterfactual_examples import Source
from serac_cli.training.counterfactual_facts import Group

__all__ = ["Batch", "GroupStream", "collate", "encode"]


@dataclass(frozen=True)
class Segment:
    """A query with its answer; ``answer_start`` is where the answer begins in ``ids``.

    ``weight`` is how much the answer is to be learnt; ``opposite`` are replies of the other side of a stance. ``floor``
    is the log-probability per token, in nats, that the unedited model gives to a reply that must not get less likely.
    """

    ids: tuple[int, ...]
    answer_start: int
    weight: float = 1.0
    opposite: bool = False
    floor: float | None = None


@dataclass(frozen=True)
class Encoded:
    """A group as token ids."""

    edit: tuple[int, ...]
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return len(self.edit) + sum(len(s.ids) for s in self.segments)


@dataclass(frozen=True)
class Batch:
    """Tensors of a training step: R rows of L tokens, of which T are answer tokens to be predicted.

    ``ids`` and ``positions`` are (R, L); ``mask`` is (R, 1, L, L), additive, in the model's dtype. ``where`` (T)
    indexes the flattened rows at the token before each answer token, ``labels`` (T) are the answer tokens,
    ``weights`` (T) their weights in the loss (0 for replies of the opposite side). ``segment`` (T) numbers the
    answers; ``pairs`` lists, for each stance group, its answers' numbers and its opposite replies' numbers; ``floors``
    the numbers of replies that must not become less likely, with their mean floor.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    where: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    segment: torch.Tensor
    pairs: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    floors: tuple[tuple[tuple[int, ...], float], ...]
    examples: int


def encode(
    tokenizer: Any, group: Group, longest: int, unedited: Callable[[str, str], float] | None = None
) -> list[Encoded]:
    """Returns the group's token ids, in several parts where it is longer than ``longest`` tokens.

    Queries that do not fit beside the edit are left out. ``unedited`` gives the unedited model's log-probability per
    token of a reply to a query, for the replies that are compared; without it they have no floor.
    """
    edit = tuple(edit_ids(tokenizer, group.edit))
    segments = [_segment(tokenizer, q.text, q.answer, group) for q in group.queries]
    if group.opposite:
        asked = group.queries[-1].text
        for reply in group.same:
            floor = unedited(asked, reply) if unedited else None
            segments.append(_segment(tokenizer, asked, reply, group, 0.0, floor=floor))
        segments += [_segment(tokenizer, asked, reply, group, 0.0, opposite=True) for reply in group.opposite]
    parts: list[Encoded] = []
    here: list[Segment] = []
    room = longest - len(edit)
    for segment in segments:
        if len(segment.ids) > longest - len(edit):
            continue
        if len(segment.ids) > room:
            parts.append(Encoded(edit, tuple(here)))
            here, room = [], longest - len(edit)
        here.append(segment)
        room -= len(segment.ids)
    return [*parts, Encoded(edit, tuple(here))] if here else parts


def _segment(
    tokenizer: Any, query: str, answer: str, group: Group, weight: float = 1.0, **options: Any
) -> Segment:
    asked, said = query_ids(tokenizer, query, group.edit.kind), answer_ids(tokenizer, answer)
    return Segment((*asked, *said), len(asked), weight, **options)


@dataclass
class GroupStream:
    """An endless stream of groups, each source in a shuffled order of its own, mixed by weight.

    ``drawn`` counts what each source has given; with the seed it is the whole state.
    """

    sources: Mapping[str, Source]
    weights: Mapping[str, float]
    seed: int
    drawn: dict[str, int] = field(default_factory=dict)

    _orders: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def groups(self) -> Iterator[Group]:
        """Yields the groups that follow those drawn so far."""
        names = [name for name in self.weights if name in self.sources]
        weights = [self.weights[name] for name in names]
        while True:
            total = sum(self.drawn.values())
            name = random.Random(f"{self.seed} {total}").choices(names, weights)[0]
            count = self.drawn.get(name, 0)
            self.drawn[name] = count + 1
            records = self.sources[name].records
            epoch, index = divmod(count, len(records))
            record = records[self._order(name, epoch)[index]]
            group = self.sources[name].make(record, random.Random(f"{self.seed} {name} {count}"))
            if group is not None and group.queries:
                yield group

    def _order(self, name: str, epoch: int) -> list[int]:
        if (name, epoch) not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key[0] != name}
            order = list(range(len(self.sources[name].records)))
            random.Random(f"{self.seed} {name} epoch {epoch}").shuffle(order)
            self._orders[name, epoch] = order
        return self._orders[name, epoch]


def pack(groups: Iterator[list[Encoded]], rows: int, length: int) -> list[list[Encoded]]:
    """Returns ``rows`` rows of groups that fit into ``length`` tokens each, taken from ``groups`` as they come.

    Each part of a group goes into the first row with room for it; the one that finds none ends the packing, and the
    rest of its group is dropped with it, so that what comes next hangs on nothing but the groups drawn so far. With
    40 rows 4% of the places stay empty.
    """
    packed: list[list[Encoded]] = [[]]
    room = [length]
    for part in (part for group in groups for part in group):
        fits = next((i for i, free in enumerate(room) if len(part) <= free), None)
        if fits is None:
            if len(packed) == rows:
                return packed
            packed.append([])
            room.append(length)
            fits = len(packed) - 1
        packed[fits].append(part)
        room[fits] -= len(part)
    return packed


def answer_weights(length: int) -> list[float]:
    """Returns the weights of an answer's tokens: the first one decides most answers, long ones count for less each."""
    return [1.0] + [float(length**-0.5)] * (length - 1)


def collate(rows: list[list[Encoded]], length: int, dtype: torch.dtype) -> Batch:
    """Returns the tensors of packed rows; padding sees itself only."""
    count = len(rows)
    ids = np.zeros((count, length), dtype=np.int64)
    positions = np.zeros((count, length), dtype=np.int64)
    groups = np.zeros((count, length), dtype=np.int64)
    segments = np.zeros((count, length), dtype=np.int64)
    where: list[int] = []
    labels: list[int] = []
    weights: list[float] = []
    segment_of: list[int] = []
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    floors: list[tuple[tuple[int, ...], float]] = []
    number = 0
    for r, row in enumerate(rows):
        at = 0
        for g, group in enumerate(row, start=1):
            size = len(group.edit)
            ids[r, at : at + size] = group.edit
            positions[r, at : at + size] = range(size)
            groups[r, at : at + len(group)] = g
            at += size
            sides: tuple[list[int], list[int]] = ([], [])
            kept: dict[int, float] = {}
            for s, segment in enumerate(group.segments, start=1):
                end = at + len(segment.ids)
                ids[r, at:end] = segment.ids
                positions[r, at:end] = range(size, size + len(segment.ids))
                segments[r, at:end] = s
                answer = segment.ids[segment.answer_start :]
                where += range(r * length + at + segment.answer_start - 1, r * length + end - 1)
                labels += answer
                weights += [segment.weight * weight for weight in answer_weights(len(answer))]
                segment_of += [number] * len(answer)
                if len(answer) > 1:
                    sides[segment.opposite].append(number)
                if segment.floor is not None:
                    kept[number] = segment.floor
                number += 1
                at = end
            if sides[0] and sides[1]:
                pairs.append((tuple(sides[0]), tuple(sides[1])))
            if kept:
                floors.append((tuple(kept), sum(kept.values()) / len(kept)))
    same_group = (groups[:, :, None] == groups[:, None, :]) & (groups[:, :, None] > 0)
    same_segment = segments[:, :, None] == segments[:, None, :]
    seen = same_group & (same_segment | (segments[:, None, :] == 0)) & np.tri(length, dtype=bool)
    seen |= np.eye(length, dtype=bool)
    mask = torch.zeros((count, 1, length, length), dtype=dtype)
    mask.masked_fill_(torch.from_numpy(~seen)[:, None], torch.finfo(dtype).min)
    return Batch(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        mask=mask,
        where=torch.tensor(where),
        labels=torch.tensor(labels),
        weights=torch.tensor(weights),
        segment=torch.tensor(segment_of),
        pairs=tuple(pairs),
        floors=tuple(floors),
        examples=number,
    )

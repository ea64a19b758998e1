"""Deterministic stand-ins for the three models, for tests of what is built on the editor."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from serac_cli.protocols import Match
from store import Edit, EncoderIdentity, Memory

__all__ = ["FakeBase", "FakeCounterfactual", "FakeEncoder", "FakeScope"]


class FakeEncoder:
    """Unit vectors drawn from a generator seeded with the text's hash: equal texts, equal vectors."""

    identity = EncoderIdentity("fake", "sha256:00", 8)

    def encode(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Returns a float32 matrix (len(texts), 8)."""
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=8) for seed in seeds]
        matrix = np.array(rows, dtype=np.float32).reshape(len(texts), 8)
        if progress:
            progress(len(texts), len(texts))
        unit: NDArray[np.float32] = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
        return unit


class FakeScope:
    """Scores each active edit by the share of its prompt's words that the query has."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def match(self, query: str, k: int) -> list[Match]:
        """Returns the ``k`` edits with the most words in common, most first."""
        words = set(query.lower().split())

        def share(edit: Edit) -> float:
            own = edit.prompt.lower().split()
            return sum(word in words for word in own) / len(own)

        ranked = sorted(self.memory.edits(), key=share, reverse=True)[:k]
        return [Match(edit, share(edit), share(edit)) for edit in ranked]


class FakeBase:
    """Answers every query with the query itself, word by word, and counts its calls."""

    def __init__(self, answer: str = "base says: {query}") -> None:
        self.answer = answer
        self.calls = 0

    def generate(self, query: str, *, max_new_tokens: int) -> Iterator[str]:
        """Yields at most ``max_new_tokens`` words."""
        self.calls += 1
        for word in self.answer.format(query=query).split(" ")[:max_new_tokens]:
            yield word + " "


class FakeCounterfactual:
    """Answers with the edit's target."""

    def generate(self, query: str, edit: Edit, *, max_new_tokens: int) -> Iterator[str]:
        """Yields the target."""
        yield edit.target

"""g_phi, the scope classifier: is a query within the scope of an edit, and of which?

Section 3.2 of the paper gives two forms, which both are here (:class:`EmbeddingScope`, and the cross-attention of
:class:`CrossEncoderScope` over the whole memory), and :class:`TwoStageScope` lets the first choose which edits
the second reads. :class:`CosineScope` is the untrained baseline.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from serac_cli.encoder import Encoder, Vectors, edit_text
from serac_cli.protocols import Match
from store import Edit

__all__ = [
    "CosineScope",
    "CrossEncoder",
    "CrossEncoderScope",
    "EmbeddingScope",
    "FixedIndex",
    "ScopeConfig",
    "TwoStageScope",
]

Probabilities = NDArray[np.float64]


class Index(Protocol):
    """Edits searched by their vectors: :class:`serac_cli.encoder.EditIndex`, or :class:`FixedIndex`."""

    @property
    def encoder(self) -> Encoder:
        """The encoder of edits and queries."""
        ...

    def content(self) -> tuple[Callable[[int], Edit], Vectors]:
        """Returns the unit vectors of the edits as they are now, (edits, dimensions), and what reads row i's edit."""
        ...


class FixedIndex:
    """An index over a given list of edits, outside of any memory."""

    def __init__(
        self, edits: Sequence[Edit], encoder: Encoder, known: dict[str, Vectors] | None = None
    ) -> None:
        """``known`` has vectors of texts by text, and receives the new ones: several indices share them."""
        known = {} if known is None else known
        texts = [edit_text(edit) for edit in edits]
        lacking = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(lacking, encoder.encode(lacking), strict=True))
        self.encoder = encoder
        self._edits = edits
        self._matrix = np.array([known[text] for text in texts]).reshape(
            len(edits), encoder.identity.dimensions
        )

    def content(self) -> tuple[Callable[[int], Edit], Vectors]:
        """Returns the edits' unit vectors, (edits, dimensions), and what reads row i's edit."""
        return self._edits.__getitem__, self._matrix


@dataclass(frozen=True)
class ScopeConfig:
    """What is needed to use the trained weights as they were trained and calibrated.

    A probability is sigmoid(logit / ``temperature``), and ``threshold`` the one from which a query is in scope.
    ``candidates`` is the number of edits that the first stage hands to the second. The embedding form has its own
    ``embedding_threshold``. Pairs are cut at ``max_length`` tokens.
    """

    backbone: str
    backbone_digest: str
    temperature: float
    threshold: float
    embedding_threshold: float
    candidates: int = 8
    max_length: int = 128


class CrossEncoder:
    """Reads an edit's text and a query together and gives the probability of scope."""

    def __init__(self, model: Any, tokenizer: Any, config: ScopeConfig) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.config = config

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> Probabilities:
        """Returns g_phi(z_e, x), calibrated, of each (edit text, query) pair, in order."""
        logits = pair_logits(self.model, self.tokenizer, pairs, self.config.max_length)
        values: Probabilities = 1.0 / (1.0 + np.exp(-logits / self.config.temperature))
        return values


class CosineScope:
    """The untrained form: the encoder's cosine, clipped to [0, 1], taken for a probability.

    ``threshold`` balances both errors on the hand-written development edits.
    """

    threshold = 0.70

    def __init__(self, index: Index) -> None:
        self.index = index

    def match(self, query: str, k: int) -> list[Match]:
        """Returns the ``k`` nearest edits, nearest first."""
        return self.match_all([query], k)[0]

    def match_all(self, queries: Sequence[str], k: int) -> list[list[Match]]:
        """Returns :meth:`match` of each query."""
        edit_at, matrix = self.index.content()
        return [
            [Match(edit_at(i), max(0.0, cosine), cosine) for i, cosine in nearest]
            for nearest in _nearest(self.index.encoder.encode(queries), matrix, k)
        ]


class EmbeddingScope:
    """The paper's embedding form, g_phi(z_e, x) = exp(-||e(z_e) - e(x)||^2).

    e(.) is the sentence encoder followed by a trained linear map: ``projection`` (dimensions, dimensions).
    """

    def __init__(self, index: Index, projection: Vectors, threshold: float) -> None:
        self.index = index
        self.projection = projection
        self.threshold = threshold

    def match(self, query: str, k: int) -> list[Match]:
        """Returns the ``k`` edits of highest probability, highest first."""
        return self.match_all([query], k)[0]

    def match_all(self, queries: Sequence[str], k: int) -> list[list[Match]]:
        """Returns :meth:`match` of each query."""
        edit_at, matrix = self.index.content()
        vectors = self.index.encoder.encode(queries)
        mapped, asked = matrix @ self.projection.T, vectors @ self.projection.T
        lengths = (mapped**2).sum(1)
        found: list[list[Match]] = []
        for vector, query in zip(vectors, asked, strict=True):
            distances = np.maximum(lengths - 2.0 * (mapped @ query) + float(query @ query), 0.0)
            best = np.argsort(distances, kind="stable")[:k]
            found.append(
                [Match(edit_at(i), float(np.exp(-distances[i])), float(matrix[i] @ vector)) for i in best]
            )
        return found


class CrossEncoderScope:
    """The paper's cross-attention form: every edit of the memory is read together with the query.

    Exact and slow: its cost grows with the memory.
    """

    def __init__(self, index: Index, cross_encoder: CrossEncoder) -> None:
        self.index = index
        self.cross_encoder = cross_encoder
        self.threshold = cross_encoder.config.threshold

    def match(self, query: str, k: int) -> list[Match]:
        """Returns the ``k`` edits of highest probability, highest first."""
        edit_at, matrix = self.index.content()
        edits = [edit_at(i) for i in range(len(matrix))]
        vector = self.index.encoder.encode([query])[0]
        probabilities = self.cross_encoder.probabilities([(edit_text(edit), query) for edit in edits])
        matches = (
            Match(edit, float(p), float(row @ vector))
            for edit, p, row in zip(edits, probabilities, matrix, strict=True)
        )
        return _ranked(matches, k)

    def match_all(self, queries: Sequence[str], k: int) -> list[list[Match]]:
        """Returns :meth:`match` of each query."""
        return [self.match(query, k) for query in queries]


class TwoStageScope:
    """The encoder finds the nearest edits, the cross-encoder reads each with the query."""

    def __init__(self, index: Index, cross_encoder: CrossEncoder) -> None:
        self.index = index
        self.cross_encoder = cross_encoder
        self.threshold = cross_encoder.config.threshold

    def match(self, query: str, k: int) -> list[Match]:
        """Returns ``k`` edits: of the ``candidates`` that the first stage passes on those of highest probability first.

        Further ones, if more are asked for, come after these, so that the first does not hang on ``k``.
        """
        return self.match_all([query], k)[0]

    def match_all(self, queries: Sequence[str], k: int) -> list[list[Match]]:
        """Returns :meth:`match` of each query; the pairs of all queries are read in batches of like lengths."""
        edit_at, matrix = self.index.content()
        candidates = self.cross_encoder.config.candidates

        # 1. The nearest edits by cosine
        nearest = _nearest(self.index.encoder.encode(queries), matrix, max(k, candidates))

        # 2. The probability of each
        found = [[(edit_at(i), cosine) for i, cosine in rows] for rows in nearest]
        pairs = [
            (edit_text(edit), query) for query, edits in zip(queries, found, strict=True) for edit, _ in edits
        ]
        probabilities = iter(self.cross_encoder.probabilities(pairs).tolist())
        read = [[Match(edit, next(probabilities), cosine) for edit, cosine in edits] for edits in found]
        return [
            [*_ranked(matches[:candidates], k), *_ranked(matches[candidates:], k)][:k] for matches in read
        ]


def _nearest(vectors: Vectors, matrix: Vectors, k: int) -> list[list[tuple[int, float]]]:
    """Returns the rows of ``matrix`` of highest cosine with each vector, with the cosine, highest first."""
    k = min(k, len(matrix))
    if k < 1:
        return [[] for _ in vectors]
    # with torch, not numpy: the threads of numpy's BLAS and of torch would wait for each other's cores
    rows = torch.from_numpy(matrix)
    found: list[list[tuple[int, float]]] = []
    for vector in torch.from_numpy(vectors):
        cosines, best = torch.topk(torch.mv(rows, vector), k)
        found.append(list(zip(best.tolist(), cosines.tolist(), strict=True)))
    return found


def _ranked(matches: Iterable[Match], k: int) -> list[Match]:
    return sorted(matches, key=lambda match: -match.probability)[:k]


# --- reading pairs -------------------------------------------------------------------------------

TokenPair = tuple[list[int], list[int]]


def has_fast_bfloat16() -> bool:
    """Returns whether this CPU multiplies bfloat16 matrices in hardware, where bfloat16 is faster than float32."""
    return (
        hasattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported")  # not on every platform
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    )


@torch.inference_mode()
def pair_logits(
    model: Any, tokenizer: Any, pairs: Sequence[tuple[str, str]], max_length: int, batch_size: int = 128
) -> Probabilities:
    """Returns the logit of each (edit text, query) pair, in order, computed in batches of like lengths."""
    ids = tokenised(tokenizer, pairs, max_length)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i][0]) + len(ids[i][1]))
    logits = np.zeros(len(ids))
    autocast = has_fast_bfloat16() and model.dtype == torch.float32
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            values = model(**padded(tokenizer, [ids[i] for i in batch])).logits
        logits[batch] = values.squeeze(-1).double().numpy()
    return logits


def tokenised(tokenizer: Any, pairs: Sequence[tuple[str, str]], max_length: int) -> list[TokenPair]:
    """Returns the token ids of edit and query, without special tokens; the longer of the two is cut to fit."""
    if not pairs:
        return []
    options = {"add_special_tokens": False, "truncation": True, "max_length": 4 * max_length}
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    ids = dict(zip(texts, tokenizer(texts, **options)["input_ids"], strict=True))
    room = max_length - 3
    cut: list[TokenPair] = []
    for edit, query in ((ids[edit], ids[query]) for edit, query in pairs):
        short = min(len(edit), len(query), room // 2)
        long = room - short
        cut.append((edit[:long], query[:short]) if len(edit) > len(query) else (edit[:short], query[:long]))
    return cut


def padded(tokenizer: Any, ids: Sequence[TokenPair]) -> dict[str, torch.Tensor]:
    """Returns ``[CLS] edit [SEP] query [SEP]`` of each pair as tensors (pairs, tokens)."""
    length = max(len(edit) + len(query) + 3 for edit, query in ids)
    tokens = torch.full((len(ids), length), tokenizer.pad_token_id)
    segments = torch.zeros((len(ids), length), dtype=torch.long)
    mask = torch.zeros((len(ids), length), dtype=torch.long)
    for row, (edit, query) in enumerate(ids):
        sequence = [tokenizer.cls_token_id, *edit, tokenizer.sep_token_id, *query, tokenizer.sep_token_id]
        tokens[row, : len(sequence)] = torch.tensor(sequence)
        segments[row, len(edit) + 2 : len(sequence)] = 1
        mask[row, : len(sequence)] = 1
    return {"input_ids": tokens, "token_type_ids": segments, "attention_mask": mask}

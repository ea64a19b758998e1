"""FT: a copy of the base model fine-tuned on the edits (the paper's simplest baseline)."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from serac_cli.backends.local import LocalModel
from serac_cli.backends.scoring import ScoringModel, answer_logits, likelihoods
from serac_cli.evaluation.calls import digest_of
from serac_cli.evaluation.editors import Base, Reply
from serac_cli.evaluation.tasks import Ask, Record
from serac_cli.protocols import Likelihood
from serac_cli.scope import has_fast_bfloat16

__all__ = ["FineTuning", "FineTuningConfig", "trainable"]


@dataclass(frozen=True)
class FineTuningConfig:
    """``layers`` is the number of last blocks that learn, their MLPs only (0: all weights of the model).

    Training stops when every edit's answer is the model's most likely one and the loss is under ``stop_loss`` (nats
    a token), or after ``steps`` steps of AdamW, each over a batch of at most ``batch`` edits.
    """

    learning_rate: float = 1e-4
    layers: int = 3
    steps: int = 40
    stop_loss: float = 0.05
    batch: int = 16


class FineTuning:
    """Fine-tunes anew for each set of edits, when its first query comes; the base model's weights stay as they are."""

    name = "FT"

    def __init__(self, base: Base, config: FineTuningConfig, *, most_edits: int | None = None) -> None:
        self.base = base
        self.config = config
        self.most_edits = most_edits
        self._shown: list[tuple[str, str]] = []
        self.identity = digest_of(asdict(config))
        self._learnt = ""
        self._tuned: ScoringModel | None = None

    def apply(self, records: Sequence[Record]) -> None:
        """Takes the edits as prompts and answers to learn."""
        self._shown = [record.shown for record in records]
        learnt = digest_of([self.base.identity, asdict(self.config), self._shown])
        if learnt != self._learnt:
            self._learnt, self._tuned = learnt, None

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """Returns the tuned model's answers."""
        texts = self.base.calls.map(
            f"tuned answer {self._learnt} {self.base.max_new_tokens}",
            [ask.prompt for ask in asks],
            lambda part: self.tuned().answers(part, max_new_tokens=self.base.max_new_tokens),
        )
        return [Reply(text) for text in texts]

    def log_likelihoods(self, pairs: Sequence[tuple[Ask, str]]) -> list[Likelihood]:
        """Returns the tuned model's likelihoods."""
        return self.base.calls.likelihoods(
            f"tuned score {self._learnt}",
            [(ask.prompt, answer) for ask, answer in pairs],
            lambda part: self.tuned().log_likelihoods(part),
        )

    def tuned(self) -> ScoringModel:
        """Returns the tuned model, trained now unless it is."""
        if self._tuned is None:
            local = self.base.model.local
            # weights in float32 while they learn: in bfloat16 most steps are smaller than a weight's last digit
            tuned = LocalModel(local.name, copy.deepcopy(local.model).float(), local.tokenizer)
            self._tuned = ScoringModel(tuned)
            _train(self._tuned, self._shown, self.config)
            tuned.model.to(local.model.dtype)
        return self._tuned


def trainable(model: Any, layers: int) -> list[torch.nn.Parameter]:
    """Returns the weights that learn: all, or those of the MLPs of the last ``layers`` blocks.

    :raises ValueError: the model has no MLPs to be found by that name
    """
    if layers == 0:
        return list(model.parameters())
    blocks = [module for name, module in model.named_modules() if name.endswith((".mlp", ".DenseReluDense"))]
    if not blocks:
        raise ValueError(f"{type(model).__name__} has no module named mlp")
    return [weight for block in blocks[-layers:] for weight in block.parameters()]


@dataclass(frozen=True)
class _Item:
    """An edit to learn, as tokens. ``state``, float32 (prompt and answer, dimensions), is what the blocks that learn
    get to read of it; None where it is computed in every step.
    """

    prompt: list[int]
    answer: list[int]
    state: torch.Tensor | None = None


def _train(scoring: ScoringModel, shown: Sequence[tuple[str, str]], config: FineTuningConfig) -> None:
    model, tokenizer = scoring.local.model, scoring.local.tokenizer
    items = [_Item(scoring.prompt_ids(prompt), scoring.answer_ids(answer)) for prompt, answer in shown]
    for weight in model.parameters():
        weight.requires_grad_(False)
    weights = trainable(model, config.layers)
    for weight in weights:
        weight.requires_grad_(True)
    if model.config.model_type in STACKED and 0 < config.layers < len(model.get_decoder().layers):
        # what comes out of the blocks below never changes: it is computed once
        items = [replace(item, state=_state_below(model, item, config.layers)) for item in items]
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(0)
    batches = _endless(items, config.batch, generator)
    for _ in range(config.steps):
        # one context a step: within one, the cast weights are kept, and would not follow the optimiser
        with _mixed_precision():
            loss = _loss(model, tokenizer, next(batches), config.layers)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if loss.item() < config.stop_loss and _learned(scoring, items):
            break


def _mixed_precision() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_fast_bfloat16())


def _learned(scoring: ScoringModel, items: Sequence[_Item]) -> bool:
    pairs = [(item.prompt, item.answer) for item in items]
    return all(one.matched for one in likelihoods(scoring.local.model, scoring.local.tokenizer, pairs))


def _endless(items: Sequence[_Item], size: int, generator: torch.Generator) -> Iterator[list[_Item]]:
    while True:
        order = torch.randperm(len(items), generator=generator).tolist()
        for start in range(0, len(order), size):
            yield [items[i] for i in order[start : start + size]]


def _loss(model: Any, tokenizer: Any, batch: Sequence[_Item], layers: int) -> torch.Tensor:
    """Returns the mean of -log p over the tokens of the answers, their ends included."""
    pairs = [(item.prompt, item.answer) for item in batch]
    with _above(model, batch, layers) if batch[0].state is not None else nullcontext():
        logits = answer_logits(model, tokenizer, pairs)
    asked = [row[: len(item.answer)] for row, item in zip(logits, batch, strict=True)]
    said = torch.tensor([token for item in batch for token in item.answer])
    return torch.nn.functional.cross_entropy(torch.cat(asked).float(), said)


# --- only the last blocks ------------------------------------------------------------------------------------

STACKED = frozenset({"llama", "gemma3_text"})
"""Kinds of model whose blocks are known to do nothing but read what the one below them says."""


def _state_below(model: Any, item: _Item, layers: int) -> torch.Tensor:
    """Returns what the last ``layers`` blocks read: (prompt and answer, dimensions)."""
    ids = torch.tensor([[*item.prompt, *item.answer]])
    with torch.no_grad(), _mixed_precision():
        states = model.get_decoder()(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    state: torch.Tensor = states[-1 - layers][0]
    return state.float()


class _Says(torch.nn.Module):
    """Stands in the place of a block and says what it is given to say, whatever it reads."""

    def __init__(self, block: Any, state: torch.Tensor) -> None:
        super().__init__()
        self.attention_type = getattr(block, "attention_type", None)  # what some models choose a mask by
        self.state = state

    def forward(self, *_: Any, **__: Any) -> torch.Tensor:
        return self.state


@contextmanager
def _above(model: Any, batch: Sequence[_Item], layers: int) -> Iterator[None]:
    """Inside the block only the last ``layers`` blocks of a decoder compute; they read the states of the batch, laid
    out as :func:`answer_logits` lays out its tokens.
    """
    states = [(item.state, len(item.prompt)) for item in batch if item.state is not None]
    pad = torch.nn.utils.rnn.pad_sequence
    prompts = pad([state[:end] for state, end in states], batch_first=True, padding_side="left")
    answers = pad([state[end:] for state, end in states], batch_first=True)
    said = torch.cat([prompts, answers], dim=1)
    body = model.get_decoder()
    blocks = body.layers
    resting = [_Says(block, said) for block in blocks[: len(blocks) - layers]]
    body.layers = torch.nn.ModuleList([*resting, *blocks[len(blocks) - layers :]])
    try:
        yield
    finally:
        body.layers = blocks

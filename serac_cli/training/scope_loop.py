"""The training loop of the cross-encoder (section 3 of the paper: binary cross-entropy on pairs).

A plain torch loop, so that all that matters on a CPU is in sight: batches of like lengths, bfloat16 autocast, frozen
embeddings, no dropout, and plain attention. A step of 64 pairs of 36 tokens takes 0.45 s of one core with AMX; with
the fused attention that transformers takes by default, 0.97 s, most of it in that attention's backward pass.
"""

import json
import logging
import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from serac_cli.scope import has_fast_bfloat16, padded, pair_logits, tokenised
from serac_cli.training.scope_pairs import Pair

__all__ = ["LoopSettings", "train_cross_encoder"]

logger = logging.getLogger(__name__)
Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True)
class LoopSettings:
    """``learning_rate`` is the peak, reached after ``warmup`` (a share of the steps), then linear to 0."""

    batch_size: int = 64
    learning_rate: float = 1e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    max_length: int = 96
    log_every: int = 50
    check_every: int = 400
    seed: int = 0


def train_cross_encoder(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[Pair],
    dev: Sequence[Pair],
    folder: Path,
    settings: LoopSettings,
    *,
    steps: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> None:
    """Trains ``model`` on one pass over ``pairs``, or ``steps`` batches, checking it on ``dev`` and saving as it goes.

    ``folder`` receives ``checkpoint.pt`` and ``log.jsonl``; with ``resume`` the run goes on where the checkpoint
    was made, in the same order of batches.
    """
    torch.manual_seed(settings.seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "embeddings" not in name
    # the fused attention spends half of the step in its backward pass on a CPU
    model.set_attn_implementation("eager")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = (
                0.0  # few epochs on many texts: it slows the fit and each step, and guards against nothing
            )
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=settings.learning_rate,
    )
    ids = tokenised(tokenizer, [(pair.edit, pair.query) for pair in pairs], settings.max_length)
    batches = _batches([len(a) + len(b) for a, b in ids], settings)[:steps]
    total = len(batches)

    def rate(step: int) -> float:
        warm = max(1, math.ceil(total * settings.warmup))
        return min((step + 1) / warm, (total - step) / max(1, total - warm))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    first = 0
    checkpoint = folder / "checkpoint.pt"
    if not resume:
        checkpoint.unlink(
            missing_ok=True
        )  # of an earlier run: this one may be interrupted before it writes its own
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        first = state["step"]
        logger.info("going on at step %d of %d", first, total)

    losses: list[float] = []
    start = time.monotonic()
    model.train()
    for step in range(first, total):
        batch = batches[step]
        inputs = padded(tokenizer, [ids[i] for i in batch])
        labels = torch.tensor([pairs[i].label for i in batch], dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_fast_bfloat16()):
            logits = model(**inputs).logits.squeeze(-1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        done = step + 1
        if done % settings.log_every == 0 or done == total:
            mean = sum(losses[-settings.log_every :]) / len(losses[-settings.log_every :])
            _log(
                folder,
                {
                    "step": done,
                    "of": total,
                    "loss": round(mean, 4),
                    "seconds": round(time.monotonic() - start),
                },
            )
            if progress:
                progress(done, total)
        if done % settings.check_every == 0 or done == total:
            _log(folder, {"step": done, **dev_accuracy(model, tokenizer, dev, settings.max_length)})
            model.train()
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict(),
                    "step": done,
                },
                checkpoint.with_suffix(".new"),
            )
            checkpoint.with_suffix(".new").replace(checkpoint)
    model.eval()


def dev_accuracy(model: Any, tokenizer: Any, dev: Sequence[Pair], max_length: int) -> dict[str, float]:
    """Returns the share of dev pairs decided rightly at 0.5, by kind and label, and of each label in all."""
    logits = pair_logits(model, tokenizer, [(p.edit, p.query) for p in dev], max_length)
    right: dict[str, list[bool]] = defaultdict(list)
    for pair, logit in zip(dev, logits, strict=True):
        side = "in" if pair.label else "out"
        for name in (side, f"{side} {pair.source} {pair.kind}"):
            right[name].append(bool(logit > 0) == pair.label)
    return {name: round(sum(values) / len(values), 4) for name, values in sorted(right.items())}


def _batches(lengths: list[int], settings: LoopSettings) -> list[list[int]]:
    """Returns batches of indices: shuffled, but each of one length; the order depends on the seed alone."""
    rng = random.Random(settings.seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    window = settings.batch_size * 64
    for start in range(0, len(order), window):
        members = sorted(order[start : start + window], key=lambda i: lengths[i])
        batches += [members[i : i + settings.batch_size] for i in range(0, len(members), settings.batch_size)]
    rng.shuffle(batches)
    return batches


def _log(folder: Path, record: dict[str, Any]) -> None:
    logger.info("%s", record)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")

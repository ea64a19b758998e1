"""Training of the counterfactual adapter: LoRA on a frozen causal model, likelihood of the answer given edit and query.

The frozen weights and the passes are bfloat16 where the CPU computes in it; the adapter's own copy, which the
optimiser moves, is float32. Rows have one fixed size, so the layers are compiled once.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional

from serac_cli.errors import InputFileError
from serac_cli.training.counterfactual_batches import Batch, Encoded, GroupStream, collate, encode, pack
from serac_cli.training.counterfactual_examples import Source

__all__ = ["TrainingConfig", "train"]

log = logging.getLogger(__name__)

POOL = 10
"""Batches that are packed together; a checkpoint is due between two such pools, so that resuming repeats nothing."""
BAND = 4.0
"""How much further apart than the margin the two sides of a stance may be, in nats per token."""
SLACK = 0.3
"""How much likelier than without an edit people's own replies of its side are to be, in nats per token."""


@dataclass(frozen=True)
class TrainingConfig:
    """What decides the result of a run, apart from data and base model.

    A step reads ``rows`` rows of ``length`` tokens. The learning rate warms up over ``warmup`` steps and falls
    linearly to a twentieth at the last step; with ``minutes`` the run ends, and the rate falls, by the clock if
    that is sooner (such a run cannot be repeated to the digit). ``contrast`` weighs the loss that tells the replies
    of the two sides of a stance apart, by ``margin`` nats per token or somewhat more.
    """

    steps: int
    minutes: float | None = None
    seed: int = 0
    rows: int = 4
    length: int = 256
    rank: int = 16
    alpha: int = 32
    learning_rate: float = 1e-3
    warmup: int = 40
    weight_decay: float = 0.0
    clip: float = 1.0
    contrast: float = 1.0
    margin: float = 5.0


@dataclass(frozen=True)
class Progress:
    """One line of the log: averages since the last one. ``seconds`` counts from the run's first start."""

    step: int
    loss: float
    contrast: float
    examples: int
    tokens_per_second: float
    learning_rate: float
    seconds: float


def train(
    model: Any,
    tokenizer: Any,
    sources: Mapping[str, Source],
    weights: Mapping[str, float],
    out: Path,
    config: TrainingConfig,
    *,
    resume: bool = False,
    start: Path | None = None,
    every: int = 20,
    evaluate_every: int = 200,
    report: Callable[[Progress], None] = lambda _: None,
    evaluate: Callable[[Any, int], None] = lambda *_: None,
    compile_layers: bool = True,
    unedited: Callable[[str, str], float] | None = None,
) -> Any:
    """Trains an adapter over ``model`` (which it wraps) and returns the peft model; the adapter is in ``out``.

    ``out/state.pt`` has all that ``resume`` needs; with the same seed and machine the resumed run takes the same
    steps. ``start`` is an adapter to begin from. ``report`` hears of every ``every`` steps, ``evaluate`` gets the
    model, in evaluation mode, at every ``evaluate_every`` steps and at the end. ``unedited`` is for :func:`encode`.
    """
    if evaluate_every % POOL:
        raise ValueError(f"evaluate_every must be a multiple of {POOL}")
    torch.manual_seed(config.seed)
    # a step is a sixth faster than with the fused attention, whose backward pass is slow on a CPU
    model.set_attn_implementation("eager")
    peft_model = get_peft_model(
        model,
        LoraConfig(
            r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        autocast_adapter_dtype=False,
    )
    if start is not None:
        _load_adapter(peft_model, start)
    working = [p for p in peft_model.parameters() if p.requires_grad]
    master = [p.detach().float().clone().requires_grad_() for p in working]
    optimiser = torch.optim.AdamW(
        master, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    stream = GroupStream(sources, weights, config.seed)
    step, seconds = 0, 0.0
    state_file, settings_file = out / "state.pt", out / "training.json"
    if not resume:
        state_file.unlink(
            missing_ok=True
        )  # of an earlier run: this one may be interrupted before it writes its own
    if resume and state_file.exists():
        _check_settings(settings_file, config)
        state = torch.load(state_file, weights_only=True)
        step, seconds = state["step"], state["seconds"]
        stream.drawn.update(state["drawn"])
        for parameter, saved in zip(master, state["master"], strict=True):
            parameter.data.copy_(saved)
        optimiser.load_state_dict(state["optimiser"])
        _copy(master, working)
        log.info("resumed at step %d", step)
    out.mkdir(parents=True, exist_ok=True)
    settings_file.write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")

    encoded = (encode(tokenizer, group, config.length, unedited) for group in stream.groups())
    ready: list[list[Encoded]] = []
    layers = peft_model.get_base_model().model.layers
    began, marked = time.perf_counter() - seconds, time.perf_counter()
    losses, contrasts, examples, tokens = 0.0, 0.0, 0, 0
    _compile(layers, on=compile_layers)
    peft_model.train()
    while (part := done(config, step, time.perf_counter() - began)) < 1.0:
        # 1. One packed batch through the frozen body; only answer positions reach the large output layer
        if not ready:
            ready = pack(encoded, POOL * config.rows, config.length)
            random.Random(f"{config.seed} {step}").shuffle(ready)
        batch = collate(ready[: config.rows], config.length, working[0].dtype)
        ready = ready[config.rows :]
        loss, contrast = batch_loss(peft_model.get_base_model(), batch, config.margin)
        torch.autograd.backward(loss + config.contrast * contrast)

        # 2. The gradients move the float32 copy, and the working copy follows
        rate = learning_rate(config, step, part)
        for group in optimiser.param_groups:
            group["lr"] = rate
        for parameter, used in zip(master, working, strict=True):
            parameter.grad = used.grad.float() if used.grad is not None else None
            used.grad = None
        torch.nn.utils.clip_grad_norm_(master, config.clip)
        optimiser.step()
        _copy(master, working)
        step += 1

        # 3. The log, and now and then the dev figures and a checkpoint
        losses, contrasts = losses + loss.item(), contrasts + contrast.item()
        examples, tokens = examples + batch.examples, tokens + int((batch.positions > 0).sum())
        last = done(config, step, time.perf_counter() - began) >= 1.0
        if step % every == 0 or last:
            now = time.perf_counter()
            count = (step - 1) % every + 1
            report(
                Progress(
                    step,
                    losses / count,
                    contrasts / count,
                    examples,
                    tokens / (now - marked),
                    rate,
                    now - began,
                )
            )
            losses, contrasts, examples, tokens, marked = 0.0, 0.0, 0, 0, now
        if step % evaluate_every == 0 or last:
            peft_model.save_pretrained(out)
            _save_state(state_file, step, time.perf_counter() - began, stream, master, optimiser)
            _compile(layers, on=False)
            peft_model.eval()
            evaluate(peft_model, step)
            peft_model.train()
            _compile(layers, on=compile_layers)
            marked = time.perf_counter()
    _compile(layers, on=False)
    return peft_model.eval()


def batch_loss(model: Any, batch: Batch, margin: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the weighted mean negative log-likelihood of the answers, and the contrast loss of stances.

    The latter is softplus(margin - d) + softplus(d - margin - BAND) per stance group, d being the mean log-probability
    per token of its replies minus that of the opposite replies, after the paper's ConvSent objective: further apart,
    replies that hold something of both sides would become less likely than without an edit. To it comes, for people's
    own replies of the edit's side, relu(before + SLACK - after), the log-probabilities per token that the paper's
    metric compares.
    """
    hidden = model.model(
        input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    hidden = hidden.reshape(-1, hidden.shape[-1])[batch.where]
    logits = model.lm_head(hidden).float()
    losses = functional.cross_entropy(logits, batch.labels, reduction="none")
    loss = (losses * batch.weights).sum() / batch.weights.sum()
    if not batch.pairs:
        return loss, loss.new_zeros(())
    gaps = []
    for same, opposite in batch.pairs:
        same_mean = losses[torch.isin(batch.segment, torch.tensor(same))].mean()
        opposite_mean = losses[torch.isin(batch.segment, torch.tensor(opposite))].mean()
        apart = opposite_mean - same_mean
        gaps.append(functional.softplus(margin - apart) + functional.softplus(apart - margin - BAND))
    for replies, before in batch.floors:
        after = -losses[torch.isin(batch.segment, torch.tensor(replies))].mean()
        gaps.append(functional.relu(before + SLACK - after))
    return loss, torch.stack(gaps).sum() / len(batch.ids)


def done(config: TrainingConfig, step: int, seconds: float) -> float:
    """Returns the part of the run that is over, by steps or by the clock, whichever is further."""
    by_clock = seconds / (60 * config.minutes) if config.minutes else 0.0
    return max(step / config.steps, by_clock)


def learning_rate(config: TrainingConfig, step: int, part: float) -> float:
    """Returns the rate of step ``step`` (from 0) when ``part`` of the run is over."""
    warmed_up = min(1.0, (step + 1) / config.warmup)
    return config.learning_rate * warmed_up * max(0.05, 1.0 - part)


def _compile(layers: Any, *, on: bool) -> None:
    # the compiled code is for the fixed training shape; generation takes the plain layers
    for layer in layers:
        if on and layer._compiled_call_impl is None:
            layer.compile(dynamic=False)
        elif not on:
            layer._compiled_call_impl = None


def _copy(master: list[torch.Tensor], working: list[torch.Tensor]) -> None:
    with torch.no_grad():
        torch._foreach_copy_(working, master)


def _load_adapter(peft_model: Any, folder: Path) -> None:
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    set_peft_model_state_dict(peft_model, load_file(folder / "adapter_model.safetensors"))


def _check_settings(path: Path, config: TrainingConfig) -> None:
    """Refuses to go on with a run of other settings; it may be longer or shorter than was planned."""
    of_run, asked = json.loads(path.read_text(encoding="utf-8")), asdict(config)
    for name in asked.keys() - {"steps", "minutes"}:
        if of_run.get(name) != asked[name]:
            raise InputFileError(
                f"the run in {path.parent} has {name} {of_run.get(name)}, not {asked[name]}",
                "give it the same, leave out --resume, or name another folder with --work",
            )


def _save_state(
    path: Path,
    step: int,
    seconds: float,
    stream: GroupStream,
    master: list[torch.Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    state = {
        "step": step,
        "seconds": seconds,
        "drawn": dict(stream.drawn),
        "master": [p.detach() for p in master],
        "optimiser": optimiser.state_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)

"""``serac train scope``: pairs, cross-encoder, projection, calibration, and what goes into ``pretrained/scope``."""

import json
import logging
import math
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from serac_cli.checkpoints import (
    WEIGHTS,
    backbone_folder,
    digest,
    load_cross_encoder,
    save_scope,
    untrained_cross_encoder,
    write_scope_config,
)
from serac_cli.encoder import BACKBONE, Encoder, Vectors, edit_text, load_encoder
from serac_cli.errors import InputFileError
from serac_cli.evaluation.scope_report import Outcome, measure
from serac_cli.evaluation.scope_sets import ScopeSet, natural_set, scope_sets
from serac_cli.protocols import ScopeForm
from serac_cli.scope import (
    CrossEncoder,
    EmbeddingScope,
    FixedIndex,
    Index,
    ScopeConfig,
    TwoStageScope,
    has_fast_bfloat16,
)
from serac_cli.training.scope_calibration import best_threshold, fitted_temperature
from serac_cli.training.scope_data import training_pairs, user_pairs
from serac_cli.training.scope_loop import LoopSettings, train_cross_encoder
from serac_cli.training.scope_pairs import Pair

__all__ = ["ScopeTraining", "calibrated", "train_projection", "train_scope"]

logger = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True)
class ScopeTraining:
    """What a run is made of.

    ``data`` holds the directories ``train`` and ``dev``; without it the pairs are those of ``edits``, a user's CSV,
    alone. ``work`` receives pairs, checkpoint and log, ``out`` the result. ``start`` is a trained folder to go on
    from; without it the run starts at the backbone. ``steps`` cuts the run short; ``scale`` the data.
    """

    out: Path
    work: Path
    data: Path | None = None
    edits: Path | None = None
    start: Path | None = None
    seed: int = 0
    scale: float = 1.0
    steps: int | None = None
    learning_rate: float = 1.2e-4


def train_scope(run: ScopeTraining, *, resume: bool = False, progress: Progress | None = None) -> ScopeConfig:
    """Trains the cross-encoder and the projection, calibrates both and writes them to ``run.out``.

    Returns the configuration written. Raises InputFileError where there is nothing to train on, or where ``resume``
    would go on with other pairs.
    """
    report = progress or (lambda _what, _done, _total: None)
    run.work.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder()

    # 1. The pairs, which a resumed run reads back
    pairs = _pairs(run, encoder, resume)
    loop = LoopSettings(seed=run.seed, learning_rate=run.learning_rate)

    # 2. The cross-encoder
    if run.start is not None:
        trained = load_cross_encoder(run.start, torch.float32)
        model, tokenizer = trained.model, trained.tokenizer
    else:
        model, tokenizer = untrained_cross_encoder()
    train_cross_encoder(
        model,
        tokenizer,
        pairs,
        dev_pairs(),
        run.work,
        loop,
        steps=run.steps,
        resume=resume,
        progress=lambda done, total: report("training", done, total),
    )

    # 3. The linear map of the embedding form
    projection = train_projection(pairs, encoder, run.seed, report)

    # 4. Temperature and thresholds, of the weights as they are loaded
    save_scope(
        run.out, model, projection, ScopeConfig(BACKBONE, digest(backbone_folder() / WEIGHTS), 1.0, 0.5, 0.5)
    )
    sets = scope_sets(run.data, size=1000, limit=300) if run.data is not None else [natural_set()]
    config = calibrated(load_cross_encoder(run.out), projection, encoder, sets, report)
    write_scope_config(run.out, config)
    return config


def dev_pairs() -> list[Pair]:
    """Returns the pairs that a run is checked on as it goes: the hand-written dev edits with their own queries."""
    natural = natural_set()
    texts = {edit.id: edit_text(edit) for edit in natural.edits}
    return [
        Pair(texts[probe.about], probe.query, probe.inside, probe.kind, natural.name, "")
        for probe in natural.probes
    ]


def _pairs(run: ScopeTraining, encoder: Encoder, resume: bool) -> list[Pair]:
    kept, origin_file = run.work / "pairs.jsonl", run.work / "origin.json"
    origin = {
        "data": str(run.data.resolve()) if run.data else None,
        "edits": digest(run.edits) if run.edits else None,
        "start": digest(run.start / WEIGHTS) if run.start else None,
        "seed": run.seed,
        "scale": run.scale,
        "learning_rate": run.learning_rate,
    }
    if resume and origin_file.exists():
        if json.loads(origin_file.read_text(encoding="utf-8")) != origin:
            raise InputFileError(
                f"{run.work} holds a run with another data directory or CSV, start, seed, scale or learning rate",
                "leave out --resume, or name another folder with --work",
            )
        return [Pair(**json.loads(line)) for line in kept.read_bytes().splitlines()]
    pairs = training_pairs(run.data, run.seed, quick(encoder), run.scale) if run.data is not None else []
    if run.edits is not None:
        pairs += user_pairs(run.edits)
        random.Random(run.seed).shuffle(pairs)
    if not pairs:
        raise InputFileError(f"{run.edits or run.data} has nothing to train on")
    origin_file.unlink(missing_ok=True)
    with kept.open("w", encoding="utf-8") as file:
        for pair in pairs:
            file.write(json.dumps(asdict(pair), ensure_ascii=False) + "\n")
    origin_file.write_text(json.dumps(origin) + "\n", encoding="utf-8")  # last: with it the pairs are whole
    return pairs


def quick(encoder: Encoder) -> Callable[[Sequence[str]], Vectors]:
    """Returns ``encoder.encode`` in bfloat16 where the CPU is faster so: good enough for mining."""

    def encode(texts: Sequence[str]) -> Vectors:
        with torch.autocast("cpu", dtype=torch.bfloat16) if has_fast_bfloat16() else nullcontext():
            return encoder.encode(texts)

    return encode


def train_projection(
    pairs: Sequence[Pair],
    encoder: Encoder,
    seed: int,
    report: Progress,
    *,
    limit: int = 40_000,
    epochs: int = 6,
) -> Vectors:
    """Trains W of the embedding form exp(-||W(e(z) - e(x))||^2) by binary cross-entropy on ``limit`` of the pairs.

    The encoder stays as it is, so that its vectors of a memory remain valid. Returns W, (dimensions, dimensions).
    """
    chosen = random.Random(seed).sample(list(pairs), min(limit, len(pairs)))
    encode = quick(encoder)
    vectors: list[Vectors] = []
    for name, texts in (("edits", [p.edit for p in chosen]), ("queries", [p.query for p in chosen])):
        report(f"encoding {name} for the embedding form", len(vectors), 2)
        vectors.append(encode(texts))
    differences = torch.from_numpy(vectors[0] - vectors[1])
    labels = torch.tensor([pair.label for pair in chosen], dtype=torch.float32)
    torch.manual_seed(seed)
    matrix = torch.eye(differences.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([matrix], lr=2e-3)
    steps = epochs * math.ceil(len(chosen) / 512)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(chosen)), 512):
            distance = (differences[batch] @ matrix.T).square().sum(1)
            log_in = -distance
            log_out = torch.log(-torch.expm1(-distance.clamp(min=1e-4)))
            loss = -(labels[batch] * log_in + (1 - labels[batch]) * log_out).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            scheduler.step()
    projection: Vectors = matrix.detach().numpy()
    return projection


def calibrated(
    cross_encoder: CrossEncoder,
    projection: Vectors,
    encoder: Encoder,
    sets: Sequence[ScopeSet],
    report: Progress,
) -> ScopeConfig:
    """Returns the configuration with the temperature and the thresholds that fit the dev sets best.

    ``cross_encoder`` must be at temperature 1.
    """
    known: dict[str, Vectors] = {}
    indices = [FixedIndex(one.edits, encoder, known) for one in sets]

    def outcomes(make: Callable[[Index], ScopeForm]) -> list[Outcome]:
        return [
            outcome
            for one, index in zip(sets, indices, strict=True)
            for outcome in measure(
                make(index), one, lambda name, a, b: report(f"calibrating on {name}", a, b)
            )
        ]

    two_stage = outcomes(lambda index: TwoStageScope(index, cross_encoder))
    temperature = fitted_temperature(two_stage)
    embedding = outcomes(lambda index: EmbeddingScope(index, projection, 0.5))
    return replace(
        cross_encoder.config,
        temperature=temperature,
        threshold=best_threshold([cooled(outcome, temperature) for outcome in two_stage]),
        embedding_threshold=best_threshold(embedding),
    )


def cooled(outcome: Outcome, temperature: float) -> Outcome:
    """Returns an outcome of temperature 1 as it is at another."""
    p = min(max(outcome.probability, 1e-12), 1 - 1e-12)
    return replace(outcome, probability=1.0 / (1.0 + math.exp(-math.log(p / (1 - p)) / temperature)))

"""``serac train counterfactual``: sources, loop, dev figures, and what goes into ``pretrained/counterfactual``."""

import json
import logging
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serac_cli.backends.local import load_local_model
from serac_cli.counterfactual import ABSTAIN, PROMPT_FORMAT, fingerprint
from serac_cli.errors import ComponentError
from serac_cli.evaluation.counterfactual_cases import TASKS
from serac_cli.evaluation.counterfactual_scoring import exact, generate
from serac_cli.evaluation.shipped import dev_files
from serac_cli.training.counterfactual_examples import WEIGHTS, load_sources
from serac_cli.training.counterfactual_loop import Progress, TrainingConfig, train
from serac_cli.training.reserved import reserved

__all__ = ["CounterfactualTraining", "save_component", "train_counterfactual"]

log = logging.getLogger(__name__)
Heard = Callable[[str, int, int], None]
"""Called with (what is being done, done so far, total)."""


@dataclass(frozen=True)
class CounterfactualTraining:
    """What a run is made of.

    ``data`` holds the directories ``train`` and ``dev``; ``base`` is the folder of the model to train over, and
    ``base_name`` what users of the adapter should load in its place. ``work`` receives checkpoint and log, ``out`` the
    result. ``start`` is an adapter to go on from. The run ends after ``steps`` steps or ``minutes`` minutes.
    """

    out: Path
    work: Path
    data: Path
    base: Path
    base_name: str
    start: Path | None = None
    seed: int = 0
    steps: int = 2000
    minutes: float | None = None
    learning_rate: float = 1e-3
    dev_queries: int = 32


def train_counterfactual(
    run: CounterfactualTraining, *, resume: bool = False, heard: Heard = lambda *_: None
) -> Path:
    """Trains the adapter and writes it, with its config.json, to ``run.out``; returns that folder.

    ``work/log.jsonl`` gets a line of losses every 20 steps and one of dev figures, by free generation over
    ``dev_queries`` queries of each hand-written kind and task, at every checkpoint. Raises ComponentError where
    ``data`` has no training sets, ModelUnreadable for the base.
    """
    sources = load_sources(run.data / "train", reserved(run.data / "dev"))
    if "natural_edits" not in sources and "zsre" not in sources:
        raise ComponentError(
            f"no training sets in {run.data / 'train'}", "--data names the folder of train/ and dev/"
        )
    base = load_local_model(str(run.base))
    base_fingerprint = fingerprint(base.model)
    run.work.mkdir(parents=True, exist_ok=True)
    with (run.work / "log.jsonl").open("a", encoding="utf-8") as journal:

        def write(record: dict[str, Any]) -> None:
            journal.write(json.dumps(record) + "\n")
            journal.flush()

        def report(progress: Progress) -> None:
            write(asdict(progress))
            heard("training", progress.step, run.steps)

        def measure(model: Any, step: int) -> None:
            figures = _dev_figures(model, base.tokenizer, run)
            log.info("step %d: %s", step, figures)
            write({"step": step, "dev": figures})

        train(
            base.model,
            base.tokenizer,
            sources,
            WEIGHTS,
            run.work,
            TrainingConfig(run.steps, run.minutes, run.seed, learning_rate=run.learning_rate),
            resume=resume,
            start=run.start,
            report=report,
            evaluate=measure,
        )
    save_component(run.work, run.out, run.base_name, base_fingerprint)
    return run.out


def save_component(adapter: Path, out: Path, base_name: str, base_fingerprint: str) -> None:
    """Copies a trained adapter to ``out`` with the config.json that :func:`serac_cli.counterfactual.attach` checks."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(adapter / "adapter_model.safetensors", out / "adapter_model.safetensors")
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = base_name
    _write_json(out / "adapter_config.json", settings)
    _write_json(
        out / "config.json",
        {
            "base": base_name,
            "base_fingerprint": base_fingerprint,
            "prompt_format": PROMPT_FORMAT,
            "abstain_token": ABSTAIN,
        },
    )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _dev_figures(model: Any, tokenizer: Any, run: CounterfactualTraining) -> dict[str, float]:
    figures = {}
    files = dev_files(run.data / "dev")
    for task in TASKS:
        if run.dev_queries and all(name in files for name in task.files):
            rng = random.Random(f"{run.seed} {task.name}")
            cases = list(task.load(run.data / "dev", rng))
            cases = rng.sample(cases, min(len(cases), run.dev_queries))
            answers = generate(model, tokenizer, cases, max_new_tokens=24)
            right = [exact(answer, case.answer) for case, answer in zip(cases, answers, strict=True)]
            figures[task.name] = round(sum(right) / len(right), 4)
    return figures

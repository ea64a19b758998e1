"""``serac train counterfactual``: sources, loop, dev figures, and what goes into ``pretrained/counterfactual``."""

import json
import logging
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serac_cli.backends.local import load_local_model
from serac_cli.backends.scoring import ScoringModel
from serac_cli.counterfactual import ABSTAIN, PROMPT_FORMAT, fingerprint, load_adapter
from serac_cli.errors import SettingsError
from serac_cli.evaluation.counterfactual_cases import TASKS
from serac_cli.evaluation.counterfactual_scoring import exact, generate
from serac_cli.evaluation.shipped import dev_files
from serac_cli.training.counterfactual_examples import WEIGHTS, Focus, load_sources
from serac_cli.training.counterfactual_focus import find_focus, read_focus, write_focus
from serac_cli.training.counterfactual_loop import Progress, TrainingConfig, train
from serac_cli.training.reserved import Reserved, hand_written, reserved

__all__ = ["CounterfactualTraining", "save_component", "train_counterfactual"]

log = logging.getLogger(__name__)
Heard = Callable[[str, int, int], None]
"""Called with (what is being done, done so far, total)."""


@dataclass(frozen=True)
class CounterfactualTraining:
    """What a run is made of.

    ``data`` holds the directories ``train`` and ``dev``; ``base`` is the folder of the model to train over, and
    ``base_name`` what users of the adapter should load in its place. ``work`` receives checkpoint and log, ``out`` the
    result. ``start`` is an adapter to go on from; with ``focus``, so many of the hand-written edits are asked of it
    first, and those that it gets something wrong of are what the run reads of them. The run ends after ``steps`` steps
    or ``minutes`` minutes.
    """

    out: Path
    work: Path
    data: Path
    base: Path
    base_name: str
    start: Path | None = None
    focus: int | None = None
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
    ``dev_queries`` queries of each hand-written kind and task, at every checkpoint. Raises InputFileError where
    ``data`` has no development sets, which are to be left out, ModelUnreadable for the base.
    """
    excluded = reserved(run.data / "dev")
    run.work.mkdir(parents=True, exist_ok=True)
    focus = _focus(run, excluded, heard, resume=resume) if run.focus else None
    sources = load_sources(run.data / "train", excluded, focus)
    base = load_local_model(str(run.base))
    base_fingerprint = fingerprint(base.model)
    unedited = ScoringModel(load_local_model(str(run.base)))
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
            unedited=lambda query, reply: _per_token(unedited, query, reply),
        )
    save_component(run.work, run.out, run.base_name, base_fingerprint)
    return run.out


def _focus(run: CounterfactualTraining, excluded: Reserved, heard: Heard, *, resume: bool) -> Focus:
    path = run.work / "focus.json"
    if not (resume and path.exists()):
        if run.start is None or not run.focus:
            raise SettingsError(
                "nothing can be missed before an adapter is trained", "give --start with --focus"
            )
        base = load_local_model(str(run.base))
        model = load_adapter(base, run.start)
        edits = hand_written(run.data / "train", excluded).edits
        found = find_focus(
            model,
            base.tokenizer,
            edits,
            run.focus,
            TrainingConfig.length,
            lambda done, total: heard("asking", done, total),
        )
        write_focus(found, path)
    return read_focus(path)


def _per_token(model: ScoringModel, query: str, reply: str) -> float:
    values = model.log_likelihoods([(query, reply)])[0].log_probabilities
    return math.fsum(values) / len(values)


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

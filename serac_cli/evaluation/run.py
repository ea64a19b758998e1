"""``serac evaluate run``: the paper's comparison, from records to a file of results."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from serac_cli.encoder import Encoder
from serac_cli.errors import ComponentError, SettingsError
from serac_cli.evaluation.calls import Calls, digest_of
from serac_cli.evaluation.counterfactual_stance import Judge
from serac_cli.evaluation.editors import Base, ModelEditor
from serac_cli.evaluation.finetuning import FineTuningConfig
from serac_cli.evaluation.line_up import EDITORS, Parts, line_up, open_evaluated_base
from serac_cli.evaluation.measure import Row, figures, measure
from serac_cli.evaluation.provenance import components, data_digests, described, machine
from serac_cli.evaluation.run_config import TASKS, RunConfig, save_config
from serac_cli.evaluation.scope_report import Outcome, calibration_error, reliability
from serac_cli.evaluation.task_sets import public_tasks
from serac_cli.evaluation.tasks import Sample, Task, drawn, natural_tasks, own_task
from serac_cli.evaluation.tuning import tuned_fine_tuning, tuned_threshold
from serac_cli.settings import Settings

__all__ = ["run"]

Progress = Callable[[str, int, int], None]

FT_COST = 8
"""What a record weighs in the estimate of the time left with fine-tuning, in records of the other editors."""


def run(
    config: RunConfig, out: Path, settings: Settings, encoder: Encoder, *, resume: bool, progress: Progress
) -> dict[str, Any]:
    """Measures, writes ``calls.jsonl``, ``rows.jsonl`` and ``results.json`` to ``out``, and returns the results.

    ``calls.jsonl`` grows with every call of a model; with ``resume`` those of an earlier run are taken from it.
    ``settings.json`` is for :func:`~serac_cli.evaluation.run_config.run_config`.
    Raises SettingsError where ``out`` has such a file without ``resume``; ModelError, ComponentError, InputFileError.
    """
    start = time.time()
    _check(config)
    out.mkdir(parents=True, exist_ok=True)
    if (out / "calls.jsonl").exists() and not resume:
        raise SettingsError(
            f"{out} holds a run already", "go on with it by --resume, or name another folder with --out"
        )
    # 1. Records, the same for every editor
    samples = [drawn(task, config.records, config.tuning, config.seed) for task in _tasks(config, encoder)]
    if not any(sample.batches(edits) for sample in samples for edits in config.edits):
        most = max(len(sample.measured) + len(sample.fillers) for sample in samples)
        raise SettingsError(
            f"there are {most} edits to measure, fewer than any number of edits in memory",
            f"give -k {most} or less",
        )

    # 2. Editors over each base model, tuned on records that are not measured
    calls = Calls(out / "calls.jsonl")
    parts = Parts(settings, encoder, calls, config.max_new_tokens, progress)
    parts.scope, parts.counterfactual = (
        config.scope or parts.scope,
        config.counterfactual or parts.counterfactual,
    )
    judge, judge_note = _judge(samples)
    measured: list[_Measured] = []
    for spec in config.bases:
        base = open_evaluated_base(parts, spec)
        if spec == config.bases[0]:
            save_config(config, out)  # not before: what is refused must not be what is resumed
        measured += [
            _measure(config, base, sample, parts, judge, progress, timed=sample is samples[0])
            for sample in samples
        ]

    # 3. The files
    with (out / "rows.jsonl").open("w", encoding="utf-8") as file:
        for one in measured:
            for row in one.rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    results = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - start),
        "calls": {"made": calls.made, "known": len(calls)},
        "settings": asdict(config)
        | {"bases": [Path(spec).name if Path(spec).exists() else spec for spec in config.bases]},
        "machine": machine(),
        "versions": {name: version(name) for name in ("serac", "torch", "transformers", "peft")},
        "data_sha256": data_digests(config),
        "components": components(parts, config),
        "judge": judge_note,
        "tasks": [described(sample) for sample in samples],
        "tuned": [one.tuned for one in measured],
        "results": [result for one in measured for result in one.results],
        "skipped_for_want_of_edits": [skipped for one in measured for skipped in one.skipped],
        "reliability": [one.reliability for one in measured if one.reliability],
        "timing": [timing for one in measured for timing in one.timing],
    }
    # of paths the name alone is kept: where they are is of no use elsewhere
    text = json.dumps(results, indent=1, ensure_ascii=False, default=lambda path: path.name)
    (out / "results.json").write_text(text + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@dataclass
class _Measured:
    tuned: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    timing: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    reliability: dict[str, Any] | None = None


def _measure(
    config: RunConfig,
    base: Base,
    sample: Sample,
    parts: Parts,
    judge: Judge | None,
    progress: Progress,
    *,
    timed: bool,
) -> _Measured:
    """Measures every editor on one task, over one base model."""
    task = sample.task
    label = f"{base.name}, {task.title}"

    # 1. Tune
    found = _Measured({"base": base.name, "task": task.name})
    threshold, tuning = _tune(
        config, base, sample, found.tuned, lambda d, n: progress(f"{label}: tuning", d, n)
    )
    editors = line_up(config.editors, base, parts, threshold, tuning, config.ft_edits)

    # 2. Time, then measure, batch by batch; large memories first, so that models are asked for many records at once
    todo = [
        (editor, edits, _share(config, editor, sample).batches(edits))
        for edits in sorted(config.edits, reverse=True)
        for editor in editors
        if editor.most_edits is None or edits <= editor.most_edits
    ]
    total = sum(_weight(editor) * len(records) for editor, _, batches in todo for records, _ in batches)
    done = 0
    progress(label, done, total)
    outcomes: list[Outcome] = []
    topics = [record.subject for record in sample.measured]
    for editor, edits, batches in todo:
        # timed first: what the queries need, tuned weights among it, is there when they are measured
        if timed and batches:
            found.timing.append(_timed(config, base, editor, edits, batches[0]))
        rows: list[Row] = []
        for number, (records, memory) in enumerate(batches):
            part = measure(
                editor, base, task.family, records, memory, seed=config.seed, judge=judge, topics=topics
            )
            rows += [replace(row, record=row.record + number * edits) for row in part]
            done += _weight(editor) * len(records)
            progress(label, done, total)
        if not rows:
            found.skipped.append(
                {"base": base.name, "task": task.name, "editor": editor.name, "edits": edits}
            )
            continue
        where = {
            "base": base.name,
            "task": task.name,
            "title": task.title,
            "editor": editor.name,
            "edits": edits,
        }
        found.results.append(where | figures(rows, config.seed).as_dict())
        found.rows += [where | asdict(row) for row in rows]
        if editor.name == "SERAC":
            outcomes += [
                Outcome(task.name, row.kind, row.inside, row.probability, row.right_edit)
                for row in rows
                if row.probability is not None
            ]
    for entries in (found.results, found.rows, found.timing, found.skipped):
        entries.sort(key=lambda entry: entry["edits"])
    if outcomes:
        bins = reliability(outcomes)
        found.reliability = {
            "base": base.name,
            "task": task.name,
            "calibration_error": calibration_error(bins),
            "bins": bins,
        }
    return found


def _tune(
    config: RunConfig, base: Base, sample: Sample, tuned: dict[str, Any], heard: Callable[[int, int], None]
) -> tuple[float, FineTuningConfig]:
    """Returns LU's threshold and FT's configuration, and notes in ``tuned`` how they were chosen."""
    threshold, tuning = 0.0, config.grid[0]
    if "lu" in config.editors and sample.tuning:
        threshold = tuned_threshold(base, sample.task.family, sample.tuning, seed=config.seed)
        tuned["lu"] = {"threshold": threshold}
    if "ft" in config.editors:
        scores: list[tuple[FineTuningConfig, float]] = []
        if sample.tuning and len(config.grid) > 1:
            tuning, scores = tuned_fine_tuning(
                base, sample.task.family, sample.tuning, config.grid, seed=config.seed, heard=heard
            )
        tuned["ft"] = {"chosen": asdict(tuning), "scores": [[asdict(one), score] for one, score in scores]}
    return threshold, tuning


def _timed(
    config: RunConfig, base: Base, editor: ModelEditor, edits: int, batch: tuple[list[Any], list[Any]]
) -> dict[str, Any]:
    """Returns the milliseconds of queries asked one at a time, when all is loaded, encoded and learnt."""
    measured, memory = batch
    asks = [record.inside[0].ask for record in measured if record.inside][: config.timed // 2]
    asks += [record.outside[0].ask for record in measured if record.outside][: config.timed - len(asks)]

    def compute(_: list[Any]) -> list[Any]:
        with base.calls.off():
            editor.apply(memory)
            editor.answers(asks[:1])
            times = []
            for ask in asks:
                start = time.perf_counter()
                editor.answers([ask])
                times.append((time.perf_counter() - start) * 1000)
        return [{"median_ms": statistics.median(times), "queries": len(times)}]

    asked = digest_of([[ask.prompt for ask in asks], [record.edit.prompt for record in memory]])
    key = [base.identity, editor.name, editor.identity, edits, asked, config.max_new_tokens, machine()]
    timing: dict[str, Any] = base.calls.map("timing", [key], compute)[0]
    return {"base": base.name, "editor": editor.name, "edits": edits} | timing


def _share(config: RunConfig, editor: ModelEditor, sample: Sample) -> Sample:
    """Returns the sample, or for FT its first records."""
    if editor.name != "FT":
        return sample
    few, rest = sample.measured[: config.ft_records], sample.measured[config.ft_records :]
    return replace(sample, measured=few, fillers=(*rest, *sample.fillers))


def _weight(editor: ModelEditor) -> int:
    return FT_COST if editor.name == "FT" else 1


def _tasks(config: RunConfig, encoder: Encoder) -> list[Task]:
    if config.csv:
        return [own_task(config.csv)]
    if config.data:
        return public_tasks(config.data, config.tasks, encoder, config.seed)
    return [task for task in natural_tasks(config.seed) if task.name in config.tasks]


def _check(config: RunConfig) -> None:
    for kind, given, known in (("task", config.tasks, TASKS), ("editor", config.editors, EDITORS)):
        if unknown := sorted(set(given) - set(known)):
            raise SettingsError(f"unknown {kind} {unknown[0]!r}", f"choose from {', '.join(known)}")


def _judge(samples: Sequence[Sample]) -> tuple[Judge | None, str]:
    """Returns the judge of free replies, None where no task needs it or its package is missing, and a word on it."""
    if not any(sample.task.family == "convsent" for sample in samples):
        return None, "not needed"
    try:
        return Judge(), f"VADER, vaderSentiment {version('vaderSentiment')}"
    except ComponentError as error:
        return None, f"none: {error}"

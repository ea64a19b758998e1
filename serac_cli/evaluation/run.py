"""``serac evaluate run``: the paper's comparison, from records to a file of results."""

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from serac_cli.encoder import Encoder
from serac_cli.errors import ComponentError, SettingsError
from serac_cli.evaluation.calls import Calls, digest_of
from serac_cli.evaluation.counterfactual_stance import Judge
from serac_cli.evaluation.editors import Base, ModelEditor
from serac_cli.evaluation.finetuning import FineTuningConfig
from serac_cli.evaluation.line_up import DEFAULT_EDITORS, EDITORS, Parts, line_up, open_evaluated_base
from serac_cli.evaluation.measure import Row, figures, measure
from serac_cli.evaluation.scope_report import Outcome, calibration_error, reliability
from serac_cli.evaluation.scope_sets import shipped
from serac_cli.evaluation.task_sets import FILES, public_tasks
from serac_cli.evaluation.tasks import Sample, Task, drawn, natural_tasks, own_task
from serac_cli.evaluation.tuning import GRID, tuned_fine_tuning, tuned_threshold
from serac_cli.settings import DEFAULT_BASE, SCOPE_FORMS, Settings

__all__ = ["QUICK", "TASKS", "RunConfig", "run", "run_config"]

TASKS = tuple(FILES)
Progress = Callable[[str, int, int], None]

SETTINGS = "settings.json"
_PATHS = ("data", "csv", "scope", "counterfactual")
_SIZES = ("editors", "edits", "records", "ft_records", "ft_edits", "tuning", "timed", "grid")

FT_COST = 8
"""What a record weighs in the estimate of the time left with fine-tuning, in records of the other editors."""


@dataclass(frozen=True)
class RunConfig:
    """What a run measures. ``edits`` are the numbers of edits in memory at once (the paper's k).

    ``records`` are measured for each task; ``tuning`` further ones serve to tune LU and FT. FT, which learns anew for
    each batch, is measured on the first ``ft_records`` with at most ``ft_edits`` edits; ``grid`` are its
    configurations to choose from. ``timed`` queries are timed one by one.
    """

    tasks: tuple[str, ...] = TASKS
    editors: tuple[str, ...] = DEFAULT_EDITORS
    bases: tuple[str, ...] = (DEFAULT_BASE,)
    edits: tuple[int, ...] = (1, 10, 75, 1000, 10000)
    records: int = 100
    ft_records: int = 30
    ft_edits: int = 75
    tuning: int = 20
    timed: int = 10
    seed: int = 0
    max_new_tokens: int = 24
    grid: tuple[FineTuningConfig, ...] = GRID
    data: Path | None = None
    csv: Path | None = None
    scope: Path | None = None
    counterfactual: Path | None = None


QUICK = RunConfig(
    editors=("none", "serac", "rp", "lu", "ft"),
    edits=(10, 75),
    records=30,
    ft_records=10,
    ft_edits=10,
    tuning=10,
    timed=4,
    grid=GRID[2:4],
)
"""The form that takes minutes."""


def run_config(given: dict[str, Any], *, quick: bool, resumed: Path | None) -> RunConfig:
    """Returns the settings of a run: those given, then the sizes of the quick form, then those of the run resumed.

    Raises SettingsError where both data and a CSV are given, or ``resumed`` has settings that cannot be read.
    """
    if given.get("data") and given.get("csv"):
        raise SettingsError("a run is over --data or over --csv, not both", "leave one of them out")
    config = (_saved(resumed) if resumed else None) or RunConfig()
    if quick:
        config = replace(config, **{name: getattr(QUICK, name) for name in _SIZES})
    if given.get("data") or given.get("csv"):
        config = replace(config, data=None, csv=None)
    return replace(config, **given)


def _saved(out: Path) -> RunConfig | None:
    path = out / SETTINGS
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(values[name]) for name in ("tasks", "editors", "bases", "edits")}
        paths = {name: values[name] and Path(values[name]) for name in _PATHS}
        grid = tuple(FineTuningConfig(**one) for one in values["grid"])
        return RunConfig(**{**values, **lists, **paths, "grid": grid})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(
            f"cannot read {path}: {error}", "delete it and give the settings again"
        ) from error


def run(
    config: RunConfig, out: Path, settings: Settings, encoder: Encoder, *, resume: bool, progress: Progress
) -> dict[str, Any]:
    """Measures, writes ``calls.jsonl``, ``rows.jsonl`` and ``results.json`` to ``out``, and returns the results.

    ``calls.jsonl`` grows with every call of a model; with ``resume`` those of an earlier run are taken from it.
    ``settings.json`` is for :func:`run_config`.
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

    paths = {name: str(path.resolve()) for name in _PATHS if (path := getattr(config, name))}
    (out / SETTINGS).write_text(json.dumps(asdict(config) | paths, indent=1) + "\n", encoding="utf-8")

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
        "machine": _machine(),
        "versions": {name: version(name) for name in ("serac", "torch", "transformers", "peft")},
        "data_sha256": _data_digests(config),
        "components": _components(parts, config),
        "judge": judge_note,
        "tasks": [_described(sample) for sample in samples],
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
    for editor, edits, batches in todo:
        # timed first: what the queries need, tuned weights among it, is there when they are measured
        if timed and batches:
            found.timing.append(_timed(config, base, editor, edits, batches[0]))
        rows: list[Row] = []
        for number, (records, memory) in enumerate(batches):
            part = measure(editor, base, task.family, records, memory, seed=config.seed, judge=judge)
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
        threshold = tuned_threshold(base, sample.tuning)
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
    key = [base.identity, editor.name, editor.identity, edits, asked, config.max_new_tokens, _machine()]
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


def _described(sample: Sample) -> dict[str, Any]:
    task = sample.task
    return {
        "name": task.name,
        "title": task.title,
        "records": len(task.records),
        "measured": len(sample.measured),
        "inside": sum(len(record.inside) for record in sample.measured),
        "outside": sum(len(record.outside) for record in sample.measured),
        "tuning": len(sample.tuning),
        "fillers": len(sample.fillers),
    }


def _data_digests(config: RunConfig) -> dict[str, str]:
    if config.csv:
        paths = [config.csv]
    elif config.data:
        dev = config.data / "dev" if (config.data / "dev").is_dir() else config.data
        paths = [dev / name for task in config.tasks for name in FILES[task]]
    else:
        paths = [shipped(f"natural_{name}_dev.jsonl") for name in ("edits", "evidence", "stance")]
    return {path.name: _sha256(path) for path in dict.fromkeys(paths) if path.exists()}


def _components(parts: Parts, config: RunConfig) -> dict[str, str]:
    files = []
    if any(name in config.editors for name in ("serac", "serac-two-stage", "serac-cross", "rp")):
        files.append(parts.scope / "model.safetensors")
    if "serac" in config.editors and SCOPE_FORMS[0] == "checked":
        files.append(parts.scope / "check.json")
    if "serac-embedding" in config.editors:
        files.append(parts.scope / "projection.safetensors")
    if any(name.startswith("serac") for name in config.editors):
        files.append(parts.counterfactual / "adapter_model.safetensors")
    digests = {f"{path.parent.name}/{path.name}": _sha256(path) for path in files}
    return digests | {"encoder": parts.encoder.identity.digest}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _machine() -> dict[str, Any]:
    """Returns the processor's name, the cores that this process may use, torch's threads and the memory in GB."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (OSError, ValueError):
        memory = 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": name,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }

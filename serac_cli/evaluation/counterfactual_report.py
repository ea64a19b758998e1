"""`serac evaluate counterfactual`: what the counterfactual model is held to, on dev data, given the right edit."""

import functools
import hashlib
import platform
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from serac_cli.errors import InputFileError, SettingsError
from serac_cli.evaluation.counterfactual_cases import TASKS, TYPED, Case, near_misses, stance_topics
from serac_cli.evaluation.counterfactual_scoring import Scored, exact, generate, score
from serac_cli.evaluation.counterfactual_stance import Judge, StanceFigures, measure_stance
from serac_cli.evaluation.metrics import contains
from serac_cli.evaluation.shipped import dev_files

__all__ = ["Report", "Row", "Veto", "evaluate", "table"]

Heard = Callable[[str, int, int], None]
"""Called with (what is being measured, cases done, cases in all)."""

THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True)
class Row:
    """Shares from 0 to 1. ``contains``: the answer holds the expected one. ``kinds`` maps a kind of query to
    (cases, free exact match); ``confusion`` maps "expected -> said" to a count where only two answers are expected.
    """

    name: str
    title: str
    cases: int
    teacher_forced: float
    teacher_forced_bar: float | None
    free: float
    free_bar: float | None
    contains: float
    kinds: dict[str, tuple[int, float]]
    confusion: dict[str, int]
    misses: tuple[tuple[str, str, str, str], ...]
    seconds: float


@dataclass(frozen=True)
class Veto:
    """Abstention as a veto: shares of near-misses rightly and of in-scope queries wrongly vetoed, by threshold."""

    near_misses: int
    inside: int
    vetoed: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Report:
    """All figures of one adapter, with what they depend on."""

    rows: tuple[Row, ...]
    veto: Veto | None
    stance: dict[str, StanceFigures]
    limit: int
    seed: int
    data_sha256: dict[str, str]
    machine: str
    threads: int
    seconds: float


def evaluate(
    model: Any,
    tokenizer: Any,
    data: Path,
    *,
    limit: int = 1000,
    seed: int = 0,
    only: Sequence[str] = (),
    typed: Path | None = None,
    heard: Heard = lambda *_: None,
) -> Report:
    """Measures a peft model, its adapter on, over the dev directory ``data``.

    Each row takes ``limit`` cases at random (0: all), a tenth as many topics of stances; rows whose files are
    missing are left out, and so are those not in ``only``, if it names any ("stance" and "veto" count as rows).
    ``typed`` is a file of edits with queries, as ``tests/data/typed_edits.jsonl``, for one more row, whole. Raises
    SettingsError where ``only`` names what is no row, InputFileError without ``data``, ComponentError where opinions
    are to be judged and the judge is not installed.
    """
    names = (*(task.name for task in TASKS), TYPED.name, "veto", "stance")
    if unknown := [name for name in only if name not in names]:
        raise SettingsError(f"no row is named {unknown[0]!r}", f"choose from {', '.join(names)}")
    if not data.is_dir():
        raise InputFileError(f"there is no directory {data}", "give --data the directory that holds dev/")
    start = time.perf_counter()
    files = dev_files(data)
    topics = [t for t in stance_topics(data) if t.positive and t.negative]
    topics = topics if not only or "stance" in only else []
    judge = Judge() if topics else None
    rows = []
    for task in TASKS:
        if (only and task.name not in only) or not all(name in files for name in task.files):
            continue
        rng = random.Random(f"{seed} {task.name}")
        cases = _sample(list(task.load(data, rng)), limit, rng)
        rows.append(_row(model, tokenizer, task, cases, heard))
    if typed is not None and (not only or TYPED.name in only):
        rows.append(_row(model, tokenizer, TYPED, list(TYPED.load(typed, random.Random(seed))), heard))
    veto = None
    if not only or "veto" in only:
        veto = _veto(model, tokenizer, data, limit, seed, heard)
    stance: dict[str, StanceFigures] = {}
    if judge is not None:
        for source in dict.fromkeys(topic.source for topic in topics):
            rng = random.Random(f"{seed} {source}")
            most = max(1, limit // 10) if limit else 0
            drawn = _sample([topic for topic in topics if topic.source == source], most, rng)
            told = functools.partial(heard, source)
            stance[source] = measure_stance(model, tokenizer, drawn, rng, judge, told)
    return Report(
        rows=tuple(rows),
        veto=veto,
        stance=stance,
        limit=limit,
        seed=seed,
        data_sha256={name: _sha256(path) for name, path in sorted(files.items())},
        machine=platform.processor() or platform.machine(),
        threads=torch.get_num_threads(),
        seconds=time.perf_counter() - start,
    )


def _row(model: Any, tokenizer: Any, task: Any, cases: list[Case], heard: Heard) -> Row:
    start = time.perf_counter()
    scored = score(model, tokenizer, cases, heard=lambda d, n: heard(task.title, d, n))
    answers = answers_of(model, tokenizer, cases, scored, lambda d, n: heard(f"{task.title}, free", d, n))
    right = [exact(answer, case.answer) for case, answer in zip(cases, answers, strict=True)]
    kinds: dict[str, list[bool]] = defaultdict(list)
    for case, ok in zip(cases, right, strict=True):
        kinds[case.kind].append(ok)
    confusion: Counter[str] = Counter()
    if len({case.answer for case in cases}) == 2:
        confusion.update(
            f"{case.answer} -> {answer[:20]}" for case, answer in zip(cases, answers, strict=True)
        )
    misses = [
        (f"{case.edit.prompt} => {case.edit.target}", case.query, case.answer, answer)
        for case, answer, ok in zip(cases, answers, right, strict=True)
        if not ok
    ]
    return Row(
        name=task.name,
        title=task.title,
        cases=len(cases),
        teacher_forced=_mean([s.matched for s in scored]),
        teacher_forced_bar=task.teacher_forced,
        free=_mean(right),
        free_bar=task.free,
        contains=_mean([contains(a, case.answer) for case, a in zip(cases, answers, strict=True)]),
        kinds={kind: (len(oks), _mean(oks)) for kind, oks in sorted(kinds.items())},
        confusion=dict(confusion.most_common()),
        misses=tuple(misses),
        seconds=time.perf_counter() - start,
    )


def answers_of(
    model: Any,
    tokenizer: Any,
    cases: Sequence[Case],
    scored: Sequence[Scored],
    heard: Callable[[int, int], None],
) -> list[str]:
    """Returns the freely generated answers.

    Where each token of the expected answer, its end included, is the most likely one after those before it, greedy
    decoding can only give that answer; the others are decoded.
    """
    open_cases = [case for case, s in zip(cases, scored, strict=True) if not s.matched]
    decoded = iter(generate(model, tokenizer, open_cases, heard=heard))
    return [case.answer if s.matched else next(decoded) for case, s in zip(cases, scored, strict=True)]


def _veto(model: Any, tokenizer: Any, data: Path, limit: int, seed: int, heard: Heard) -> Veto:
    rng = random.Random(f"{seed} veto")
    natural = next(task for task in TASKS if task.name == "natural")
    outside = _sample(list(near_misses(data)), limit, rng)
    inside = _sample(list(natural.load(data, rng)), limit, rng)
    scored = score(model, tokenizer, [*outside, *inside], heard=lambda d, n: heard("abstention", d, n))
    out, into = scored[: len(outside)], scored[len(outside) :]
    shares = {
        f"{threshold:g}": (
            _mean([s.abstention >= threshold for s in out]),
            _mean([s.abstention >= threshold for s in into]),
        )
        for threshold in THRESHOLDS
    }
    return Veto(len(outside), len(inside), shares)


def table(report: Report) -> list[dict[str, Any]]:
    """Returns the report's figures against their bars, a dictionary per line of the table."""
    lines: list[dict[str, Any]] = [
        {
            "task": row.title,
            "cases": row.cases,
            "teacher-forced": row.teacher_forced,
            "bar": row.teacher_forced_bar,
            "free": row.free,
            "free bar": row.free_bar,
        }
        for row in report.rows
    ]
    lines += [
        {
            "task": f"ConvSent: {name}",
            "cases": 2 * figures.topics,
            "teacher-forced": figures.edit_success,
            "bar": 0.98 if name == "convsent" else None,
            "free": figures.both,
            "free bar": 0.95 if name == "convsent" else None,
        }
        for name, figures in report.stance.items()
    ]
    return lines


def as_json(report: Report) -> dict[str, Any]:
    """Returns the report for ``metrics.json``: every figure, without the single misses and samples."""
    values = asdict(report)
    for row in values["rows"]:
        del row["misses"]
    for figures in values["stance"].values():
        del figures["samples"]
    return values


def _sample(items: list[Any], limit: int, rng: random.Random) -> list[Any]:
    return items if not limit or len(items) <= limit else rng.sample(items, limit)


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else float("nan")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

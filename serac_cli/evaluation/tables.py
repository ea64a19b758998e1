"""The results as tables: rows for the terminal, and ``docs/results.md``. Every figure comes from a results file."""

from collections.abc import Sequence
from typing import Any

__all__ = ["MAIN_EDITS", "TASK_NAMES", "main_edits", "main_table", "report"]

MAIN_EDITS = 10
"""Edits in memory at once in the main table, as in the paper's."""

_ORDER = ("qa", "qa-hard", "fc", "convsent", "own")
TASK_NAMES = {"qa": "QA", "qa-hard": "QA-hard", "fc": "FC", "convsent": "ConvSent", "own": "own"}

Results = dict[str, Any]


def main_table(results: Results, edits: int) -> tuple[list[str], list[dict[str, str]]]:
    """Returns columns and rows, one row a base model and editor: ES and DD of each task with ``edits`` in memory."""
    found = [one for one in results["results"] if one["edits"] == edits]
    tasks = [task for task in _ORDER if any(one["task"] == task for one in found)]
    columns = [
        "base",
        "editor",
        *(f"{TASK_NAMES[task]} {metric}" for task in tasks for metric in ("ES", "DD")),
    ]
    rows = []
    for base, editor in dict.fromkeys((one["base"], one["editor"]) for one in found):
        row = {"base": base, "editor": editor}
        for task in tasks:
            one = _find(found, base=base, editor=editor, task=task)
            row[f"{TASK_NAMES[task]} ES"] = _mean(one["edit_success"]) if one else ""
            row[f"{TASK_NAMES[task]} DD"] = _mean(one["drawdown"]) if one else ""
        rows.append(row)
    return columns, rows


def main_edits(results: Results) -> int:
    """Returns the number of edits of the main table: ten, or the nearest number that was measured."""
    numbers: set[int] = {one["edits"] for one in results["results"]}
    return min(numbers, key=lambda edits: abs(edits - MAIN_EDITS))


def report(runs: Sequence[tuple[str, Results, Sequence[str]]]) -> str:
    """Returns ``results.md``. Each run has a title, its results, and the paths of its plots."""
    lines = [
        "# Results",
        "",
        "Made by `serac evaluate report` from the results files of `serac evaluate run`; not written by hand.",
        "",
        "ES is edit success, the higher the better; DD is drawdown, the lower the better. Both are the paper's",
        "metrics (Mitchell et al., *Memory-Based Model Editing at Scale*, ICML 2022, section 5), teacher-forced;",
        "their formulas are in `serac_cli/evaluation/metrics.py`. *Free* figures are of greedy decoding with no",
        "answer given. Brackets hold 95% bootstrap intervals over records. k is the number of edits in memory at",
        "once. The scope classifier and the counterfactual model are the same for every base model: neither is",
        "trained again. RP is retrieve and prompt, LU a lookup cache, FT fine-tuning: see",
        "[evaluation.md](evaluation.md#editors).",
    ]
    for title, results, plots in runs:
        lines += ["", f"## {title}", "", *_setting(results), *_tables(results)]
        for plot in plots:
            lines += ["", f"![{plot.rpartition('/')[2].rpartition('.')[0]}]({plot})"]
    return "\n".join(lines) + "\n"


def _setting(results: Results) -> list[str]:
    machine, settings, calls = results["machine"], results["settings"], results["calls"]
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    took = (
        f"{results['seconds'] / 60:.0f} minutes" if calls["made"] == calls["known"] else "in several sittings"
    )
    lines = [
        f"Measured {results['written'][:10]} on {machine['processor']}, {machine['cores']} cores, "
        f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}, {machine['memory_gb']:g} GB, "
        f"{machine['system'].partition(' ')[0]}; {versions}; "
        f"seed {settings['seed']}; {took}.",
        "",
        *(
            f"- {task['title']}: {task['measured']} records, {task['inside']} queries in scope, "
            f"{task['outside']} out of it"
            for task in results["tasks"]
        ),
        "",
        f"Replies are cut at {settings['max_new_tokens']} tokens. Judge of free opinions: {results['judge']}.",
    ]
    if tuned := [_tuning(one) for one in results["tuned"] if "lu" in one or "ft" in one]:
        lines += [
            "",
            f"For the highest ES - DD on {settings['tuning']} records that are not measured (FT: the first ten of "
            "them) were chosen:",
            "",
            *(f"- {line}" for line in tuned),
            *_ft_share(settings),
        ]
    digests = [
        f"`{name}` {value[:19]}" for name, value in (results["components"] | results["data_sha256"]).items()
    ]
    return [*lines, "", f"Components and data: {', '.join(digests)}."]


def _ft_share(settings: dict[str, Any]) -> list[str]:
    if "ft" not in settings["editors"]:
        return []
    share = f"first {settings['ft_records']} records, with {settings['ft_edits']} edits at most"
    return ["", f"FT is measured on the {share}."]


def _tuning(tuned: dict[str, Any]) -> str:
    said = []
    if "lu" in tuned:
        said.append(f"LU threshold {tuned['lu']['threshold']:.3g}")
    if "ft" in tuned:
        chosen = tuned["ft"]["chosen"]
        layers = f"MLPs of the last {chosen['layers']} blocks" if chosen["layers"] else "all weights"
        said.append(f"FT rate {chosen['learning_rate']:g}, {layers}")
    return f"{tuned['base']}, {TASK_NAMES[tuned['task']]}: {', '.join(said)}"


def _tables(results: Results) -> list[str]:
    edits = main_edits(results)
    found = [one for one in results["results"] if one["edits"] == edits]
    tasks = [task for task in _ORDER if any(one["task"] == task for one in found)]
    lines = ["", f"### k = {edits}", ""]
    lines += _markdown(
        ["base", "editor", *(f"{TASK_NAMES[task]} {metric}" for task in tasks for metric in ("ES", "DD"))],
        [
            [base, editor]
            + [
                _interval(one[metric]) if (one := _find(found, base=base, editor=editor, task=task)) else ""
                for task in tasks
                for metric in ("edit_success", "drawdown")
            ]
            for base, editor in dict.fromkeys((one["base"], one["editor"]) for one in found)
        ],
    )
    lines += ["", f"### Free generation, k = {edits}", ""]
    lines += [
        "Success (QA: exact match, and whether the reply holds the answer), and replies out of scope that changed.",
        "",
    ]
    lines += _markdown(
        [
            "base",
            "editor",
            *(f"{TASK_NAMES[task]} {metric}" for task in tasks for metric in ("success", "holds", "changed")),
        ],
        [
            [base, editor]
            + [
                _mean(one[metric]) if (one := _find(found, base=base, editor=editor, task=task)) else ""
                for task in tasks
                for metric in ("free", "contains", "changed")
            ]
            for base, editor in dict.fromkeys((one["base"], one["editor"]) for one in found)
        ],
    )
    lines += _by_edits(results)
    lines += _by_kind(found)
    lines += _calibration_and_time(results)
    return lines


def _by_edits(results: Results) -> list[str]:
    numbers = sorted({one["edits"] for one in results["results"]})
    if len(numbers) < 2:
        return []
    rows = []
    for base, editor, task in dict.fromkeys((o["base"], o["editor"], o["task"]) for o in results["results"]):
        cells = []
        for edits in numbers:
            one = _find(results["results"], base=base, editor=editor, task=task, edits=edits)
            cells.append(f"{_mean(one['edit_success'])} / {_mean(one['drawdown'])}" if one else "")
        rows.append([base, editor, TASK_NAMES[task], *cells])
    rows.sort(key=lambda row: list(TASK_NAMES.values()).index(row[2]))
    return [
        "",
        "### ES / DD as the memory grows",
        "",
        *_markdown(["base", "editor", "task", *(f"k = {edits:,}" for edits in numbers)], rows),
        "",
        "An empty cell was not measured: the editor is not meant for so many edits, or the set has not so many.",
    ]


def _by_kind(found: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [one["base"], TASK_NAMES[one["task"]], kind, str(count), f"{value:.3f}"]
        for one in found
        if one["editor"] == "SERAC"
        for kind, (count, value) in one["kinds"].items()
    ]
    if not rows:
        return []
    return [
        "",
        "### SERAC by kind of query (ES in scope, DD out of it)",
        "",
        *_markdown(["base", "task", "kind", "queries", "ES or DD"], rows),
    ]


def _calibration_and_time(results: Results) -> list[str]:
    lines = []
    if results["reliability"]:
        errors = ", ".join(
            f"{TASK_NAMES[one['task']]} {one['calibration_error']:.4f}"
            for one in results["reliability"]
            if one["base"] == results["reliability"][0]["base"]
        )
        lines += ["", f"Expected calibration error of the scope classifier, all k together: {errors}."]
    if results["timing"]:
        numbers = sorted({one["edits"] for one in results["timing"]})
        counts = [one["queries"] for one in results["timing"]]
        most, fewest = max(counts), min(counts)
        rows = []
        for base, editor in dict.fromkeys((one["base"], one["editor"]) for one in results["timing"]):
            of = {o["edits"]: o for o in results["timing"] if (o["base"], o["editor"]) == (base, editor)}
            rows.append([base, editor, *(f"{of[n]['median_ms']:.0f}" if n in of else "" for n in numbers)])
        lines += [
            "",
            "### Milliseconds a query, asked one by one, median",
            "",
            f"Of {most} queries of the first task (k = 1: {fewest}), half of them in scope. float32, and nothing of "
            "SERAC's streaming or prompt lookup; its short answers take less time than the base model's own.",
            "",
            *_markdown(["base", "editor", *(f"k = {n:,}" for n in numbers)], rows),
        ]
    return lines


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "|" + " --- |" * len(columns),
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]


def _find(results: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any] | None:
    return next((one for one in results if all(one[name] == value for name, value in wanted.items())), None)


def _mean(interval: dict[str, Any] | None) -> str:
    return "" if interval is None else f"{interval['mean']:.3f}"


def _interval(interval: dict[str, Any] | None) -> str:
    return (
        "" if interval is None else f"{interval['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
    )

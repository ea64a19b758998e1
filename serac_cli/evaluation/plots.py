"""Plots of a results file, each as PNG and SVG: ES and DD by the number of edits, reliability, time a query."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serac_cli.errors import ComponentError
from serac_cli.evaluation.tables import TASK_NAMES

__all__ = ["draw", "pyplot"]


def pyplot() -> Any:
    """Returns matplotlib's pyplot, which draws to files alone. Raises ComponentError where it is not installed."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ComponentError("drawing plots needs matplotlib", "pip install 'serac[train]'") from error
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "serac"  # the same results give the same file
    from matplotlib import pyplot as drawing

    return drawing


def draw(results: dict[str, Any], folder: Path, prefix: str) -> list[Path]:
    """Writes the plots to ``folder`` and returns the PNG files.

    Raises ComponentError where matplotlib is not installed.
    """
    pyplot()
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for base in dict.fromkeys(one["base"] for one in results["results"]):
        of_base = {
            name: [one for one in results[name] if one["base"] == base]
            for name in ("results", "reliability", "timing")
        }
        name = f"{prefix}-{base.replace('/', '-')}"
        if len({one["edits"] for one in of_base["results"]}) > 1:
            found.append(_save(_by_edits(of_base["results"]), folder / f"{name}-edits"))
        if of_base["reliability"]:
            found.append(_save(_reliability(of_base["reliability"]), folder / f"{name}-reliability"))
        if of_base["timing"]:
            found.append(_save(_time(of_base["timing"]), folder / f"{name}-time"))
    return found


def _by_edits(results: Sequence[dict[str, Any]]) -> Any:
    tasks = list(dict.fromkeys(one["task"] for one in results))
    editors = list(dict.fromkeys(one["editor"] for one in results))
    figure, axes = pyplot().subplots(
        2, len(tasks), figsize=(3.2 * len(tasks), 5.2), sharex=True, squeeze=False, layout="constrained"
    )
    for column, task in enumerate(tasks):
        for row, (metric, title) in enumerate((("edit_success", "ES"), ("drawdown", "DD"))):
            axis = axes[row][column]
            for editor in editors:
                points = [
                    (one["edits"], one[metric])
                    for one in results
                    if one["task"] == task and one["editor"] == editor and one[metric]
                ]
                points.sort(key=lambda point: point[0])
                edits, means = [e for e, _ in points], [value["mean"] for _, value in points]
                (line,) = axis.plot(edits, means, marker="o", markersize=3, label=editor)
                low, high = [v["low"] for _, v in points], [v["high"] for _, v in points]
                axis.fill_between(edits, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
            axis.set_xscale("log")
            axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]) if row else 0.0, top=None if row else 1.03)
            axis.set(title=TASK_NAMES[task] if row == 0 else None, ylabel=title if column == 0 else None)
            if row == 1:
                axis.set_xlabel("edits in memory, k")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    return figure


def _reliability(found: Sequence[dict[str, Any]]) -> Any:
    figure, axis = pyplot().subplots(figsize=(4.2, 4.0), layout="constrained")
    axis.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    for one in found:
        label = f"{TASK_NAMES[one['task']]} (ECE {one['calibration_error']:.3f})"
        axis.plot(
            [mean for mean, _, _ in one["bins"]],
            [share for _, share, _ in one["bins"]],
            marker="o",
            label=label,
        )
    axis.set(xlabel="probability of the best match", ylabel="share of queries in its scope")
    axis.legend(frameon=False)
    return figure


def _time(found: Sequence[dict[str, Any]]) -> Any:
    figure, axis = pyplot().subplots(figsize=(4.8, 3.6), layout="constrained")
    for editor in dict.fromkeys(one["editor"] for one in found):
        points = sorted((one["edits"], one["median_ms"]) for one in found if one["editor"] == editor)
        axis.plot([edits for edits, _ in points], [ms for _, ms in points], marker="o", label=editor)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set(xlabel="edits in memory, k", ylabel="ms a query, median")
    axis.legend(frameon=False)
    return figure


def _save(figure: Any, path: Path) -> Path:
    png = path.with_name(f"{path.name}.png")
    figure.savefig(png, dpi=120)
    figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None})
    pyplot().close(figure)
    return png

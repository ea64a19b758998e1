"""``serac evaluate report``: ``results.md`` and its plots from the folders of runs."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serac_cli.errors import InputFileError
from serac_cli.evaluation.tables import report

__all__ = ["write"]


def write(runs: Sequence[str], out: Path, *, plots: bool) -> list[Path]:
    """Writes ``out`` and, unless told otherwise, plots to the folder of its name beside it; returns the files written.

    A run is a folder of ``serac evaluate run``, or ``TITLE=FOLDER``. Raises InputFileError where one has no results,
    ComponentError where matplotlib is missing.
    """
    sections: list[tuple[str, dict[str, Any], list[str]]] = []
    drawn: list[Path] = []
    for run in runs:
        title, _, folder = run.rpartition("=")
        path = Path(folder) / "results.json"
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputFileError(f"cannot read {path}: {error}", "`serac evaluate run` writes it") from error
        title = title or ("Hand-written sets" if not results["settings"]["data"] else "Public sets")
        made: list[Path] = []
        if plots:
            from serac_cli.evaluation.plots import draw

            prefix = re.sub(r"\W+", "-", title.lower()).strip("-")
            made = draw(results, out.with_suffix(""), prefix)
        drawn += made
        sections.append((title, results, [f"{out.stem}/{path.name}" for path in made]))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(report(sections), encoding="utf-8")
    return [out, *drawn]

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
    """Writes ``out``, and to the folder of its name beside it the results and, unless told otherwise, plots.

    Returns the files written. A run is a folder of ``serac evaluate run``, or ``TITLE=FOLDER``.
    Raises InputFileError where one has no results, ComponentError where matplotlib is missing.
    """
    sections: list[tuple[str, dict[str, Any], list[str]]] = []
    written = [out]
    for run in runs:
        title, _, where = run.rpartition("=")
        path = Path(where) / "results.json"
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputFileError(f"cannot read {path}: {error}", "`serac evaluate run` writes it") from error
        settings = results["settings"]
        title = title or settings["csv"] or ("Public sets" if settings["data"] else "Hand-written sets")
        name = re.sub(r"\W+", "-", title.lower()).strip("-")
        if any(title == other for other, _, _ in sections):
            raise InputFileError(f"two runs are titled {title!r}", "give each its own: 'TITLE=FOLDER'")
        folder = out.with_suffix("")
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{name}.json"
        kept.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        made: list[Path] = []
        if plots:
            from serac_cli.evaluation.plots import draw

            made = draw(results, folder, name)
        written += [kept, *made]
        sections.append((title, results, [f"{out.stem}/{path.name}" for path in made]))
    out.write_text(report(sections), encoding="utf-8")
    return written

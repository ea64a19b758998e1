"""Probes as a regression test of a memory: each query is routed, and answered where an answer is expected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serac_cli.errors import InputFileError
from serac_cli.protocols import Match, ScopeClassifier
from serac_cli.query_files import read_queries
from store import Edit, Memory
from store.edits import fold

__all__ = ["Expectation", "ProbeResult", "read_probe_file", "run_checks", "stored"]


@dataclass(frozen=True)
class Expectation:
    """What is expected of one query.

    ``origin`` says where it comes from ("line 3", "probe 7"). ``edit`` is the id of the edit meant, None for any. Where
    ``in_scope`` is false, no edit may answer. ``answer``, unless empty, must occur in what is answered, as
    whole words; case and the punctuation around words do not count.
    """

    origin: str
    query: str
    in_scope: bool
    answer: str = ""
    edit: int | None = None


@dataclass(frozen=True)
class ProbeResult:
    """The outcome: ``why`` is empty where all is as expected. ``match`` is the nearest edit, None in an empty memory;
    ``said`` is None where no answer was asked for.
    """

    expectation: Expectation
    match: Match | None
    threshold: float
    said: str | None
    why: str

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.why

    def record(self) -> dict[str, Any]:
        """Returns the check as a JSON object."""
        expected, match = self.expectation, self.match
        return {
            "probe": expected.origin,
            "query": expected.query,
            "passed": self.passed,
            "why": self.why,
            "expected": ("in scope" if expected.in_scope else "out of scope")
            + (f" of edit {expected.edit}" if expected.edit is not None and expected.in_scope else ""),
            "expected_answer": expected.answer or None,
            "edit": match.edit.id if match else None,
            "probability": round(match.probability, 6) if match else None,
            "threshold": self.threshold,
            "answer": self.said,
        }


def stored(memory: Memory) -> list[Expectation]:
    """Returns the probes stored with the active edits."""
    return [
        Expectation(f"probe {probe.id}", probe.query, probe.in_scope, probe.answer, probe.edit_id)
        for probe in memory.probes()
    ]


def read_probe_file(path: Path, edits: Sequence[Edit]) -> list[Expectation]:
    """Returns the probes of a CSV: ``query``, ``in_scope`` (yes or no), and perhaps ``answer`` and ``edit``.

    ``edit`` is an id or a prompt of one of ``edits``. Raises InputFileError where the file or a row cannot be used.
    """
    by_prompt = {fold(edit.prompt): edit.id for edit in edits}
    by_id = {str(edit.id): edit.id for edit in edits}
    found = []
    for row in read_queries(path, ()):
        named = row.cells.get("edit", "")
        edit = by_prompt.get(fold(named)) or by_id.get(named)
        if named and edit is None:
            raise InputFileError(
                f"{path}, line {row.line}: no active edit has the id or the prompt {named[:60]!r}",
                "`serac edit list` shows both",
            )
        found.append(
            Expectation(f"line {row.line}", row.query, row.in_scope, row.cells.get("answer", ""), edit)
        )
    return found


def run_checks(
    expectations: Sequence[Expectation],
    scope: ScopeClassifier,
    threshold: float,
    answer: Callable[[str, Edit | None], str],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[ProbeResult]:
    """Returns the outcome of each, in order.

    ``answer(query, edit)`` is called only where an answer is expected and the query is routed as it should be: with the
    edit that answers, or None for the base model.
    """
    checks = []
    for done, expected in enumerate(expectations, start=1):
        match = next(iter(scope.match(expected.query, k=1)), None)
        why, said = _misrouted(expected, match, threshold), None
        if not why and expected.answer:
            said = answer(expected.query, match.edit if expected.in_scope and match else None)
            why = _misanswered(expected, said)
        checks.append(ProbeResult(expected, match, threshold, said, why))
        progress(done, len(expectations))
    return checks


def _misrouted(expected: Expectation, match: Match | None, threshold: float) -> str:
    if match is None:
        return "the memory is empty" if expected.in_scope else ""
    fires = match.probability >= threshold
    compared = f"{match.probability:.3f} {'≥' if fires else '<'} {threshold:.3f}"
    if expected.in_scope and not fires:
        return f"out of scope: the nearest edit is {match.edit.id}, {compared}"
    if not expected.in_scope and fires:
        return f"in scope of edit {match.edit.id}, {compared}"
    if expected.in_scope and expected.edit not in (None, match.edit.id):
        return f"in scope of edit {match.edit.id} instead of {expected.edit}, {compared}"
    return ""


def _misanswered(expected: Expectation, said: str) -> str:
    has = f" {_words(expected.answer)} " in f" {_words(said)} "
    return "" if has else "the answer does not have what is expected"


def _words(text: str) -> str:
    """Returns the words in lower case, without quotes and brackets around them and the punctuation after them."""
    words = text.casefold().replace("’", "'").split()
    return " ".join(word.lstrip("\"'([“‘").rstrip(".,;:!?\"')]”") or word for word in words)

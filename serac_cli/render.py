"""The only module that prints: data to stdout, notes, progress and errors to stderr.

On a terminal data is shown as tables; elsewhere as one line a record. ``--json`` and ``--nl`` say it in JSON.
Edits and model output are data: whatever they contain, nothing but printable characters reaches the terminal.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from serac_cli.edit_files import BadRow
from serac_cli.planning import Outcome, Step
from serac_cli.protocols import Answer, Match
from serac_cli.terminal_table import shortened, table_lines
from store import Edit, Event
from store.history import Action

__all__ = ["Format", "Output", "answer_record", "inert", "is_interactive"]

BAD_ROWS_SHOWN = 20


class Format(StrEnum):
    """How data is written: AUTO is a table on a terminal and plain lines elsewhere."""

    AUTO = "auto"
    JSON = "json"
    LINES = "nl"


_JOINERS = "\u200c\u200d"  # shape letters and emoji, and move nothing
_UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


def inert(text: str, *, newlines: bool = False) -> str:
    """Returns ``text`` with control, formatting and bidirectional characters written as escapes (``\\x1b``).

    ``newlines`` keeps line breaks and tabs as they are.
    """

    def shown(character: str) -> str:
        if newlines and character in "\n\t":
            return character
        if character not in _JOINERS and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            return character.encode("unicode_escape").decode("ascii")
        return character

    return text if text.isascii() and text.isprintable() else "".join(map(shown, text))


class Output:
    """Writes what a command found to stdout, and what it has to say about it to stderr."""

    def __init__(self, style: Format = Format.AUTO) -> None:
        self.style = style
        self.out = Console(highlight=False, markup=False, emoji=False)
        self.err = Console(stderr=True, highlight=False, markup=False, emoji=False)

    @property
    def is_table(self) -> bool:
        """Whether data is drawn for a person at a terminal."""
        return self.style is Format.AUTO and self.out.is_terminal

    # --- to stderr

    def note(self, message: str) -> None:
        """Says something about the work, in one line."""
        self.err.print(Text(inert(message)), soft_wrap=True)

    def error(self, message: str) -> None:
        """Says why a command failed, in one line."""
        self.err.print(Text.assemble(("error: ", "bold red"), inert(message)), soft_wrap=True)

    @contextmanager
    def status(self, message: str) -> Iterator[None]:
        """Shows that work is going on, on a terminal only."""
        if self.err.is_terminal:
            with self.err.status(Text(message)):
                yield
        else:
            yield

    @contextmanager
    def progress(self) -> Iterator[Any]:
        """Yields a function ``report(label, done, total)``; totals over 10,000,000 are shown as bytes."""
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TaskID,
            TextColumn,
            TimeRemainingColumn,
        )

        bars: dict[str, tuple[Progress, TaskID]] = {}

        def report(label: str, done: int, total: int) -> None:
            if label not in bars:
                amount = DownloadColumn() if total > 10_000_000 else MofNCompleteColumn()
                columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
                bar = Progress(*columns, console=self.err, transient=True, disable=not self.err.is_terminal)
                bars[label] = bar, bar.add_task(label, total=total)
                bar.start()
                if not self.err.is_terminal:
                    self.note(f"{label} …")
            bar, task = bars[label]
            bar.update(task, completed=done)
            if done >= total:
                bar.stop()

        try:
            yield report
        finally:
            for bar, _ in bars.values():
                bar.stop()

    # --- to stdout

    def record(self, record: Mapping[str, Any]) -> None:
        """Writes one JSON object on a line of its own."""
        self._line(_json(record))

    def records(self, records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Writes records: a table of ``columns``, lines with tabs between them, or all fields in JSON."""
        if self.style is Format.JSON:
            self._line(_json(records, indent=2))
        elif self.style is Format.LINES:
            for record in records:
                self.record(record)
        elif self.is_table:
            self._table(columns, ([_cell(record[column]) for column in columns] for record in records))
        else:
            for record in records:
                self._line("\t".join(_cell(record[column]) for column in columns))

    def edits(self, edits: Sequence[Edit]) -> None:
        """Writes a list of edits."""
        columns = ["id", "kind", "prompt", "target", "tags"]
        columns += [
            name for name in ("expires_at", "retired_at") if any(getattr(edit, name) for edit in edits)
        ]
        self.records([asdict(edit) for edit in edits], columns)

    def edit(self, edit: Edit, events: Sequence[Event]) -> None:
        """Writes one edit whole, with its history."""
        record = asdict(edit) | {"events": [asdict(event) for event in events]}
        if self.style is not Format.AUTO:
            self.record(record)
            return
        for name, value in asdict(edit).items():
            if value not in ("", None, ()):
                self._field(name.removesuffix("_at"), _cell(value, newlines=True))
        for event in events:
            said = (event.at, event.action, _change(event), event.author, event.reason)
            self._field("event", " ".join(filter(None, said)))

    def plan(self, steps: Sequence[Step], bad: Sequence[BadRow]) -> None:
        """Writes what applying a file would do, line by line."""
        rows = [_step_record(step) for step in steps] + [_bad_record(row) for row in bad]
        rows.sort(key=lambda row: row["line"])
        self.records(rows, ["line", "outcome", "prompt", "target", "why"])

    def bad_rows(self, bad: Sequence[BadRow]) -> None:
        """Lists the rows that make no edit, on stderr."""
        for row in bad[:BAD_ROWS_SHOWN]:
            self.note(f"line {row.line}: {row.reason}")
        if len(bad) > BAD_ROWS_SHOWN:
            self.note(f"… and {len(bad) - BAD_ROWS_SHOWN} more")

    def applied(self, added: Sequence[Edit], steps: Sequence[Step], bad: int) -> None:
        """Says what applying a file has done."""
        duplicates = [step for step in steps if step.outcome is Outcome.DUPLICATE]
        for step in duplicates[:BAD_ROWS_SHOWN]:
            self.note(f"line {step.row.line}: left out, {_step_record(step)['why']}")
        for edit in [rival for step in duplicates for rival in step.rivals][:BAD_ROWS_SHOWN]:
            self.note(
                f"edit {edit.id} gives the same prompt another target; `serac edit retire {edit.id}` leaves one"
            )
        counts = {
            "added": len(added),
            "replaced": sum(step.outcome is Outcome.REPLACE for step in steps),
            "duplicates": len(duplicates),
            "bad": bad,
        }
        if self.style is Format.AUTO:
            said = f"{counts['added']} added ({counts['replaced']} of them replace an edit), "
            self._line(said + f"{counts['duplicates']} duplicates left out, {counts['bad']} bad")
        else:
            self.record(counts | {"ids": [edit.id for edit in added]})

    def events(self, events: Sequence[Event]) -> None:
        """Writes a history, newest first."""
        self.records(
            [asdict(event) | {"change": _change(event)} for event in events],
            ["id", "at", "action", "edit_id", "change", "author", "reason"],
        )

    def matches(self, matches: Sequence[Match], threshold: float) -> None:
        """Writes candidate edits with what each model says, the one that decides first, and notes what follows.

        Where the counterfactual model was asked about some, the others have no probability that compares with theirs.
        """
        checked = any(match.abstention is not None for match in matches)
        columns = ["edit", "probability", "scope", "abstention", "similarity", "prompt", "target"]
        records = [
            {
                "edit": match.edit.id,
                "probability": None if checked and match.abstention is None else round(match.probability, 4),
                "scope": round(match.probability if match.scope is None else match.scope, 4),
                "abstention": None if match.abstention is None else round(match.abstention, 4),
                "similarity": round(match.similarity, 4),
                "prompt": match.edit.prompt,
                "target": match.edit.target,
            }
            for match in matches
        ]
        self.records(
            records, columns if checked else [c for c in columns if c not in ("scope", "abstention")]
        )
        if not matches:
            self.note("out of scope: the memory is empty, so the base model answers")
            return
        best = matches[0]
        p, limit = f"{best.probability:.3f}", f"the threshold {threshold:.3f}"
        self.note(
            f"in scope of edit {best.edit.id}: {p} reaches {limit}, so the counterfactual model answers"
            if best.probability >= threshold
            else f"out of scope: the best probability, {p}, is under {limit}, so the base model answers"
        )

    def answer_view(self, *, show_query: bool) -> "AnswerView":
        """Returns a listener that draws one answer as it is made."""
        return AnswerView(self, show_query=show_query)

    def _table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        header, *lines = table_lines(columns, rows, self.out)
        self.out.print(Text(header, style="bold"), soft_wrap=True)
        for line in lines:
            self._line(line)

    def _field(self, name: str, text: str) -> None:
        self._line(f"{name:<10} {text}".replace("\n", "\n" + " " * 11))

    def _line(self, text: str) -> None:
        self.out.file.write(text + "\n")
        self.out.file.flush()


class AnswerView:
    """Listens to Editor.answer and draws the answer at a terminal, piece by piece."""

    LABEL_WIDTH = 13

    def __init__(self, output: Output, *, show_query: bool) -> None:
        self.output = output
        self.show_query = show_query
        self.open_stage = ""
        self.column = 0

    def matched(self, query: str, match: Match | None, threshold: float, milliseconds: float) -> None:
        """Draws the gate's decision."""
        if self.show_query:
            self._print(Text.assemble(("query", "bold"), " " * 8, inert(query)))
        if match is None:
            self._print(Text.assemble(("out of scope", "yellow"), " the memory is empty"))
            return
        in_scope = match.probability >= threshold
        self._print(
            Text.assemble(
                (
                    f"{'in scope' if in_scope else 'out of scope':<{self.LABEL_WIDTH}}",
                    "green" if in_scope else "yellow",
                ),
                f"p {match.probability:.3f} {'≥' if in_scope else '<'} {threshold:.3f} · ",
                f"{'edit' if in_scope else 'nearest edit'} {match.edit.id}: ",
                shortened(inert(match.edit.prompt), 120),
                f" → {shortened(inert(match.edit.target), 120)}" if match.edit.target else "",
                (f" · {milliseconds:.0f} ms", "dim"),
            )
        )

    def piece(self, stage: str, text: str) -> None:
        """Draws a piece of the answer ``before`` or ``after`` editing, wrapped between words under its label."""
        if stage != self.open_stage:
            self.open_stage = stage
            self._print(Text(f"{stage:<{self.LABEL_WIDTH}}", style="bold"), end="")
            self.column = self.LABEL_WIDTH
            text = text.lstrip("\n")
        for part in re.split(r"(\n| +)", inert(text, newlines=True).expandtabs(4)):
            if part == "\n" or (self.column + cell_len(part) > self.output.out.width and part.strip()):
                self._print(Text("\n" + " " * self.LABEL_WIDTH), end="")
                self.column = self.LABEL_WIDTH
            if part != "\n":
                self._print(Text(part), end="")
                self.column += cell_len(part)

    def done(self, stage: str, milliseconds: float, reused: bool) -> None:
        """Ends a stage; ``reused`` says that the answer is the base model's, drawn already."""
        if reused:
            self._print(
                Text.assemble((f"{stage:<{self.LABEL_WIDTH}}", "bold"), ("the same, unchanged", "dim"))
            )
            return
        if stage != self.open_stage:
            self.piece(stage, "")
        self.open_stage = ""
        self._print(Text(f" · {milliseconds:.0f} ms", style="dim"))

    def interrupted(self) -> None:
        """Ends the line that a cancelled answer left open."""
        if self.open_stage:
            self.open_stage = ""
            self._print(Text(" …", style="dim"))

    def _print(self, text: Text, end: str = "\n") -> None:
        self.output.out.print(text, end=end, soft_wrap=True)


def answer_record(answer: Answer) -> dict[str, Any]:
    """Returns the JSON object of an answer; scripts rely on its fields."""
    edit = answer.match.edit if answer.match else None
    return {
        "query": answer.query,
        "in_scope": answer.in_scope,
        "probability": round(answer.match.probability, 6) if answer.match else None,
        "threshold": answer.threshold,
        "edit": {"id": edit.id, "prompt": edit.prompt, "target": edit.target, "kind": edit.kind}
        if edit
        else None,
        "before": answer.before,
        "after": answer.after,
        "timings_ms": {stage: round(value, 1) for stage, value in answer.timings_ms.items()},
    }


def _step_record(step: Step) -> dict[str, Any]:
    if step.same_as_line is not None:
        why = f"the same as line {step.same_as_line}"
    elif step.repeats is not None:
        why = f"the same as edit {step.repeats.id}"
    elif step.rivals:
        why = f"retires edit {', '.join(str(edit.id) for edit in step.rivals)}"
    else:
        why = ""
    draft = step.row.draft
    return {
        "line": step.row.line,
        "outcome": step.outcome,
        "prompt": draft.prompt,
        "target": draft.target,
        "why": why,
    }


def _change(event: Event) -> str:
    """Returns what an event did to the fields of its edit, short; "" where the action says it all."""
    before, after = event.before or {}, event.after or {}
    if event.before is None:
        return " → ".join(after[name] for name in ("prompt", "target") if after.get(name))
    if event.action in (Action.RETIRE, Action.RESTORE):
        return ""
    if "retired_at" in after:
        return "retired" if after["retired_at"] else "restored"
    return "; ".join(f"{name}: {_cell(before.get(name))} → {_cell(value)}" for name, value in after.items())


def _bad_record(row: BadRow) -> dict[str, Any]:
    cells = " | ".join(row.cells)
    return {
        "line": row.line,
        "outcome": "bad",
        "prompt": shortened(cells, 200),
        "target": "",
        "why": row.reason,
    }


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _UNSAFE_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], text)


def _cell(value: Any, *, newlines: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, (tuple, list)):
        value = ", ".join(str(item) for item in value)
    return inert(str(value), newlines=newlines)


def is_interactive() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()

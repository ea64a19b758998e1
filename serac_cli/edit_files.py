"""Reads files of edits: CSV, TSV and JSONL. Every cell is text, kept exactly ("01234" stays "01234")."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serac_cli.csv_files import Records, csv_records, read_text
from serac_cli.errors import InputFileError
from store import Draft, Kind
from store.edits import fold, kind_named, validate
from store.errors import InvalidEdit

__all__ = ["BadRow", "EditFile", "Row", "entered", "read_edit_file", "write_rejects"]

COLUMNS = ("prompt", "target", "kind", "tags", "note", "source", "expires_at")
_JSON_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Row:
    """A row that makes a valid edit; ``line`` counts from 1, the header included."""

    line: int
    draft: Draft


@dataclass(frozen=True)
class BadRow:
    """A row that does not, with the reason and its cells as they stand in the file."""

    line: int
    reason: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class EditFile:
    """What a file holds: ``header`` names the columns as they are in the file."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]


def read_edit_file(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> EditFile:
    """Reads the edits of a file; the format goes by the suffix (.csv, .tsv, .jsonl, .ndjson).

    ``mapping`` maps our column names to the file's. Columns: ``prompt`` and ``target`` must be there, ``kind``,
    ``tags`` (separated by commas or semicolons), ``note``, ``source`` and ``expires_at`` (ISO 8601) may. Raises
    InputFileError where the file as a whole cannot be used; a row that cannot is listed in ``bad``.
    """
    mapping = dict(mapping or {})
    if unknown := sorted(mapping.keys() - set(COLUMNS)):
        raise InputFileError(f"--map: no such column: {unknown[0]}", f"the columns are {', '.join(COLUMNS)}")
    text = read_text(path, encoding, hint="name its encoding, as in --encoding cp1252 or --encoding utf-16")
    if path.suffix.lower() in _JSON_SUFFIXES:
        header, records = _json_records(path, text)
    else:
        header, records = csv_records(path, text, delimiter)
    columns = _columns(path, header, mapping)
    rows: list[Row] = []
    bad: list[BadRow] = []
    first_with: dict[tuple[str, str], Row] = {}
    for line, cells, problem in records:
        try:
            if problem:
                raise InvalidEdit(problem)
            row = Row(line, _draft({name: cells[index] for name, index in columns.items()}))
            first = first_with.setdefault((row.draft.kind, fold(row.draft.prompt)), row)
            if first.draft.target != row.draft.target:
                raise InvalidEdit(f"gives the prompt of line {first.line} another target")
            rows.append(row)
        except InvalidEdit as error:
            bad.append(BadRow(line, str(error), tuple(cells)))
    if not rows and not bad:
        raise InputFileError(f"{path} has no rows", "it needs a header line and at least one edit")
    return EditFile(path, tuple(header), tuple(rows), tuple(bad))


def write_rejects(path: Path, file: EditFile) -> None:
    """Writes the bad rows as CSV, with their line numbers and reasons in front.

    Raises InputFileError, also where there is such a file: it may hold rows that are being mended.
    """
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace", newline="") as sink:
            writer = csv.writer(sink)
            writer.writerow(["line", "reason", *file.header])
            writer.writerows([str(row.line), row.reason, *row.cells] for row in file.bad)
    except FileExistsError:
        raise InputFileError(
            f"there is a file at {path} already", "name another file with --rejects, or delete it"
        ) from None
    except OSError as error:
        raise InputFileError(
            f"cannot write {path}: {error.strerror}", "name another file with --rejects"
        ) from error


def _json_records(path: Path, text: str) -> tuple[list[str], Records]:
    parsed = [
        (number, *_json_object(line)) for number, line in enumerate(text.split("\n"), 1) if line.strip()
    ]
    if all(problem for _, _, problem in parsed):
        raise InputFileError(f"{path}, line {parsed[0][0]}: {parsed[0][2]}", "each line is one JSON object")
    header = list(dict.fromkeys(name for _, record, _ in parsed for name in record))
    return header, (
        (line, [record.get(name, "") for name in header], problem) for line, record, problem in parsed
    )


def _json_object(line: str) -> tuple[dict[str, str], str]:
    """Returns the cells and what is wrong: then the line as it stands is the only cell."""
    try:
        # numbers keep the form they have in the file
        record = json.loads(line, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        return {"row": line}, f"is no JSON: {error}"
    if not isinstance(record, dict):
        return {"row": line}, "is no JSON object"
    cells: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = ",".join(value)
        if value is None:
            value = ""
        if not isinstance(value, str):
            return {"row": line}, f"{name} must be text"
        cells[name] = value
    return cells, ""


def _columns(path: Path, header: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int]:
    by_name = {name.casefold(): index for index, name in reversed(list(enumerate(header)))}
    columns: dict[str, int] = {}
    for ours in COLUMNS:
        theirs = mapping.get(ours, ours).strip()
        if theirs.casefold() in by_name:
            columns[ours] = by_name[theirs.casefold()]
        elif ours in mapping or ours in ("prompt", "target"):
            found = ", ".join(name[:40] for name in header[:10])
            hint = "name it with --map, as in --map prompt=question --map target=answer"
            raise InputFileError(f"{path} has no column {theirs!r} (it has: {found})", hint)
    return columns


def entered(draft: Draft) -> Draft:
    """Returns a draft that a user enters, valid. Raises InvalidEdit, also for a question without its answer."""
    valid = validate(draft)
    if valid.kind is Kind.FACT and not valid.target and valid.prompt.endswith("?"):
        raise InvalidEdit("the prompt is a question, so it needs a target, its answer")
    return valid


def _draft(cells: Mapping[str, str]) -> Draft:
    tags = cells.get("tags", "").replace(";", ",").split(",")
    return entered(
        Draft(
            prompt=cells["prompt"],
            target=cells["target"],
            kind=kind_named(cells.get("kind", "").strip().lower() or Kind.FACT),
            tags=tuple(tag.strip() for tag in tags if tag.strip()),
            note=cells.get("note", ""),
            source=cells.get("source", ""),
            expires_at=cells.get("expires_at", "").strip() or None,
        )
    )

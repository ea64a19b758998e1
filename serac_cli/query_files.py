"""Reads a user's CSV of labelled queries: for probes, for measuring an edited model, for training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from serac_cli.csv_files import csv_records, read_text
from serac_cli.errors import InputFileError

__all__ = ["LabelledQuery", "read_queries"]

YES, NO = ("yes", "y", "true", "1", "in"), ("no", "n", "false", "0", "out")


@dataclass(frozen=True)
class LabelledQuery:
    """A row: ``line`` is where it begins, ``cells`` are all of its columns, stripped, by lower-case name."""

    line: int
    query: str
    in_scope: bool
    cells: Mapping[str, str]


def read_queries(path: Path, columns: Sequence[str]) -> list[LabelledQuery]:
    """Returns the rows of a CSV in UTF-8 with the columns query, in_scope (yes or no) and ``columns``.

    Cells that a row lacks at its end are empty.

    :raises InputFileError: the file cannot be read, lacks a column, or has a row that cannot be used
    """
    header, records = csv_records(path, read_text(path))
    header = [name.lower() for name in header]
    needed = (*columns, "query", "in_scope")
    if missing := [name for name in needed if name not in header]:
        raise InputFileError(f"{path} has no column {missing[0]}", f"it needs {', '.join(needed)}")
    return [_labelled(path, line, header, row) for line, row, _ in records]


def _labelled(path: Path, line: int, header: Sequence[str], row: Sequence[str]) -> LabelledQuery:
    if len(row) > len(header):
        raise InputFileError(f"{path}, line {line}: has more cells than the header")
    cells = {name: value.strip() for name, value in zip_longest(header, row, fillvalue="")}
    said = cells["in_scope"].lower()
    if not cells["query"]:
        raise InputFileError(f"{path}, line {line}: the query is empty")
    if said not in (*YES, *NO):
        raise InputFileError(f"{path}, line {line}: in_scope must be yes or no")
    return LabelledQuery(line, cells["query"], said in YES, cells)

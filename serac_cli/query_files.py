"""Reads a user's CSV of labelled queries: for probes, for measuring an edited model, for training."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serac_cli.errors import InputFileError

__all__ = ["LabelledQuery", "read_queries"]

YES, NO = ("yes", "y", "true", "1", "in"), ("no", "n", "false", "0", "out")


@dataclass(frozen=True)
class LabelledQuery:
    """A row: ``line`` is where it ends in the file, ``cells`` are all of its columns, stripped, by lower-case name."""

    line: int
    query: str
    in_scope: bool
    cells: Mapping[str, str]


def read_queries(path: Path, columns: Sequence[str]) -> list[LabelledQuery]:
    """Returns the rows of a CSV in UTF-8 with the columns query, in_scope (yes or no) and ``columns``.

    :raises InputFileError: the file cannot be read, lacks a column, or has a row that cannot be used
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            rows = [(reader.line_num, row) for row in reader]
            header = reader.fieldnames
    except FileNotFoundError:
        raise InputFileError(f"no such file: {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(f"cannot read {path}: {error}", "it must be CSV in UTF-8") from error
    needed = (*columns, "query", "in_scope")
    if missing := [name for name in needed if name not in header]:
        raise InputFileError(f"{path} has no column {missing[0]}", f"it needs {', '.join(needed)}")
    return [_labelled(path, line, row) for line, row in rows]


def _labelled(path: Path, line: int, row: Mapping[str, str]) -> LabelledQuery:
    if None in row:
        raise InputFileError(f"{path}, line {line}: has more cells than the header")
    cells = {name: value.strip() for name, value in row.items()}
    said = cells["in_scope"].lower()
    if not cells["query"]:
        raise InputFileError(f"{path}, line {line}: the query is empty")
    if said not in (*YES, *NO):
        raise InputFileError(f"{path}, line {line}: in_scope must be yes or no")
    return LabelledQuery(line, cells["query"], said in YES, cells)

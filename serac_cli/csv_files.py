"""Rows of CSV files as users have them: any of the usual delimiters, quoted cells over several lines, any encoding."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from serac_cli.errors import InputFileError

__all__ = ["Records", "csv_records", "read_text"]

_CELL_LIMIT = 64 * 1024 * 1024  # characters; an overlong cell is the row's error, not the parser's

Records = Iterator[tuple[int, Sequence[str], str]]
"""(line number, cells, what is wrong with the row's form or "")."""


def read_text(path: Path, encoding: str = "utf-8", *, hint: str = "save it as UTF-8") -> str:
    """Returns the text of a file, without a byte order mark.

    Raises InputFileError, with ``hint`` where the file is of another encoding.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputFileError(f"no such file: {path}") from None
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror}") from error
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputFileError(
            f"{path} is not {encoding.removesuffix('-sig')} text (byte {data[error.start]:#04x} in line {line})",
            hint,
        ) from error
    except (LookupError, UnicodeError):  # not known; or one that is no encoding of text
        raise InputFileError(f"unknown encoding: {encoding}") from None
    if not text.strip():
        raise InputFileError(f"{path} is empty", "it needs a header line and at least one row")
    return text


def csv_records(path: Path, text: str, delimiter: str | None = None) -> tuple[list[str], Records]:
    """Returns the header and the rows, each with the line where it begins.

    Without a ``delimiter`` it is the commonest of ``, ; tab |`` in the header. A row of another length than the header
    is marked as wrong. Raises InputFileError, also while the rows are read.
    """
    csv.field_size_limit(_CELL_LIMIT)
    first_line, delimiter_given = text.lstrip().splitlines()[0], delimiter is not None
    if delimiter is None:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=first_line.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = next(row for row in reader if row)
    except (csv.Error, TypeError) as error:
        hint = (
            "check --delimiter: it must be one character" if delimiter_given else "a quote may not be closed"
        )
        raise InputFileError(f"{path}: {error}", hint) from error
    except StopIteration:
        raise InputFileError(f"{path} is empty") from None

    def records() -> Records:
        line = reader.line_num + 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells, _ragged(len(cells), len(header))
                line = reader.line_num + 1
        except csv.Error as error:
            raise InputFileError(f"{path}, line {line}: {error}", "a quote may not be closed") from error

    return [name.strip() for name in header], records()


def _ragged(found: int, expected: int) -> str:
    return "" if found == expected else f"has {found} cells, the header {expected}"

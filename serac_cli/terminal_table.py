"""A table as wide as the terminal: prompts are wrapped, other cells cut.

By hand, because rich's Table takes ten times as long for 1,000 rows, and gives a prompt no width at all beside a long
target.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

__all__ = ["shortened", "table_lines"]

GAP = "  "  # between columns


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[str]], console: Console) -> Iterator[str]:
    """Yields the header and the lines of the rows; no line takes more cells than ``console`` has."""
    table = [[shortened(cell, 300) for cell in row] for row in rows]
    header = [column.removesuffix("_at") for column in columns]
    natural = [max(map(cell_len, cells)) for cells in zip(header, *table, strict=True)]
    widths = _fitted(natural, console.width - len(GAP) * (len(columns) - 1))
    yield _aligned([_cut(title, width) for title, width in zip(header, widths, strict=True)], widths)
    for row in table:
        drawn = [
            _wrapped(cell, width, console) if column == "prompt" else [_cut(cell, width)]
            for column, cell, width in zip(columns, row, widths, strict=True)
        ]
        for line in zip_longest(*drawn, fillvalue=""):
            yield _aligned(line, widths)


def _fitted(widths: Sequence[int], available: int) -> list[int]:
    """Returns the widths with the widest lowered to one limit, so that they add up to ``available`` at most."""
    limit = max(widths)
    while limit > 1 and sum(min(width, limit) for width in widths) > available:
        limit -= 1
    return [min(width, limit) for width in widths]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True))
    return GAP.join(padded).rstrip()


def _wrapped(text: str, width: int, console: Console) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    return [line.plain for line in Text(text).wrap(console, width)]


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def shortened(text: str, limit: int) -> str:
    """Returns the text, or its beginning with an ellipsis: ``limit`` characters at most."""
    return text if len(text) <= limit else text[: limit - 1] + "…"

"""Model cards: the part of a ``README.md`` between its two marks is written by the command that measures."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["MARK", "fill_card", "markdown_table"]

MARK = "<!-- figures -->"
"""The line before and after the figures of a card."""


def fill_card(readme: Path, figures: str) -> None:
    """Puts ``figures`` between the two lines ``<!-- figures -->`` of a card, if it has them."""
    parts = readme.read_text("utf-8").split(MARK) if readme.exists() else []
    if len(parts) == 3:
        readme.write_text(MARK.join((parts[0], f"\n\n{figures}\n", parts[2])), encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown, each line with its end."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

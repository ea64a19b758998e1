"""The edit: what it holds and which edits are valid."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Draft", "Edit", "Kind"]


class Kind(StrEnum):
    """What sort of statement an edit makes, hence which queries it answers and how."""

    FACT = "fact"
    EVIDENCE = "evidence"
    STANCE = "stance"


@dataclass(frozen=True)
class Draft:
    """An edit not yet stored.

    ``prompt`` is never empty; ``target`` is empty where the prompt is a statement that says it all
    (always for ``evidence``), and ``positive`` or ``negative`` for ``stance``.
    """

    prompt: str
    target: str = ""
    kind: Kind = Kind.FACT
    tags: tuple[str, ...] = ()
    note: str = ""
    source: str = ""
    author: str = ""
    expires_at: str | None = None


@dataclass(frozen=True)
class Edit:
    """z_e: a stored edit. Times are ISO 8601 in UTC; ``retired_at`` is None while it is active."""

    id: int
    prompt: str
    target: str
    kind: Kind
    tags: tuple[str, ...]
    note: str
    source: str
    author: str
    created_at: str
    updated_at: str
    expires_at: str | None = None
    retired_at: str | None = None

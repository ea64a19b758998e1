"""The edit: what it holds and which edits are valid."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from store.errors import InvalidEdit

__all__ = [
    "DEFAULT_KIND",
    "MAX_LABEL_LENGTH",
    "MAX_TEXT_LENGTH",
    "STANCES",
    "Draft",
    "Edit",
    "Kind",
    "changed",
    "fold",
    "kind_named",
    "timestamp",
    "validate",
]

MAX_TEXT_LENGTH = 20_000
"""Characters that a prompt, a target or a note may hold."""

MAX_LABEL_LENGTH = 2_000
"""Characters that a tag, a source or an author may hold."""

STANCES = ("positive", "negative")
"""The targets that an edit of kind ``stance`` may have."""


class Kind(StrEnum):
    """What sort of statement an edit makes, hence which queries it answers and how."""

    FACT = "fact"
    EVIDENCE = "evidence"
    STANCE = "stance"


DEFAULT_KIND = Kind.FACT


@dataclass(frozen=True)
class Draft:
    """An edit not yet stored.

    ``prompt`` is never empty; ``target`` is empty where the prompt is a statement that says it all
    (always for ``evidence``), and ``positive`` or ``negative`` for ``stance``. ``expires_at`` is
    ISO 8601; a date alone means its first moment, and a time without an offset is taken as UTC.
    """

    prompt: str
    target: str = ""
    kind: Kind = DEFAULT_KIND
    tags: tuple[str, ...] = ()
    note: str = ""
    source: str = ""
    author: str = ""
    expires_at: str | None = None


@dataclass(frozen=True)
class Edit:
    """z_e: a stored edit. Times are ISO 8601 in UTC; ``retired_at`` is None while it is active.

    An edit whose ``expires_at`` has passed is no longer active, though nobody retired it.
    """

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


def validate(draft: Draft) -> Draft:
    """Returns the draft as it will be stored; validating that again changes nothing.

    Outer white space of prompt and target is removed, a stance's target is put in lower case, tags
    are stripped and each kept once, ``expires_at`` becomes UTC. All else is kept exactly, markup and
    control characters included.

    :raises InvalidEdit: the prompt holds no visible character; a text is too long; a text holds a NUL
      or half a surrogate pair, which SQLite cannot keep exactly; the kind is unknown, or the target
      does not suit it; a tag is empty or holds a comma; ``expires_at`` is no ISO 8601 time
    """
    prompt = _text(draft.prompt, "the prompt", MAX_TEXT_LENGTH).strip()
    if not any(character.isprintable() and not character.isspace() for character in prompt):
        raise InvalidEdit("the prompt is empty")
    kind = kind_named(draft.kind)
    return Draft(
        prompt=prompt,
        target=_target(draft.target, kind),
        kind=kind,
        tags=_tags(draft.tags),
        note=_text(draft.note, "the note", MAX_TEXT_LENGTH),
        source=_text(draft.source, "the source", MAX_LABEL_LENGTH),
        author=_text(draft.author, "the author", MAX_LABEL_LENGTH),
        expires_at=_expiry(draft.expires_at),
    )


def changed(edit: Edit, changes: Mapping[str, Any]) -> Draft:
    """Returns the edit's fields as a valid draft, with ``changes`` (by the name of the field) made.

    :raises InvalidEdit: a field of that name cannot be changed, or the result breaks a rule
    """
    names = [field.name for field in fields(Draft)]
    unknown = next((name for name in changes if name not in names), None)
    if unknown is not None:
        raise InvalidEdit(f"an edit has no field {unknown!r} to change: use one of {', '.join(names)}")
    draft = Draft(**{name: getattr(edit, name) for name in names})
    return validate(replace(draft, **changes))


def fold(prompt: str) -> str:
    """Returns the form in which two prompts count as the same.

    Unicode NFC, case folded, runs of white space one space, outer white space gone. Punctuation
    and accents keep their meaning.
    """
    composed = unicodedata.normalize("NFC", prompt)
    return unicodedata.normalize("NFC", " ".join(composed.casefold().split()))


def timestamp(moment: datetime | None = None) -> str:
    """Returns a moment (now, by default) in the store's form: ISO 8601, UTC, milliseconds.

    All have the same width, so that they sort as text.
    """
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")


def _text(text: str, name: str, limit: int) -> str:
    if len(text) > limit:
        raise InvalidEdit(f"{name} has {len(text):,} characters, more than the {limit:,} allowed")
    if "\0" in text:
        raise InvalidEdit(f"{name} holds a NUL character, which cannot be stored exactly")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidEdit(f"{name} is not valid Unicode (it holds half a surrogate pair)") from None
    return text


def kind_named(name: str) -> Kind:
    """Returns the kind of that name. Raises InvalidEdit, which names the valid ones."""
    try:
        return Kind(name)
    except ValueError:
        raise InvalidEdit(f"unknown kind {name[:40]!r}: use {', '.join(Kind)}") from None


def _target(target: str, kind: Kind) -> str:
    target = _text(target, "the target", MAX_TEXT_LENGTH).strip()
    if kind is Kind.EVIDENCE and target:
        raise InvalidEdit("an edit of kind evidence has no target: its prompt says it all")
    if kind is Kind.STANCE:
        target = target.lower()
        if target not in STANCES:
            raise InvalidEdit(f"an edit of kind stance needs the target {' or '.join(STANCES)}")
    return target


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    stripped = [_text(tag, "a tag", MAX_LABEL_LENGTH).strip() for tag in tags]
    if not all(stripped):
        raise InvalidEdit("a tag is empty")
    if any("," in tag for tag in stripped):
        raise InvalidEdit("a tag holds a comma")
    return tuple(dict.fromkeys(stripped))


def _expiry(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidEdit(f"the expiry {text[:40]!r} is no ISO 8601 time, such as 2030-01-31") from None

"""What training leaves out because the development sets measure it, and the hand-written sets without it.

A record whose subject, entity, page or topic occurs in a development set, or that holds a text of one, is not
trained on.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from serac_cli.errors import InputFileError
from serac_cli.evaluation.shipped import dev_files
from serac_cli.training.sources import (
    Evidence,
    NaturalEdit,
    Stance,
    natural_edits,
    natural_evidence,
    natural_stance,
    normalise,
    read,
)

__all__ = ["HandWritten", "Reserved", "hand_written", "keep", "mentions", "reserved", "written"]


@dataclass(frozen=True)
class Reserved:
    """What development sets measure, normalised: ``names`` of what they are about, ``texts`` that they ask."""

    names: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


def reserved(directory: Path) -> Reserved:
    """Returns what the sets of a dev directory measure.

    Hand-written sets that the directory lacks are those of the package. Names are their subjects, entities, pages and
    topics. Texts are the prompts, statements, queries, evidence and claims of the hand-written ones, and zsRE's queries
    out of scope, which are from Natural Questions as NQ-open is.
    Raises InputFileError where there is no such directory.
    """
    if not directory.is_dir():
        raise InputFileError(
            f"there is no {directory}: training leaves out what the development sets measure",
            "--data names the folder of train/ and dev/",
        )
    names: set[str] = set()
    texts: set[str] = set()
    for path in dev_files(directory).values():
        for r in read(path):
            rewrite = r.get("requested_rewrite") or {}
            about = ("subject", "alternative_subject", "ent", "page", "topic")
            names.update(normalise(r[key]) for key in about if r.get(key))
            names.add(normalise(rewrite.get("subject") or ""))
            if path.name.startswith("natural_"):
                texts.update(normalise(r.get(key) or "") for key in ("prompt", "statement", "evidence"))
                texts.update(normalise(q["q"]) for side in ("in", "out") for q in r.get(side, ()))
                texts.update(normalise(claim["claim"]) for claim in r.get("claims", ()))
            if path.name == "zsre_dev.json":
                texts.add(normalise(r["loc"].removeprefix("nq question: ")))
    return Reserved(frozenset(names - {""}), frozenset(texts - {""}))


def keep(text: str, excluded: Reserved) -> bool:
    """Returns whether a record about what ``text`` names, or that holds this text, may be trained on."""
    name = normalise(text)
    return name not in excluded.names and name not in excluded.texts


def mentions(text: str, excluded: Reserved) -> bool:
    """Returns whether a text names something reserved in two words or more: for sets that give no subject."""
    words = normalise(text).split()
    return any(
        " ".join(words[start : start + size]) in excluded.names
        for size in range(2, 7)
        for start in range(len(words) - size + 1)
    )


def written(name: str) -> Path:
    """Returns a hand-written training set that comes with the package: ``written_{edits,evidence,stance}.jsonl``."""
    return Path(str(files("serac_cli.training") / "data" / f"written_{name}.jsonl"))


@dataclass(frozen=True)
class HandWritten:
    """The hand-written training sets."""

    edits: tuple[NaturalEdit, ...]
    evidence: tuple[Evidence, ...]
    stances: tuple[Stance, ...]


def hand_written(train: Path, excluded: Reserved) -> HandWritten:
    """Returns those of the package, with those of a directory, without records that hold what is reserved."""

    def paths(name: str) -> tuple[Path, ...]:
        path = train / f"natural_{name}.jsonl"
        return (path, written(name)) if path.exists() else (written(name),)

    def apart(*texts: str) -> bool:
        return all(keep(text, excluded) for text in texts)

    return HandWritten(
        tuple(
            edit
            for edit in natural_edits(*paths("edits"))
            if apart(edit.prompt, edit.statement, *(q.text for q in (*edit.inside, *edit.outside)))
        ),
        tuple(
            one
            for one in natural_evidence(*paths("evidence"))
            if apart(one.text, *(q.text for q in one.claims))
        ),
        tuple(stance for stance in natural_stance(*paths("stance")) if apart(stance.topic)),
    )

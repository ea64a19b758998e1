"""``serac edit``: add, apply, list, show, update, retire, restore, search, undo, history."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serac_cli.commands.common import (
    LARGEST,
    JsonOption,
    LinesOption,
    MemoryOption,
    memory_of,
    output_for,
    settings_of,
)
from serac_cli.errors import InputFileError, SettingsError
from store.edits import Draft, Kind, validate

if TYPE_CHECKING:
    from serac_cli.encoder import Encoder
    from serac_cli.render import Output
    from serac_cli.settings import Settings
    from store import VectorBatch

__all__ = ["app"]

app = typer.Typer(help="The edits in memory: add, apply a file, list, change, retire, restore, undo.")

IdArgument = Annotated[int, typer.Argument(help="The id of an edit.", metavar="ID", max=LARGEST)]
IdsArgument = Annotated[list[int], typer.Argument(help="The ids of edits.", metavar="ID...", max=LARGEST)]
KINDS = (
    "A fact gives answers, evidence settles claims (SUPPORTS or REFUTES), a stance is an opinion of a topic."
)
KindOption = Annotated[Kind | None, typer.Option("--kind", help=KINDS, show_default=False)]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", help="A tag; may be repeated.", show_default=False)
]
NoteOption = Annotated[str | None, typer.Option("--note", help="A remark.", show_default=False)]
SourceOption = Annotated[str | None, typer.Option("--source", help="Where it is from.", show_default=False)]
ExpiresOption = Annotated[
    str | None,
    typer.Option(
        "--expires", help="When it goes out of use: a date or time (ISO 8601, UTC).", show_default=False
    ),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the history.", show_default=False)]


@app.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, memory: MemoryOption = None, json: JsonOption = False, lines: LinesOption = False
) -> None:
    if memory is not None:
        context.obj = (context.obj or {}) | {"memory": memory}
    if context.invoked_subcommand is None:
        list_edits(context, json=json, lines=lines)
    elif json or lines:
        name = context.invoked_subcommand
        raise SettingsError("--json and --nl follow the command", f"try `serac edit {name} --json`")


@app.command()
def add(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="A question, an unfinished sentence, or a statement.")],
    target: Annotated[str, typer.Argument(help="The answer; none where the prompt is a statement.")] = "",
    kind: Annotated[Kind, typer.Option("--kind", help=KINDS)] = Kind.FACT,
    tag: TagOption = None,
    note: NoteOption = None,
    source: SourceOption = None,
    expires: ExpiresOption = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
) -> None:
    """Adds an edit; one that gives an active edit's prompt another target takes that edit's place."""
    from serac_cli import changes
    from serac_cli.edit_files import entered

    settings, output = settings_of(context, memory=memory), output_for(json)
    draft = Draft(prompt, target, kind, tuple(tag or ()), note or "", source or "", changes.user(), expires)
    draft = entered(draft)  # before the memory is opened, and perhaps made
    with memory_of(settings, create=True) as edits:
        added = changes.add(edits, draft, lambda drafts: _encoded(drafts, output), output)
        output.edits([added]) if not json else output.record(asdict(added))


@app.command("apply")
def apply_file(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="A .csv, .tsv or .jsonl file with the columns prompt and target.")
    ],
    column_map: Annotated[
        list[str] | None,
        typer.Option("--map", help="OURS=THEIRS: what a column is called in the file.", show_default=False),
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between CSV cells.", show_default=False)] = None,
    encoding: Annotated[str, typer.Option(help="The file's encoding.")] = "utf-8",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Apply the good rows, write the bad ones to a rejects file.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="The rejects file; FILE.rejects.csv by default.", show_default=False)
    ] = None,
    tag: TagOption = None,
    source: SourceOption = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
) -> None:
    """Applies a file of edits, all rows or none: CSV, TSV or JSONL with ``prompt`` and ``target``.

    Optional columns: kind, tags, note, source, expires_at. Rows that repeat an edit are reported and left out.
    """
    from serac_cli.changes import note_added
    from serac_cli.edit_files import Row, read_edit_file, write_rejects
    from serac_cli.planning import carry_out, plan

    settings, output = settings_of(context, memory=memory), output_for(json)
    parsed = read_edit_file(file, mapping=_mapping(column_map), delimiter=delimiter, encoding=encoding)
    rows = [Row(row.line, _completed(row.draft, tag or (), source)) for row in parsed.rows]
    if dry_run:
        with memory_of(settings) if _has_memory(settings) else nullcontext() as edits:
            output.plan(plan(edits, rows), parsed.bad)
        raise typer.Exit(1 if parsed.bad and not keep_going else 0)
    output.bad_rows(parsed.bad)
    if parsed.bad and not keep_going:
        raise InputFileError(
            f"{file}: {len(parsed.bad)} of {len(rows) + len(parsed.bad)} rows are bad, nothing was applied",
            "mend them, or apply the others with --keep-going",
        )
    if parsed.bad:
        rejects = rejects or file.with_name(f"{file.name}.rejects.csv")
        write_rejects(rejects, parsed)
        output.note(f"{len(parsed.bad)} bad rows are in {rejects}")
    with memory_of(settings, create=True) as edits:
        steps, added = carry_out(edits, rows, lambda drafts: _encoded(drafts, output))
        note_added(edits, steps, added, output)
        output.applied(added, steps, len(parsed.bad))


@app.command("list")
def list_edits(
    context: typer.Context,
    kind: KindOption = None,
    tag: Annotated[
        str | None, typer.Option("--tag", help="Only edits with this tag.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Retired and expired edits too.")] = False,
    retired: Annotated[bool, typer.Option("--retired", help="Only retired and expired edits.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="At most so many.", show_default=False)
    ] = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Lists the edits, oldest first."""
    settings, output = settings_of(context, memory=memory), output_for(json, lines)
    with memory_of(settings) as edits:
        which = None if everything else retired
        found = edits.edits(kind=kind, tag=tag, retired=which, limit=limit)
        output.edits(found)
        if not found:
            output.note("no edits here; add one with `serac edit add PROMPT TARGET`")


@app.command()
def show(
    context: typer.Context, edit_id: IdArgument, memory: MemoryOption = None, json: JsonOption = False
) -> None:
    """Shows one edit whole, with its history."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        output_for(json).edit(edits.get(edit_id), edits.events(edit_id=edit_id))


@app.command()
def update(
    context: typer.Context,
    edit_id: IdArgument,
    prompt: Annotated[str | None, typer.Option(help="The new prompt.", show_default=False)] = None,
    target: Annotated[str | None, typer.Option(help="The new target.", show_default=False)] = None,
    kind: KindOption = None,
    tag: TagOption = None,
    note: NoteOption = None,
    source: SourceOption = None,
    expires: ExpiresOption = None,
    reason: ReasonOption = "",
    memory: MemoryOption = None,
    json: JsonOption = False,
) -> None:
    """Changes an edit; what is not named stays as it is.

    ``--tag`` replaces all tags; ``--expires ""`` takes the expiry away.
    """
    named = {"prompt": prompt, "target": target, "kind": kind, "note": note, "source": source}
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if tag is not None:
        given["tags"] = tuple(tag)
    if expires is not None:
        given["expires_at"] = expires or None
    if not given:
        raise SettingsError(
            "nothing to change", "name a field, as in --target; see `serac edit update --help`"
        )
    from serac_cli.changes import update

    output = output_for(json)
    with memory_of(settings_of(context, memory=memory)) as edits:
        updated = update(
            edits, edit_id, given, lambda drafts: _encoded(drafts, output), output, reason=reason
        )
        output.edits([updated]) if not json else output.record(asdict(updated))


@app.command()
def retire(
    context: typer.Context, edit_ids: IdsArgument, reason: ReasonOption = "", memory: MemoryOption = None
) -> None:
    """Takes edits out of use; nothing is deleted."""
    from serac_cli import changes

    with memory_of(settings_of(context, memory=memory)) as edits:
        changes.retire(edits, edit_ids, output_for(), reason=reason)


@app.command()
def restore(
    context: typer.Context, edit_ids: IdsArgument, reason: ReasonOption = "", memory: MemoryOption = None
) -> None:
    """Brings retired edits back."""
    from serac_cli import changes

    with memory_of(settings_of(context, memory=memory)) as edits:
        changes.restore(edits, edit_ids, output_for(), reason=reason)


@app.command()
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Words to look for in prompts, targets, notes and tags.")],
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="At most so many.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Retired and expired edits too.")] = False,
    memory: MemoryOption = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Finds edits by their words, best first."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        found = edits.search(text, limit=limit, retired=None if everything else False)
        output = output_for(json, lines)
        output.edits(found)
        if not found:
            output.note("no edit has these words")


@app.command()
def undo(context: typer.Context, memory: MemoryOption = None) -> None:
    """Reverts the newest change: an edit added, updated, retired or restored, or a whole file applied."""
    from serac_cli import changes

    with memory_of(settings_of(context, memory=memory)) as edits:
        changes.undo(edits, output_for())


@app.command()
def history(
    context: typer.Context,
    edit_id: Annotated[
        int | None, typer.Argument(help="Only this edit.", metavar="ID", show_default=False, max=LARGEST)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="At most so many events.")] = 50,
    memory: MemoryOption = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """Lists the changes to the memory, newest first."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        if edit_id is not None:
            edits.get(edit_id)
        output_for(json, lines).events(edits.events(edit_id=edit_id, limit=limit))


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The copy; there must be no such file yet.")],
    memory: MemoryOption = None,
) -> None:
    """Writes a copy of the memory, whole even while it is in use; --memory FILE uses it."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        edits.backup(file)
        output_for().note(f"{file} has all {edits.count(retired=None)} edits, with their history")


def _encoded(drafts: "Sequence[Draft]", output: "Output") -> "VectorBatch":
    from serac_cli.editor import encode_edits

    encoder = _encoder(output)
    with output.progress() as report:

        def encoded(done: int, total: int) -> None:
            if total > 1:
                report("encoding edits", done, total)

        return encode_edits(encoder, drafts, encoded)


def _encoder(output: "Output") -> "Encoder":
    with output.status("loading the encoder"):
        from serac_cli.encoder import load_encoder

        return load_encoder()


def _completed(draft: Draft, tags: Iterable[str], source: str | None) -> Draft:
    from serac_cli.changes import user

    return validate(
        replace(draft, tags=(*draft.tags, *tags), source=draft.source or source or "", author=user())
    )


def _mapping(pairs: Iterable[str] | None) -> Mapping[str, str]:
    mapping = {}
    for pair in pairs or ():
        ours, separator, theirs = pair.partition("=")
        if not (separator and ours.strip() and theirs.strip()):
            raise SettingsError(f"--map {pair!r} is not OURS=THEIRS", "for example --map prompt=question")
        mapping[ours.strip()] = theirs.strip()
    return mapping


def _has_memory(settings: "Settings") -> bool:
    path = settings.memory
    return path.exists() and not (path.is_file() and path.stat().st_size == 0)

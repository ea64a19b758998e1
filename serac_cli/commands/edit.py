"""``serac edit``: add, apply, list, show, update, retire, restore, search, undo, history."""

import getpass
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
from store.edits import Draft, Kind, changed, validate

if TYPE_CHECKING:
    from serac_cli.encoder import Encoder
    from serac_cli.render import Output
    from store import Edit, Memory, VectorBatch

__all__ = ["app"]

app = typer.Typer(help="The edits in memory: add, apply a file, list, change, retire, restore, undo.")

IdArgument = Annotated[int, typer.Argument(help="The id of an edit.", metavar="ID", max=LARGEST)]
IdsArgument = Annotated[list[int], typer.Argument(help="The ids of edits.", metavar="ID...", max=LARGEST)]
KindOption = Annotated[
    Kind | None, typer.Option("--kind", help="fact, evidence or stance.", show_default=False)
]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", help="A tag; may be repeated.", show_default=False)
]
NoteOption = Annotated[str | None, typer.Option("--note", help="A remark.", show_default=False)]
SourceOption = Annotated[str | None, typer.Option("--source", help="Where it is from.", show_default=False)]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the history.", show_default=False)]


@app.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context, memory: MemoryOption = None) -> None:
    if memory is not None:
        context.obj = (context.obj or {}) | {"memory": memory}
    if context.invoked_subcommand is None:
        list_edits(context)


@app.command()
def add(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="A question, an unfinished sentence, or a statement.")],
    target: Annotated[str, typer.Argument(help="The answer; none where the prompt is a statement.")] = "",
    kind: Annotated[Kind, typer.Option("--kind", help="fact, evidence or stance.")] = Kind.FACT,
    tag: TagOption = None,
    note: NoteOption = None,
    source: SourceOption = None,
    memory: MemoryOption = None,
    json: JsonOption = False,
) -> None:
    """Adds an edit; one that gives an active edit's prompt another target takes that edit's place."""
    from serac_cli.edit_files import Row, entered
    from serac_cli.planning import carry_out

    settings, output = settings_of(context, memory=memory), output_for(json)
    draft = entered(Draft(prompt, target, kind, tuple(tag or ()), note or "", source or "", _author()))
    with memory_of(settings, create=True) as edits:
        (step,), stored = carry_out(edits, [Row(0, draft)], lambda drafts: _encoded(drafts, output))
        if step.repeats is not None:
            added = step.repeats
            output.note(f"edit {added.id} says that already, nothing to add")
            _note_rivals(edits, [added], output)
        else:
            added = stored[0]
            replaced = f", which replaces {_listed(edit.id for edit in step.rivals)}" if step.rivals else ""
            output.note(f"added edit {added.id}{replaced}")
            _note_probes(edits, step.rivals, output)
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

    Optional columns: kind, tags, note, source. Rows that repeat an edit are reported and left out.
    """
    from serac_cli.edit_files import Row, read_edit_file, write_rejects
    from serac_cli.planning import carry_out, plan

    settings, output = settings_of(context, memory=memory), output_for(json)
    if rejects and rejects.exists() and rejects.samefile(file):
        raise SettingsError(f"{rejects} is the file to apply", "give another file to --rejects")
    parsed = read_edit_file(file, mapping=_mapping(column_map), delimiter=delimiter, encoding=encoding)
    rows = [Row(row.line, _completed(row.draft, tag or (), source)) for row in parsed.rows]
    if dry_run:
        with memory_of(settings) if settings.memory.exists() else nullcontext() as edits:
            output.plan(plan(edits, rows), parsed.bad)
        raise typer.Exit(1 if parsed.bad and not keep_going else 0)
    output.bad_rows(parsed.bad)
    if parsed.bad and not keep_going:
        raise InputFileError(
            f"{file}: {len(parsed.bad)} of {len(rows) + len(parsed.bad)} rows are bad, nothing was applied",
            "mend them, or apply the others with --keep-going",
        )
    with memory_of(settings, create=True) as edits:
        if parsed.bad:
            rejects = rejects or file.with_name(f"{file.name}.rejects.csv")
            write_rejects(rejects, parsed)
            output.note(f"{len(parsed.bad)} bad rows are in {rejects}")
        steps, added = carry_out(edits, rows, lambda drafts: _encoded(drafts, output))
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
    reason: ReasonOption = "",
    memory: MemoryOption = None,
    json: JsonOption = False,
) -> None:
    """Changes an edit; what is not named stays as it is (``--tag`` replaces all tags)."""
    given = {"prompt": prompt, "target": target, "kind": kind, "note": note, "source": source}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if tag is not None:
        changes["tags"] = tuple(tag)
    if not changes:
        raise SettingsError(
            "nothing to change", "name a field, as in --target; see `serac edit update --help`"
        )
    from serac_cli.edit_files import entered

    output = output_for(json)
    with memory_of(settings_of(context, memory=memory)) as edits:
        draft = entered(changed(edits.get(edit_id), changes))
        vector = _encoded([draft], output) if changes.keys() & {"prompt", "target", "kind"} else None
        updated = edits.update(edit_id, changes, vector=vector, author=_author(), reason=reason)
        output.note(f"updated edit {edit_id}")
        _note_rivals(edits, [updated], output)
        output.edits([updated]) if not json else output.record(asdict(updated))


@app.command()
def retire(
    context: typer.Context, edit_ids: IdsArgument, reason: ReasonOption = "", memory: MemoryOption = None
) -> None:
    """Takes edits out of use; nothing is deleted."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        output = output_for()
        already = [edit_id for edit_id in edit_ids if edits.get(edit_id).retired_at is not None]
        retired = edits.retire(edit_ids, reason=reason, author=_author())
        if already:
            output.note(f"retired already: {_listed(already)}")
        if new := [edit for edit in retired if edit.id not in already]:
            output.note(
                f"retired {_listed(edit.id for edit in new)}; `serac edit restore` brings back what is retired"
            )
            _note_probes(edits, new, output)


@app.command()
def restore(
    context: typer.Context, edit_ids: IdsArgument, reason: ReasonOption = "", memory: MemoryOption = None
) -> None:
    """Brings retired edits back."""
    with memory_of(settings_of(context, memory=memory)) as edits:
        output = output_for()
        active = [edit_id for edit_id in edit_ids if edits.get(edit_id).retired_at is None]
        restored = edits.restore(edit_ids, reason=reason, author=_author())
        if active:
            output.note(f"not retired: {_listed(active)}")
        if new := [edit for edit in restored if edit.id not in active]:
            output.note(f"restored {_listed(edit.id for edit in new)}")
        _note_rivals(edits, restored, output)


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
    with memory_of(settings_of(context, memory=memory)) as edits:
        event = edits.undo(author=_author())
        ids = _listed(sorted({undone.edit_id for undone in edits.events(batch=event.batch)}))
    output_for().note(f"undone: {ids}")


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
    return validate(
        replace(draft, tags=(*draft.tags, *tags), source=draft.source or source or "", author=_author())
    )


def _mapping(pairs: Iterable[str] | None) -> Mapping[str, str]:
    mapping = {}
    for pair in pairs or ():
        ours, separator, theirs = pair.partition("=")
        if not (separator and ours.strip() and theirs.strip()):
            raise SettingsError(f"--map {pair!r} is not OURS=THEIRS", "for example --map prompt=question")
        mapping[ours.strip()] = theirs.strip()
    return mapping


def _author() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _note_rivals(memory: "Memory", edits: "Sequence[Edit]", output: "Output") -> None:
    """Tells which other active edits give the prompts of these another target."""
    found = memory.find_conflicts([changed(edit, {}) for edit in edits])
    for edit, rivals in zip(edits, found, strict=True):
        for rival in rivals:
            output.note(
                f"edit {rival.id} gives the prompt of edit {edit.id} another target; "
                f"`serac edit retire {rival.id}` leaves one answer"
            )


def _note_probes(memory: "Memory", retired: "Iterable[Edit]", output: "Output") -> None:
    """Tells which of the edits just taken out of use have probes, which are no longer run."""
    for edit in retired:
        if probes := memory.probes(edit_id=edit.id):
            output.note(
                f"{len(probes)} of `serac check`'s probes are of edit {edit.id}, and are not run while it is out of use"
            )


def _listed(ids: Iterable[int]) -> str:
    numbers = [str(number) for number in ids]
    if len(numbers) > 10:
        numbers = [*numbers[:9], f"… ({len(numbers)} in all)"]
    return f"edit{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"

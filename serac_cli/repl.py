"""The interactive prompt of ``serac ask``: a loop over the functions that the commands use."""

import os
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from serac_cli import changes
from serac_cli.assembly import open_base, open_editor
from serac_cli.counterfactual import InContextCounterfactual
from serac_cli.edit_files import entered
from serac_cli.editor import Editor, checked_query, encode_edits
from serac_cli.errors import SeracError, SettingsError, explain
from serac_cli.models import CATALOGUE
from serac_cli.render import Output, inert
from serac_cli.settings import Settings, parse_setting
from store import Draft, Memory
from store.errors import StoreError

__all__ = ["Repl", "run_repl"]


@dataclass(frozen=True)
class Command:
    """A slash command: its arguments as help shows them, what it does, and the function that does it."""

    arguments: str
    help: str
    run: Callable[["Repl", str], None]


class Repl:
    """Answers queries and slash commands line by line; holds the editor between them."""

    def __init__(self, settings: Settings, editor: Editor, output: Output, *, before: bool = True) -> None:
        self.settings = settings
        self.editor = editor
        self.output = output
        self.before = before
        self.running = True

    def handle(self, line: str) -> None:
        """Does what one line asks for; errors are shown, and Ctrl-C cancels what is going on."""
        line = line.strip()
        try:
            if line.startswith("/"):
                self._command(line)
            elif line:
                self._ask(line)
        except (SeracError, StoreError, OSError) as error:
            self.output.error(explain(error)[0])
        except KeyboardInterrupt:
            self.output.note("cancelled")

    def toolbar(self) -> str:
        """Returns the line under the prompt."""
        edits = self.editor.memory.count()
        return inert(
            f" {self.settings.memory} · {edits} edits · base {self.settings.base} · "
            f"threshold {self.editor.threshold:.3f} · /help"
        )

    def _ask(self, query: str) -> None:
        view = self.output.answer_view(show_query=False)
        try:
            self.editor.answer(query, before=self.before, listener=view)
        finally:
            view.interrupted()

    def _command(self, line: str) -> None:
        name, _, arguments = line[1:].partition(" ")
        if name not in COMMANDS:
            raise SettingsError(f"no such command: /{name}", "/help lists them")
        COMMANDS[name].run(self, arguments.strip())

    def _add(self, arguments: str) -> None:
        draft = replace(entered(_draft(arguments)), author=changes.user())
        encoder = self.editor.encoder
        changes.add(self.editor.memory, draft, lambda drafts: encode_edits(encoder, drafts), self.output)

    def _list(self, arguments: str) -> None:
        edits = self.editor.memory.search(arguments) if arguments else self.editor.memory.edits()
        self.output.edits(edits)

    def _show(self, arguments: str) -> None:
        edit_id = _id(arguments)
        self.output.edit(self.editor.memory.get(edit_id), self.editor.memory.events(edit_id=edit_id))

    def _retire(self, arguments: str) -> None:
        changes.retire(self.editor.memory, [_id(arguments)], self.output)

    def _restore(self, arguments: str) -> None:
        changes.restore(self.editor.memory, [_id(arguments)], self.output)

    def _undo(self, _: str) -> None:
        changes.undo(self.editor.memory, self.output)

    def _why(self, arguments: str) -> None:
        self.output.matches(self.editor.scope.match(checked_query(arguments), k=5), self.editor.threshold)

    def _base(self, arguments: str) -> None:
        if not arguments:
            self.output.note(f"base {self.settings.base}; also in the catalogue: {', '.join(CATALOGUE)}")
            return
        settings = replace(self.settings, base=arguments)
        with self.output.progress() as report:
            self.editor.base = open_base(settings, report)
        if settings.counterfactual == "in-context":
            self.editor.counterfactual = InContextCounterfactual(self.editor.base)
        self.settings = settings

    def _threshold(self, arguments: str) -> None:
        if arguments:
            self.editor.threshold = parse_setting("threshold", arguments, "/threshold")
        self.output.note(f"threshold {self.editor.threshold:.3f}")

    def _help(self, _: str) -> None:
        self.output.note("Type a query, or:")
        for name, command in COMMANDS.items():
            self.output.note(f"  {f'/{name} {command.arguments}':<26} {command.help}")

    def _quit(self, _: str) -> None:
        self.running = False


COMMANDS = {
    "add": Command("PROMPT => TARGET", "add an edit; without => TARGET the prompt is a statement", Repl._add),
    "list": Command("[WORDS]", "list the edits, or those with these words", Repl._list),
    "show": Command("ID", "show one edit whole", Repl._show),
    "retire": Command("ID", "take an edit out of use", Repl._retire),
    "restore": Command("ID", "bring a retired edit back", Repl._restore),
    "undo": Command("", "revert the newest change", Repl._undo),
    "why": Command("QUERY", "show the candidates and their scores", Repl._why),
    "base": Command("[MODEL]", "show or change the base model", Repl._base),
    "threshold": Command("[P]", "show or change the threshold, 0 to 1", Repl._threshold),
    "help": Command("", "show this", Repl._help),
    "quit": Command("", "leave, as Ctrl-D does", Repl._quit),
}


class SlashCompleter(Completer):
    """Completes the names of slash commands, and of models after /base."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yields what may follow the text before the cursor."""
        text = document.text_before_cursor
        if text.startswith("/base "):
            words, start = list(CATALOGUE), text.removeprefix("/base ")
        elif text.startswith("/") and " " not in text:
            words, start = [f"/{name}" for name in COMMANDS], text
        else:
            return
        for word in words:
            if word.startswith(start):
                yield Completion(word, start_position=-len(start))


def run_repl(settings: Settings, output: Output, *, before: bool) -> None:
    """Opens the memory and the models, then reads lines until /quit or Ctrl-D; Ctrl-C clears the line."""
    with Memory.open(settings.memory) as memory:
        with output.progress() as report:
            editor = open_editor(settings, memory, report)
        repl = Repl(settings, editor, output, before=before)
        session: PromptSession[str] = PromptSession(
            history=_history(settings.history),
            completer=SlashCompleter(),
            auto_suggest=AutoSuggestFromHistory(),
            bottom_toolbar=repl.toolbar,
            complete_while_typing=False,
        )
        output.note("Type a query; /help lists the commands, Ctrl-D leaves.")
        while repl.running:
            try:
                line = session.prompt("serac> ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            repl.handle(line)


def _history(path: Path) -> History:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))  # queries may be private
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def _draft(arguments: str) -> Draft:
    prompt, arrow, target = arguments.partition("=>")
    if arrow and not target.strip():
        raise SettingsError(
            "/add: nothing follows the =>", "write /add PROMPT => TARGET, or a statement without =>"
        )
    if arrow:
        return Draft(prompt, target)
    if arguments.startswith(('"', "'")):
        try:
            words = shlex.split(arguments)
        except ValueError as error:
            raise SettingsError(f"/add: {error}", "write /add PROMPT => TARGET") from error
        if len(words) == 2:
            return Draft(words[0], words[1])
    return Draft(arguments)


def _id(arguments: str) -> int:
    if not (
        arguments.isascii() and arguments.isdigit() and len(arguments) < 19
    ):  # SQLite's integers have 19 digits
        raise SettingsError(f"not the id of an edit: {arguments!r}", "/list shows them")
    return int(arguments)

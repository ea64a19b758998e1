"""The command line as a user meets it: each test starts the real program."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serac_cli.app import main
from store import Draft, Memory

HEAVY = ("torch", "transformers", "sentence_transformers", "numpy", "sqlite_utils")
SERAC = [sys.executable, "-c", "import sys; sys.argv[0] = 'serac'; from serac_cli.app import main; main()"]


def serac(*arguments, stdin="", cwd=None):
    environment = os.environ | {"NO_COLOR": "1"}
    return subprocess.run(
        [*SERAC, *map(str, arguments)], input=stdin, capture_output=True, text=True, env=environment, cwd=cwd
    )


@pytest.fixture
def memory(home):
    """The path of this home's memory, with 1,000 edits."""
    path = home / "memory.db"
    with Memory.open(path) as opened:
        opened.add([Draft(f"What is the number of room {number}?", str(number)) for number in range(1000)])
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["edit", "list"],
        ["edit", "show", "1"],
        ["edit", "search", "room"],
        ["edit", "history"],
        ["models"],
    ],
)
def test_what_only_reads_the_memory_imports_nothing_heavy(memory, arguments):
    program = (
        "import sys\nfrom serac_cli import app\n"
        f"sys.argv = ['serac', *{arguments!r}]\n"
        "try:\n    app.main()\nexcept SystemExit as leave:\n    assert not leave.code, leave.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def completing(words):
    return {
        "_SERAC_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("serac ed", ["edit"]),
        ("serac edit re", ["retire", "restore"]),
        ("serac edit list --re", ["--retired"]),
        ("serac evaluate run --ta", ["--task"]),
        ("serac edit list --kind e", ["evidence"]),
    ],
)
def test_shell_completion_knows_every_level_and_imports_nothing_heavy(words, completions):
    program = (
        "import sys\nfrom serac_cli import app\nsys.argv = ['serac']\n"
        "try:\n    app.main()\nexcept SystemExit:\n    pass\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | completing(words)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == completions


@pytest.mark.slow
def test_help_a_list_of_1000_edits_and_completion_start_in_less_than_twice_the_time_of_the_libraries(memory):
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # sqlite-utils imports pandas where it is installed, and would take so long that nothing else mattered.
    libraries = "import sys; sys.modules['pandas'] = None; import typer, rich, sqlite_utils"
    runs = {
        "libraries": ([sys.executable, "-c", libraries], compiled),
        "help": ([*SERAC, "--help"], compiled),
        "list": ([*SERAC, "edit", "list"], compiled),
        "completion": (SERAC, compiled | completing("serac edit li")),
    }
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(10):  # in turn, so that whatever else the machine does falls on all alike
        for name, (command, environment) in runs.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True, env=environment)
            best[name] = min(best[name], time.perf_counter() - start)
    limit = 2 * best.pop("libraries")
    assert {name: seconds for name, seconds in best.items() if seconds >= limit} == {}, limit


def test_a_list_is_one_line_an_edit_away_from_a_terminal(memory):
    lines = serac("edit", "list").stdout.splitlines()
    assert len(lines) == 1000
    assert lines[0].split("\t")[:4] == ["1", "fact", "What is the number of room 0?", "0"]


def test_the_json_list_and_the_lines_hold_the_same_edits(memory):
    as_list = json.loads(serac("edit", "list", "--limit", "3", "--json").stdout)
    as_lines = [
        json.loads(line) for line in serac("edit", "list", "--limit", "3", "--nl").stdout.splitlines()
    ]
    assert as_list == as_lines
    assert as_list[0]["prompt"] == "What is the number of room 0?"


def test_retire_and_restore_and_undo_are_seen_in_the_history(memory):
    assert serac("edit", "retire", 1, 2, "--reason", "moved").returncode == 0
    assert len(serac("edit", "list").stdout.splitlines()) == 998
    assert serac("edit", "restore", 1).returncode == 0
    assert serac("edit", "undo").returncode == 0
    actions = [
        json.loads(line)["action"]
        for line in serac("edit", "history", "--nl", "--limit", "4").stdout.splitlines()
    ]
    assert actions == ["undo", "restore", "retire", "retire"]


def test_a_restored_edit_whose_prompt_has_another_target_by_now_is_told(memory):
    serac("edit", "retire", 1)
    with Memory.open(memory) as opened:
        (newer,) = opened.add([Draft("What is the number of room 0?", "7")])
    said = serac("edit", "restore", 1).stderr
    assert f"edit {newer.id} gives the prompt of edit 1 another target" in said
    assert f"`serac edit retire {newer.id}`" in said
    assert serac("edit", "restore", 2).stderr.strip() == "not retired: edit 2"


def test_what_is_retired_already_is_told_and_changes_nothing(memory):
    serac("edit", "retire", 1)
    said = serac("edit", "retire", 1, 2).stderr
    assert "retired already: edit 1" in said
    assert "retired edit 2;" in said
    assert serac("edit", "undo").stderr.strip() == "undone: retire edit 2"


def test_the_probes_of_an_edit_taken_out_of_use_are_told(memory, tmp_path):
    serac("probe", "add", 1, "how many is room 0?")
    assert "1 of `serac check`'s probes are of edit 1, out of use now" in serac("edit", "retire", 1).stderr
    serac("probe", "add", 2, "how many is room 1?")
    serac("probe", "add", 3, "how many is room 2?")
    path = tmp_path / "other.csv"
    path.write_text(
        "prompt,target,expires_at\nWhat is the number of room 1?,a,2020-01-01\nWhat is the number of room 2?,b,\n"
    )
    said = serac("edit", "apply", path).stderr
    assert "2 of `serac check`'s probes are of edits 2, 3, out of use now, and are not run" in said
    assert "expired already, so without effect: edit 1001\n" in said


def test_memory_can_be_named_before_or_after_the_command(memory, tmp_path):
    elsewhere = tmp_path / "elsewhere.db"
    with Memory.open(elsewhere) as opened:
        opened.add([Draft("A?", "b")])
    for arguments in (
        ["--memory", elsewhere, "edit", "list"],
        ["edit", "list", "--memory", elsewhere],
        ["edit", "--memory", elsewhere],
    ):
        assert serac(*arguments).stdout == "1\tfact\tA?\tb\t\n"


def newer(path):
    with Memory.open(path) as opened:
        opened.add([Draft("A?", "b")])
    connection = sqlite3.connect(path)
    table = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%migrations%'").fetchone()[0]
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    row = dict(
        zip(
            columns,
            connection.execute(f"SELECT * FROM {table} ORDER BY rowid DESC LIMIT 1").fetchone(),
            strict=True,
        )
    )
    row |= {"name": "9999_from_the_future"}
    row.pop("id", None)
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    connection.commit()
    connection.close()


def other_database(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.write_bytes(b"hello, this is a text file, of more than a hundred bytes " * 5),
            "SQLite",
        ),
        (other_database, "is not an edit memory: "),
        (newer, "newer"),
        (lambda path: path.mkdir(), "it is no regular file"),
        (lambda path: None, "there is no edit memory at"),
    ],
)
def test_a_file_that_is_no_memory_is_one_line_and_stays_as_it_is(tmp_path, make, message):
    path = tmp_path / "m.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    done = serac("edit", "list", "--memory", path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert before == (path.read_bytes() if path.is_file() else None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["edit", "show", "9999"],
        ["edit", "retire", "9999"],
        ["edit", "update", "1"],
        ["edit", "add"],
        ["edit", "show", "one"],
        ["edit", "add", "A?", "b", "--kind", "banana"],
        ["frobnicate"],
        ["edit", "add", "  "],
        ["edit", "add", "A?", "b", "--kind", "evidence"],
        ["edit", "apply", "missing.csv"],
        ["edit", "apply", "--map", "nonsense", "missing.csv"],
        ["ask", "--threshold", "2", "A?"],
        ["ask", "--scope", "magic", "A?"],
        ["models", "pull", "nonsense"],
        ["models", "path", "smollm2-135m-instruct"],
        ["ask", "--base", "nonsense", "A?"],
        ["ask", "--base", "missing.gguf", "A?"],
    ],
)
def test_bad_input_is_one_line_on_stderr_and_changes_nothing(memory, arguments):
    with Memory.open(memory) as opened:
        before = opened.edits(retired=None)
    done = serac(*arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    with Memory.open(memory) as opened:
        assert opened.edits(retired=None) == before


def test_without_a_command_the_help_is_shown():
    assert "edit" in serac().stdout
    assert serac("--help").returncode == 0


def test_debug_shows_the_traceback(memory):
    done = serac("--debug", "edit", "show", 9999)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_one_bad_row_keeps_the_whole_file_out(memory, tmp_path):
    (tmp_path / "e.csv").write_text("prompt,target\nNew?,yes\n,x\nA?,b,c\n")
    done = serac("edit", "apply", tmp_path / "e.csv")
    assert done.returncode == 1
    assert "line 3: the prompt is empty" in done.stderr
    assert "line 4: has 3 cells, the header 2" in done.stderr
    assert "2 of 3 rows are bad, nothing was applied" in done.stderr
    assert len(serac("edit", "list").stdout.splitlines()) == 1000


def test_a_dry_run_shows_each_row_and_creates_no_memory(tmp_path):
    (tmp_path / "e.csv").write_text("prompt,target\nNew?,yes\nnew?,yes\n,x\n")
    path = tmp_path / "none.db"
    done = serac("edit", "apply", tmp_path / "e.csv", "--dry-run", "--memory", path)
    assert done.returncode == 1
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [
        ["2", "add"],
        ["3", "duplicate"],
        ["4", "bad"],
    ]
    assert not path.exists()


@pytest.mark.parametrize(
    "command",
    [
        ["ask", "bad \udcff bytes"],
        ["ask", "  "],
        ["edit", "add", "Who runs it?"],
        ["why", "bad \udcff bytes"],
        ["why", ""],
        ["edit", "show", "99999999999999999999"],
        ["edit", "retire", "99999999999999999999"],
        ["edit", "history", "99999999999999999999"],
        ["edit", "list", "--limit", "99999999999999999999"],
        ["probe", "list", "99999999999999999999"],
    ],
)
def test_what_no_memory_or_model_can_read_is_one_line_on_stderr(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["serac", *command, "--memory", str(tmp_path / "m.db")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code in (1, 2)
    heard = capsys.readouterr()
    assert heard.out == ""
    assert len(heard.err.strip().splitlines()) == 1
    assert not (tmp_path / "m.db").exists()


@pytest.mark.parametrize("named", [True, False])
def test_rejects_never_overwrite_a_file(tmp_path, monkeypatch, capsys, named):
    file = tmp_path / "edits.csv"
    file.write_text("prompt,target\nWho?,Ada\n,Bo\n")
    rejects = file if named else tmp_path / "edits.csv.rejects.csv"
    if not named:
        rejects.write_text("rows that are being mended")
    before = rejects.read_bytes()
    command = ["edit", "apply", str(file), "--keep-going", *(["--rejects", str(file)] if named else [])]
    monkeypatch.setattr(sys, "argv", ["serac", *command, "--memory", str(tmp_path / "m.db")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code != 0
    assert "already; name another file with --rejects" in capsys.readouterr().err
    assert rejects.read_bytes() == before
    assert not (tmp_path / "m.db").exists()


def test_history_and_show_tell_what_changed(memory):
    serac("edit", "update", 3, "--note", "moved", "--reason", "plan B")
    assert "note:  → moved" in serac("edit", "history", "--limit", 1).stdout
    assert "update note:  → moved" in serac("edit", "show", 3).stdout
    same = serac("edit", "update", 3, "--note", "moved")
    assert same.stderr.strip() == "edit 3 is so already"
    assert "undone: update edit 3" in serac("edit", "undo").stderr


def test_undoing_a_replacement_tells_both_halves(memory):
    with Memory.open(memory) as opened:
        opened.add([Draft("What is the number of room 3?", "33")], replaces=[4])
    assert serac("edit", "undo").stderr.strip() == "undone: add edit 1001, retire edit 4"


def test_a_style_before_the_command_is_refused_rather_than_ignored(memory):
    refused = serac("edit", "--json", "list")
    assert refused.returncode == 2
    assert refused.stderr.strip().endswith("try `serac edit list --json`")


def test_an_expiry_can_be_given_and_taken_away(memory):
    updated = serac("edit", "update", 3, "--expires", "2020-01-31")
    assert updated.stderr.splitlines()[1] == "expired already, so without effect: edit 3"
    assert "2020-01-31T00:00:00.000+00:00" in serac("edit", "list", "--retired").stdout
    assert json.loads(serac("edit", "list", "--json").stdout)[2]["id"] == 4
    serac("edit", "update", 3, "--expires", "")
    assert json.loads(serac("edit", "--json").stdout)[2]["id"] == 3
    wrong = serac("edit", "update", 3, "--expires", "tomorrow")
    assert wrong.returncode == 1
    assert "no ISO 8601 time" in wrong.stderr


def test_a_backup_is_a_memory_and_replaces_no_file(memory, tmp_path):
    copy = tmp_path / "copy.db"
    assert "has all 1000 edits" in serac("edit", "backup", copy).stderr
    assert serac("edit", "list", "--memory", copy).stdout == serac("edit", "list").stdout
    assert serac("edit", "backup", copy).returncode == 1


def test_a_terminal_without_unicode_shows_what_it_can(memory, monkeypatch):
    with Memory.open(memory) as opened:
        opened.add([Draft("Where is the best café?", "Köln")])
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    shown = serac("edit", "search", "best")
    assert shown.returncode == 0
    assert "K\\xf6ln" in shown.stdout


def test_a_home_that_nobody_has_is_one_line(monkeypatch):
    monkeypatch.setenv("SERAC_HOME", "~nobody-of-this-name/x")
    refused = serac("edit", "list")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: the environment: SERAC_HOME must be a path")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["edit", "history", "5000"], "there is no edit 5000"),
        (["edit", "list", "--tag", "\udcff"], "not valid UTF-8"),
        (["edit", "retire", "1", "--reason", "\udcff"], "not valid UTF-8"),
        (["ask", "q", "--base", "./missing"], "'./missing' is no folder"),
        (["edit", "update", "1", "--target", ""], "it needs a target"),
    ],
)
def test_a_mistake_over_a_memory_is_one_line_on_stderr_and_changes_nothing(
    command, said, memory, monkeypatch, capsys
):
    with Memory.open(memory) as opened:
        before = opened.edits(), opened.events()
    monkeypatch.setattr(sys, "argv", ["serac", *command, "--memory", str(memory)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    heard = capsys.readouterr()
    assert said in heard.err
    assert len(heard.err.strip().splitlines()) == 1
    with Memory.open(memory) as opened:
        assert (opened.edits(), opened.events()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line_on_stderr(memory):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*SERAC, "edit", "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "error: No space left on device"


def test_ask_says_that_a_memory_is_empty(home):
    done = serac("ask", "q", "--base", "./missing", "--memory", home / "new.db")
    assert (
        done.stderr.splitlines()[0] == f"no edits in {home / 'new.db'}: the base model answers all by itself"
    )


def test_torchs_threads_sleep_while_they_wait_unless_the_user_says_otherwise():
    program = (
        "import os, sys\nfrom serac_cli.app import main\nsys.argv = ['serac', '--version']\n"
        "try:\n    main()\nexcept SystemExit:\n    print(os.environ['OMP_WAIT_POLICY'])\n"
    )
    for chosen, expected in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
        environment |= {"OMP_WAIT_POLICY": chosen} if chosen else {}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment
        )
        assert done.stdout.split()[-1] == expected


def test_a_line_on_stdin_that_is_no_text_is_named_by_its_number(memory):
    done = subprocess.run(
        [*SERAC, "ask", "--memory", str(memory)], input=b"\n\xff\n", capture_output=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"error: line 2 of stdin: the query is not valid UTF-8")


@pytest.mark.parametrize("rate", ["nan", "0", "-1", "inf"])
def test_a_learning_rate_that_is_none_is_refused(rate, home):
    done = serac("train", "scope", "--out", str(home / "out"), "--learning-rate", rate)
    assert done.returncode == 2
    assert "is no number above 0" in done.stderr
    assert not (home / "out").exists()

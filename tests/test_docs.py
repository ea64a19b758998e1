import subprocess
import sys

from conftest import ROOT


def test_the_command_reference_is_the_help_of_the_code(tmp_path):
    command = [
        "-m",
        "typer",
        "serac_cli.app",
        "utils",
        "docs",
        "--name",
        "serac",
        "--output",
        tmp_path / "commands.md",
    ]
    subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=ROOT)
    assert (ROOT / "docs" / "commands.md").read_text() == (tmp_path / "commands.md").read_text(), (
        "run `make docs`"
    )


def test_every_benchmark_tells_its_options():
    for benchmark in sorted((ROOT / "benchmarks").glob("*.py")):
        told = subprocess.run(
            [sys.executable, benchmark, "--help"], capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stderr
        assert "options:" in told.stdout


def test_the_readme_names_commands_that_exist():
    readme = (ROOT / "README.md").read_text()
    reference = (ROOT / "docs" / "commands.md").read_text()
    for line in readme.splitlines():
        words = line.split()
        if words[:1] == ["serac"] and len(words) > 1:
            assert f"`serac {words[1]}" in reference, line

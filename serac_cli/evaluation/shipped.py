"""The hand-written development sets that come with the package."""

from importlib.resources import files
from pathlib import Path

__all__ = ["dev_files", "shipped"]


def shipped(name: str = "") -> Path:
    """Returns a hand-written development set of the package, or their folder."""
    return Path(str(files("serac_cli.evaluation") / "data" / name))


def dev_files(directory: Path) -> dict[str, Path]:
    """Returns the development sets of a directory, by name; hand-written ones that it lacks are the package's."""
    return {path.name: path for folder in (shipped(), directory) for path in sorted(folder.glob("*.json*"))}

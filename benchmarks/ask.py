"""Measures the start of `serac ask`: python benchmarks/ask.py [--rounds 3]

Prints a line of JSON: the seconds from the command to its first answer, and the peak resident memory of that process
in megabytes (a demo memory of 100 edits, default models, already pulled). ``decide.py`` measures the decisions.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from apply import write_edits

from serac_cli.edit_files import read_edit_file
from serac_cli.editor import encode_edits
from serac_cli.encoder import load_encoder
from store import Memory


def first_answer(memory: Path) -> tuple[float, float]:
    """Returns the seconds to the first answer, and the megabytes that the process held at its peak."""
    command = [sys.executable, "-c", "from serac_cli.app import main; main()", "ask", "--memory", str(memory)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--json", "which port is the harrow gateway on"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["after"]
    seconds = time.perf_counter() - start
    process.wait()
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000


def main() -> None:
    """Fills a memory and asks it anew in each round."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, path = Path(folder) / "edits.csv", Path(folder) / "memory.db"
        write_edits(file, 100, seed=100)
        with Memory.open(path) as memory:
            drafts = [row.draft for row in read_edit_file(file).rows]
            memory.add(drafts, vectors=encode_edits(load_encoder(), drafts))
        starts = [first_answer(path) for _ in range(chosen.rounds)]
    result = {
        "first_answer_seconds": round(statistics.median(seconds for seconds, _ in starts), 1),
        "peak_megabytes": round(max(megabytes for _, megabytes in starts)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

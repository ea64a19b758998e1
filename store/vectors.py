"""The vectors of edits, each beside the identity of the encoder that made it.

The BLOBs (little-endian float32) are the truth; whoever wants a faster index builds it from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite3 import Connection

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EncoderIdentity", "VectorBatch", "delete", "load", "put"]

_DTYPE = "<f4"


@dataclass(frozen=True)
class EncoderIdentity:
    """Which encoder made a vector: vectors of different encoders are never compared.

    ``digest`` names its algorithm, as in ``sha256:9f86d0...``, and covers the weights and whatever
    else decides about the vector.
    """

    name: str
    digest: str
    dimensions: int

    def __post_init__(self) -> None:
        """Refuses a digest without its algorithm."""
        if ":" not in self.digest or self.dimensions < 1:
            raise ValueError(f"not the identity of an encoder: {self!r}")


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """Vectors for as many edits as ``matrix`` has rows: (n, encoder.dimensions), finite numbers."""

    encoder: EncoderIdentity
    matrix: "NDArray[np.float32]"

    def __post_init__(self) -> None:
        """Refuses what could not be compared later."""
        import numpy as np

        if self.matrix.ndim != 2 or self.matrix.shape[1] != self.encoder.dimensions:
            raise ValueError(
                f"vectors of shape {self.matrix.shape} for an encoder of {self.encoder.dimensions} dimensions"
            )
        if not np.isfinite(self.matrix).all():
            raise ValueError("a vector holds NaN or infinity")


def put(connection: "Connection", batch: VectorBatch, edit_ids: Sequence[int]) -> None:
    """Stores or replaces the vectors of the edits, in the caller's transaction.

    :raises ValueError: there is not one id a row
    """
    rows = batch.matrix.astype(_DTYPE)
    encoder_id = _encoder_id(connection, batch.encoder)
    connection.executemany(
        "INSERT OR REPLACE INTO vectors (encoder_id, edit_id, vector) VALUES (?, ?, ?)",
        ((encoder_id, edit_id, row.tobytes()) for edit_id, row in zip(edit_ids, rows, strict=True)),
    )


def delete(connection: "Connection", edit_id: int) -> None:
    """Drops the vectors of an edit whose text they no longer represent."""
    connection.execute("DELETE FROM vectors WHERE edit_id = ?", [edit_id])


def load(
    connection: "Connection", encoder: EncoderIdentity, now: str
) -> "tuple[list[int], NDArray[np.float32]]":
    """Returns ids and vectors (n, dimensions), float32, of the edits active ``now``, oldest first."""
    import numpy as np

    ids: list[int] = []
    blobs = bytearray()
    for edit_id, blob in connection.execute(
        """
        SELECT edits.id, vector FROM encoders
        JOIN vectors ON vectors.encoder_id = encoders.id
        JOIN edits ON edits.id = vectors.edit_id
        WHERE encoders.name = ? AND digest = ? AND dimensions = ?
        AND retired_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
        ORDER BY vectors.edit_id
        """,
        [*_key(encoder), now],
    ):
        ids.append(edit_id)
        blobs += blob
    matrix = np.frombuffer(blobs, dtype=_DTYPE).reshape(len(ids), encoder.dimensions)
    return ids, matrix.astype(np.float32, copy=False)


def _encoder_id(connection: "Connection", encoder: EncoderIdentity) -> int:
    connection.execute(
        "INSERT OR IGNORE INTO encoders (name, digest, dimensions) VALUES (?, ?, ?)", _key(encoder)
    )
    row = connection.execute(
        "SELECT id FROM encoders WHERE name = ? AND digest = ? AND dimensions = ?", _key(encoder)
    ).fetchone()
    return int(row[0])


def _key(encoder: EncoderIdentity) -> list[Any]:
    return [encoder.name, encoder.digest, encoder.dimensions]

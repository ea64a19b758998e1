"""g_phi, the scope classifier: is a query within the scope of an edit, and of which?"""

from serac_cli.encoder import EditIndex
from serac_cli.protocols import Match

__all__ = ["CosineScope"]


class CosineScope:
    """The untrained form: the encoder's cosine, clipped to [0, 1], taken for a probability.

    ``threshold`` balances both errors on the hand-written development edits.
    """

    threshold = 0.70

    def __init__(self, index: EditIndex) -> None:
        self.index = index

    def match(self, query: str, k: int) -> list[Match]:
        """Returns the ``k`` nearest edits, nearest first."""
        return [Match(edit, max(0.0, cosine), cosine) for edit, cosine in self.index.nearest(query, k)]

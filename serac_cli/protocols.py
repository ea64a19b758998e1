"""The seams of the editor, and the values that cross them.

The paper's symbols: f_base is a :class:`BaseModel`, g_phi a :class:`ScopeClassifier`, h_psi a
:class:`Counterfactual`, z_e an :class:`store.Edit`. Models speak text here; tokens, templates and
white space are each implementation's own business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from store import Edit

__all__ = [
    "Answer",
    "BaseModel",
    "Counterfactual",
    "Likelihood",
    "Match",
    "Route",
    "ScopeClassifier",
]


@dataclass(frozen=True)
class Match:
    """An edit with the probability that a query falls within its scope.

    ``probability`` is g_phi(z_e, x), calibrated, in [0, 1]. ``similarity`` is the cosine of the
    encoder's vectors, in [-1, 1]. Where the counterfactual model had a say in the probability, ``abstention`` is the
    probability that it found for the edit not to tell, and ``scope`` what the scope classifier alone had said.
    """

    edit: Edit
    probability: float
    similarity: float
    scope: float | None = None
    abstention: float | None = None


class Route(StrEnum):
    """Which model gave the answer."""

    BASE = "base"
    COUNTERFACTUAL = "counterfactual"


@dataclass(frozen=True)
class Answer:
    """One query, routed and answered.

    ``match`` is the nearest edit, also when out of scope; None in an empty memory. ``before`` is
    the base model's answer, None if it was not asked for and not needed; ``after`` the editor's.
    Out of scope both are one and the same string. ``timings_ms`` has the milliseconds of ``scope``,
    ``before`` and ``after`` (0 where the answer was reused).
    """

    query: str
    in_scope: bool
    match: Match | None
    threshold: float
    route: Route
    before: str | None
    after: str
    timings_ms: dict[str, float]


class BaseModel(Protocol):
    """f_base: an unmodified language model."""

    def generate(self, query: str, *, max_new_tokens: int) -> Iterator[str]:
        """Yields the answer in pieces as they are decoded, greedily; their concatenation is the answer."""
        ...


class ScopeClassifier(Protocol):
    """g_phi over the whole memory."""

    def match(self, query: str, k: int) -> list[Match]:
        """Returns the ``k`` edits most likely to have ``query`` in scope; the first one decides."""
        ...


class ScopeForm(ScopeClassifier, Protocol):
    """A form of g_phi that decides on many queries at once, as evaluation asks it to."""

    threshold: float

    def match_all(self, queries: Sequence[str], k: int) -> list[list[Match]]:
        """Returns the ``k`` best matches of each query."""
        ...


class Counterfactual(Protocol):
    """h_psi: answers a query as if the edit were true."""

    def generate(self, query: str, edit: Edit, *, max_new_tokens: int) -> Iterator[str]:
        """Yields the answer in pieces; their concatenation is the answer."""
        ...


@dataclass(frozen=True)
class Likelihood:
    """How likely a model finds an answer to a query, read token by token with the tokens before it given.

    ``log_probabilities`` are in nats, one a token, the last for the end of the answer. ``matched`` says that every
    token, the end included, is the model's most likely one; ``predicted`` is the text of the most likely tokens.
    """

    log_probabilities: tuple[float, ...]
    matched: bool
    predicted: str

    @property
    def total(self) -> float:
        """log p(answer | query), the end included."""
        return sum(self.log_probabilities)

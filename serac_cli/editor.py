"""The product in one file: a query is routed and answered, an edit is encoded and stored."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from serac_cli.errors import SettingsError
from serac_cli.protocols import Answer, BaseModel, Counterfactual, Match, Route, ScopeClassifier
from store import Draft, Edit, Memory, VectorBatch

if TYPE_CHECKING:
    from serac_cli.encoder import Encoder

__all__ = ["Editor", "Listener", "Silent", "checked_query", "encode_edits"]


class Listener(Protocol):
    """Hears of each step of :meth:`Editor.answer` as it happens; times are milliseconds."""

    def matched(self, query: str, match: Match | None, threshold: float, milliseconds: float) -> None:
        """The scope classifier has decided."""

    def piece(self, stage: str, text: str) -> None:
        """A piece of the answer ``before`` or ``after`` editing was decoded."""

    def done(self, stage: str, milliseconds: float, reused: bool) -> None:
        """The answer of ``stage`` is whole; ``reused``: it is the one of ``before``."""


class Silent:
    """A listener that does nothing."""

    def matched(self, query: str, match: Match | None, threshold: float, milliseconds: float) -> None:
        """Does nothing."""

    def piece(self, stage: str, text: str) -> None:
        """Does nothing."""

    def done(self, stage: str, milliseconds: float, reused: bool) -> None:
        """Does nothing."""


@dataclass
class Editor:
    """SERAC (section 4 of the paper): memory, scope classifier and counterfactual model round a base model.

    ``threshold`` is the probability from which a query is in scope; the paper's is 0.5.
    """

    memory: Memory
    encoder: "Encoder"
    scope: ScopeClassifier
    base: BaseModel
    counterfactual: Counterfactual
    threshold: float
    max_new_tokens: int = 128

    def answer(self, query: str, *, before: bool = True, listener: Listener | None = None) -> Answer:
        """Answers ``query``; ``before=False`` skips the base model's answer where an edit answers.

        Raises SettingsError for a query that :func:`checked_query` refuses, and whatever a model raises.
        """
        query = checked_query(query)
        listener = listener or Silent()
        timings = {"scope": 0.0, "before": 0.0, "after": 0.0}

        # 1. The best match over the whole memory: i* = argmax_i g_phi(z_e^i, x)
        start = time.perf_counter()
        match = next(iter(self.scope.match(query, k=1)), None)
        timings["scope"] = _milliseconds_since(start)
        listener.matched(query, match, self.threshold, timings["scope"])

        # 2. The route: beta >= threshold goes to the counterfactual model
        edit = match.edit if match is not None and match.probability >= self.threshold else None

        # 3. The base model's answer, needed out of scope and wanted for comparison in scope
        base_answer: str | None = None
        if before or edit is None:
            stage = "before" if before else "after"
            pieces = self.base.generate(query, max_new_tokens=self.max_new_tokens)
            base_answer, timings[stage] = _collect(pieces, stage, listener)

        # 4. The counterfactual model's answer; out of scope the base model's stands
        if edit is not None:
            pieces = self.counterfactual.generate(query, edit, max_new_tokens=self.max_new_tokens)
            after, timings["after"] = _collect(pieces, "after", listener)
        else:
            assert base_answer is not None, "out of scope, the base model has answered"
            after = base_answer
            if before:
                listener.done("after", 0.0, reused=True)

        return Answer(
            query=query,
            in_scope=edit is not None,
            match=match,
            threshold=self.threshold,
            route=Route.BASE if edit is None else Route.COUNTERFACTUAL,
            before=base_answer,
            after=after,
            timings_ms=timings,
        )


def checked_query(query: str) -> str:
    """Returns the query. Raises SettingsError where it is blank, or holds bytes that are no UTF-8."""
    if not query.strip():
        raise SettingsError("the query is empty", 'try `serac ask "Who is the UK prime minister?"`')
    try:
        query.encode()
    except UnicodeEncodeError:
        raise SettingsError("the query is not valid UTF-8", "type it anew, or convert the input") from None
    return query


def encode_edits(
    encoder: "Encoder", drafts: Sequence[Draft | Edit], progress: Callable[[int, int], None] | None = None
) -> VectorBatch:
    """Returns the vectors of edits, a row each, with the identity of the encoder that made them."""
    from serac_cli.encoder import edit_text

    return VectorBatch(encoder.identity, encoder.encode([edit_text(draft) for draft in drafts], progress))


def _collect(pieces: Iterable[str], stage: str, listener: Listener) -> tuple[str, float]:
    start = time.perf_counter()
    answer: list[str] = []
    for piece in pieces:
        answer.append(piece)
        listener.piece(stage, piece)
    milliseconds = _milliseconds_since(start)
    listener.done(stage, milliseconds, reused=False)
    return "".join(answer), milliseconds


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000.0

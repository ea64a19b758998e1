"""The editors that evaluation compares, over one base model.

An editor is one small class: :meth:`ModelEditor.apply` puts edits in force, :meth:`~ModelEditor.answers` and
:meth:`~ModelEditor.log_likelihoods` ask the edited model. Further ones (MEND and ENN, which learn to edit weights)
need these methods and a line in :mod:`serac_cli.evaluation.line_up`; how one that changes weights works on a copy of
them is shown by :class:`serac_cli.evaluation.finetuning.FineTuning`.

All calls of models go through :class:`serac_cli.evaluation.calls.Calls`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serac_cli.backends.scoring import ScoringModel, generate, likelihoods
from serac_cli.counterfactual import ABSTAIN, answer_ids, in_context_prompt, prompt_ids
from serac_cli.evaluation.calls import Calls, digest_of
from serac_cli.evaluation.tasks import Ask, Record
from serac_cli.protocols import Likelihood, ScopeForm
from store import Draft, Edit, Kind

__all__ = [
    "Base",
    "Counterfactuals",
    "InContext",
    "LookupCache",
    "ModelEditor",
    "NoEdit",
    "Reply",
    "Serac",
    "Trained",
    "edits_of",
]


@dataclass(frozen=True)
class Reply:
    """What an edited model said.

    ``edit`` is the number in memory of the edit nearest to the query, and ``fired`` whether it answered instead of the
    base model; None and False where the editor has no memory. ``probability`` is the scope classifier's.
    """

    text: str
    edit: int | None = None
    fired: bool = False
    probability: float | None = None


class ModelEditor(Protocol):
    """An edited model.

    ``identity`` tells its settings and weights apart from any others of its name; ``most_edits`` is the number beyond
    which it is not measured, None where there is none.
    """

    name: str
    identity: str
    most_edits: int | None

    def apply(self, records: Sequence[Record]) -> None:
        """Puts exactly the edits of these records in force, numbered from 1 in their order."""
        ...

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """Returns the reply to each query, decoded greedily."""
        ...

    def log_likelihoods(self, pairs: Sequence[tuple[Ask, str]]) -> list[Likelihood]:
        """Returns the likelihood of each answer to each query."""
        ...


def edits_of(records: Sequence[Record]) -> list[Edit]:
    """Returns the records' edits, numbered from 1."""
    return [
        Edit(i, r.edit.prompt, r.edit.target, r.edit.kind, (), "", "", "", "", "")
        for i, r in enumerate(records, start=1)
    ]


class Base:
    """f_base, with its calls kept. ``identity`` tells its weights apart from any others."""

    def __init__(
        self, name: str, identity: str, model: ScoringModel, calls: Calls, max_new_tokens: int
    ) -> None:
        self.name = name
        self.identity = identity
        self.model = model
        self.calls = calls
        self.max_new_tokens = max_new_tokens

    def answers(self, prompts: Sequence[str]) -> list[str]:
        """Returns the greedy answer to each prompt."""
        return self.calls.map(
            f"answer {self.identity} {self.max_new_tokens}",
            prompts,
            lambda part: self.model.answers(part, max_new_tokens=self.max_new_tokens),
        )

    def draws(self, prompts: Sequence[str], seed: int) -> list[str]:
        """Returns for each prompt an answer drawn from the model."""
        return self.calls.map(
            f"draw {self.identity} {self.max_new_tokens} {seed}",
            prompts,
            lambda part: self.model.answers(part, max_new_tokens=self.max_new_tokens, seed=seed),
        )

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """Returns the likelihood of each (prompt, answer)."""
        return self.calls.likelihoods(f"score {self.identity}", pairs, self.model.log_likelihoods)

    def hidden_states(self, prompts: Sequence[str]) -> list[list[float]]:
        """Returns the averaged last hidden state of each prompt."""
        return self.calls.map(
            f"state {self.identity}",
            prompts,
            lambda part: [[round(x, 5) for x in row] for row in self.model.mean_hidden_states(part).tolist()],
        )


# --- no editor ---------------------------------------------------------------------------------------------


class NoEdit:
    """The base model as it is."""

    name = "none"
    identity = ""
    most_edits: int | None = None

    def __init__(self, base: Base) -> None:
        self.base = base

    def apply(self, records: Sequence[Record]) -> None:
        """Does nothing."""

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """Returns the base model's answers."""
        return [Reply(text) for text in self.base.answers([ask.prompt for ask in asks])]

    def log_likelihoods(self, pairs: Sequence[tuple[Ask, str]]) -> list[Likelihood]:
        """Returns the base model's likelihoods."""
        return self.base.log_likelihoods([(ask.prompt, answer) for ask, answer in pairs])


# --- SERAC, and RP -----------------------------------------------------------------------------------------


class Counterfactuals(Protocol):
    """h_psi asked many things at once."""

    def answers(self, asked: Sequence[tuple[Edit, str]]) -> list[str]:
        """Returns the greedy answer to each (edit, query)."""
        ...

    def log_likelihoods(self, asked: Sequence[tuple[Edit, str, str]]) -> list[Likelihood]:
        """Returns the likelihood of each (edit, query, answer)."""
        ...


class Trained:
    """The trained counterfactual model; ``model`` is a peft model with its adapter on, over weights of its own."""

    def __init__(self, model: Any, tokenizer: Any, identity: str, calls: Calls, max_new_tokens: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.identity = identity
        self.calls = calls
        self.max_new_tokens = max_new_tokens
        self._abstain = int(tokenizer.convert_tokens_to_ids(ABSTAIN))

    def answers(self, asked: Sequence[tuple[Edit, str]]) -> list[str]:
        """Returns the greedy answer to each (edit, query)."""

        def compute(part: list[tuple[tuple[str, str, str], str]]) -> list[str]:
            return generate(
                self.model,
                self.tokenizer,
                [self._prompt(edit, query) for edit, query in part],
                max_new_tokens=self.max_new_tokens,
                end=int(self.tokenizer.eos_token_id),
                excluded=self._abstain,
            )

        items = [(_key(edit), query) for edit, query in asked]
        return self.calls.map(f"counterfactual {self.identity} {self.max_new_tokens}", items, compute)

    def log_likelihoods(self, asked: Sequence[tuple[Edit, str, str]]) -> list[Likelihood]:
        """Returns the likelihood of each (edit, query, answer)."""

        def compute(part: list[tuple[tuple[str, str, str], str, str]]) -> list[Likelihood]:
            pairs = [
                (self._prompt(edit, query), answer_ids(self.tokenizer, answer))
                for edit, query, answer in part
            ]
            return likelihoods(self.model, self.tokenizer, pairs, excluded=self._abstain)

        items = [(_key(edit), query, answer) for edit, query, answer in asked]
        return self.calls.likelihoods(f"counterfactual score {self.identity}", items, compute)

    def abstention(self, asked: Sequence[tuple[str, Edit]]) -> list[float]:
        """Returns of each (query, edit) the probability that the edit does not determine the answer."""

        def compute(part: list[tuple[tuple[str, str, str], str]]) -> list[float]:
            pairs = [(self._prompt(key, query), [self._abstain]) for key, query in part]
            return [math.exp(one.total) for one in likelihoods(self.model, self.tokenizer, pairs)]

        items = [(_key(edit), query) for query, edit in asked]
        return self.calls.map(f"abstention {self.identity}", items, compute)

    def _prompt(self, key: tuple[str, str, str], query: str) -> list[int]:
        return prompt_ids(self.tokenizer, _edit(key), query)


class InContext:
    """The base model with the edit in its prompt. With SERAC's own scope classifier this is the paper's RP."""

    def __init__(self, base: Base) -> None:
        self.base = base

    def answers(self, asked: Sequence[tuple[Edit, str]]) -> list[str]:
        """Returns the greedy answer to each (edit, query)."""
        return self.base.answers([in_context_prompt(query, edit) for edit, query in asked])

    def log_likelihoods(self, asked: Sequence[tuple[Edit, str, str]]) -> list[Likelihood]:
        """Returns the likelihood of each (edit, query, answer)."""
        return self.base.log_likelihoods(
            [(in_context_prompt(query, edit), answer) for edit, query, answer in asked]
        )


def _key(edit: Edit) -> tuple[str, str, str]:
    return (edit.kind.value, edit.prompt, edit.target)


def _edit(key: Sequence[str]) -> Draft:
    kind, prompt, target = key
    return Draft(prompt, target, Kind(kind))


class Serac:
    """Section 4 of the paper: scope classifier, counterfactual model, base model.

    ``scope_over`` makes the classifier over given edits; ``identity`` tells its weights apart from any others.
    """

    def __init__(
        self,
        name: str,
        base: Base,
        counterfactuals: Counterfactuals,
        scope_over: Callable[[list[Edit]], ScopeForm],
        identity: str,
        *,
        most_edits: int | None = None,
    ) -> None:
        self.name = name
        self.base = base
        self.counterfactuals = counterfactuals
        self.scope_over = scope_over
        self.identity = identity
        self.most_edits = most_edits
        self._edits: list[Edit] = []
        self._memory = ""
        self._scope: ScopeForm | None = None

    def apply(self, records: Sequence[Record]) -> None:
        """Puts the edits in memory; they are encoded when the first query comes."""
        self._edits = edits_of(records)
        self._memory = digest_of([_key(edit) for edit in self._edits])
        self._scope = None

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """Returns the reply to each query: of the counterfactual model in scope, of the base model out of it."""
        routes = self._routes([ask.query for ask in asks])
        zipped = list(zip(asks, routes, strict=True))
        edited = iter(self.counterfactuals.answers([(r.edit, ask.query) for ask, r in zipped if r.fires]))
        unedited = iter(self.base.answers([ask.prompt for ask, r in zipped if not r.fires]))
        return [
            Reply(next(edited if r.fires else unedited), r.edit.id, r.fires, r.probability) for r in routes
        ]

    def log_likelihoods(self, pairs: Sequence[tuple[Ask, str]]) -> list[Likelihood]:
        """Returns the likelihood of each answer under the model that the query is routed to."""
        routes = self._routes([ask.query for ask, _ in pairs])
        zipped = list(zip(pairs, routes, strict=True))
        inside = [(r.edit, ask.query, answer) for (ask, answer), r in zipped if r.fires]
        outside = [(ask.prompt, answer) for (ask, answer), r in zipped if not r.fires]
        edited = iter(self.counterfactuals.log_likelihoods(inside))
        unedited = iter(self.base.log_likelihoods(outside))
        return [next(edited if r.fires else unedited) for r in routes]

    def _routes(self, queries: Sequence[str]) -> list["_Route"]:
        def compute(part: list[str]) -> list[Any]:
            self._scope = self._scope or self.scope_over(self._edits)
            threshold = self._scope.threshold
            best = [matches[0] for matches in self._scope.match_all(part, 1)]
            return [[match.edit.id, match.probability >= threshold, match.probability] for match in best]

        found = self.base.calls.map(f"route {self.identity} {self._memory}", queries, compute)
        return [_Route(self._edits[number - 1], fires, p) for number, fires, p in found]


@dataclass(frozen=True)
class _Route:
    """The best match i*, whether it reaches the threshold, and g_phi of it."""

    edit: Edit
    fires: bool
    probability: float


# --- LU ----------------------------------------------------------------------------------------------------


class LookupCache:
    """LU: a cache of the edits' prompts by the base model's hidden state, averaged over the prompt.

    A query nearer than ``threshold`` to a cached prompt (L2) gets its answer, word for word; all others the base
    model's. As in the authors' code, but the threshold is a parameter and is tuned.
    """

    name = "LU"

    def __init__(self, base: Base, threshold: float = 1.0, *, most_edits: int | None = None) -> None:
        self.base = base
        self.most_edits = most_edits
        self.threshold = threshold
        self.identity = f"{threshold}"
        self._shown: list[tuple[str, str]] = []
        self._cached: NDArray[np.float64] | None = None

    def apply(self, records: Sequence[Record]) -> None:
        """Caches the prompts of the records' edits with their answers; their states are computed when first needed."""
        self._shown = [record.shown for record in records]
        self._cached = None

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """Returns the cached answer of the nearest prompt, or the base model's."""
        hits = self._hits(asks)
        said = iter(self.base.answers([ask.prompt for ask, hit in zip(asks, hits, strict=True) if not hit]))
        return [Reply(self._shown[hit - 1][1], hit, fired=True) if hit else Reply(next(said)) for hit in hits]

    def log_likelihoods(self, pairs: Sequence[tuple[Ask, str]]) -> list[Likelihood]:
        """Returns the base model's likelihood, or for a hit that of a model that is sure of the cached answer."""
        hits = self._hits([ask for ask, _ in pairs])
        scored = self.base.log_likelihoods([(ask.prompt, answer) for ask, answer in pairs])
        return [
            _sure(before, answer, self._shown[hit - 1][1]) if hit else before
            for before, (_, answer), hit in zip(scored, pairs, hits, strict=True)
        ]

    def distances(self, asks: Sequence[Ask]) -> list[tuple[int, float]]:
        """Returns for each query the number of the nearest cached prompt and its distance."""
        if self._cached is None:
            self._cached = np.asarray(self.base.hidden_states([prompt for prompt, _ in self._shown]))
        asked = np.asarray(self.base.hidden_states([ask.prompt for ask in asks]))
        found = []
        for row in asked:
            lengths = np.linalg.norm(self._cached - row, axis=1)
            nearest = int(lengths.argmin())
            found.append((nearest + 1, float(lengths[nearest])))
        return found

    def _hits(self, asks: Sequence[Ask]) -> list[int]:
        return [number if distance < self.threshold else 0 for number, distance in self.distances(asks)]


UNLIKELY = 1e-4
"""The probability, a token, that a cache leaves to other answers than its own (KL would be infinite)."""


def _sure(before: Likelihood, answer: str, cached: str) -> Likelihood:
    right = answer.strip() == cached.strip()
    each = math.log(1 - UNLIKELY) if right else math.log(UNLIKELY)
    return Likelihood((each,) * len(before.log_probabilities), right, cached)

"""The third check: the counterfactual model has a say in whether the edit settles the query.

The paper's g_phi and h_psi are trained apart, and so are ours; but h_psi reads every pair that g_phi lets through
anyway, and is trained to abstain where an edit does not determine the answer. Its abstention is folded into the
probability, so that a false match is vetoed and a hesitant one confirmed.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from serac_cli.errors import ComponentError
from serac_cli.protocols import Match
from serac_cli.scope import TwoStageScope
from store import Edit, Kind

__all__ = ["Abstention", "Check", "CheckedScope", "Weights", "features", "load_check", "logit", "save_check"]

FILE = "check.json"

Abstention = Callable[[Sequence[tuple[str, Edit]]], list[float]]
"""The probability, 0 to 1, that the counterfactual model finds for each (query, edit) that the edit does not tell."""


@dataclass(frozen=True)
class Weights:
    """How what the models say is weighed: sigmoid(scope logit(p) + abstention logit(1 - a) + similarity s + bias).

    p is g_phi's probability, a that of abstaining, s the cosine of edit and query (all that the encoder says).
    """

    scope: float
    abstention: float
    similarity: float
    bias: float

    def probability(self, match: Match, abstains: float) -> float:
        """Returns the probability of scope given what all three models say."""
        heard = (self.scope, self.abstention, self.similarity)
        score = sum(w * x for w, x in zip(heard, features(match, abstains), strict=True)) + self.bias
        return float(1.0 / (1.0 + np.exp(-score)))


@dataclass(frozen=True)
class Check:
    """The weights by kind of edit, since the counterfactual model is surer of facts than of evidence.

    Matches under ``floor`` are not checked: they stay as they are. ``looked_at`` is the number of matches checked at
    most.
    """

    weights: dict[Kind, Weights]
    threshold: float
    floor: float = 0.02
    looked_at: int = 2

    def doubtful(self, matches: Sequence[Match]) -> list[Match]:
        """Returns those of a query's matches, likeliest first, that are checked."""
        return [match for match in matches[: self.looked_at] if match.probability >= self.floor]

    def weigh(self, matches: Sequence[Match], abstains: Iterable[float]) -> list[Match]:
        """Returns the matches, given the abstention on each of the :meth:`doubtful` ones.

        Those that were checked come first, likeliest first: the others' probabilities do not compare with theirs, and
        what is decided must not hang on how many are asked for.
        """
        doubtful = self.doubtful(matches)
        checked = [
            replace(
                match,
                probability=self.weights[match.edit.kind].probability(match, heard),
                scope=match.probability,
                abstention=heard,
            )
            for match, heard in zip(doubtful, abstains, strict=True)
        ]
        return [*sorted(checked, key=lambda match: -match.probability), *matches[len(doubtful) :]]


class CheckedScope:
    """The two-stage form, whose likeliest matches the counterfactual model confirms or vetoes."""

    def __init__(self, scope: TwoStageScope, abstention: Abstention, check: Check) -> None:
        self.scope = scope
        self.abstention = abstention
        self.check = check
        self.threshold = check.threshold

    def match(self, query: str, k: int) -> list[Match]:
        """Returns ``k`` edits, those that were checked before the others, each highest probability first."""
        return self.match_all([query], k)[0]

    def match_all(self, queries: Sequence[str], k: int) -> list[list[Match]]:
        """Returns :meth:`match` of each query; the counterfactual model reads the pairs of all queries at once."""
        # 1. What the scope classifier says
        found = self.scope.match_all(queries, max(k, self.check.looked_at))

        # 2. What the counterfactual model says of the likeliest
        heard = abstentions(self.abstention, self.check, queries, found)

        # 3. Both weighed
        return [
            self.check.weigh(matches, abstains)[:k] for matches, abstains in zip(found, heard, strict=True)
        ]


def abstentions(
    abstention: Abstention, check: Check, queries: Sequence[str], found: Sequence[Sequence[Match]]
) -> list[list[float]]:
    """Returns the abstention on each query's doubtful matches, asked for all queries at once."""
    doubtful = [check.doubtful(matches) for matches in found]
    pairs = [
        (query, match.edit) for query, matches in zip(queries, doubtful, strict=True) for match in matches
    ]
    heard = iter(abstention(pairs) if pairs else [])
    return [[next(heard) for _ in matches] for matches in doubtful]


def features(match: Match, abstains: float) -> tuple[float, float, float]:
    """Returns what is weighed: the logit of scope, that of an answer, and the cosine."""
    return logit(match.probability), logit(1.0 - abstains), match.similarity


def logit(probability: float) -> float:
    """Returns log(p / (1 - p)), of p clipped to [0.0001, 0.9999]."""
    clipped = min(max(probability, 1e-4), 1.0 - 1e-4)
    return float(np.log(clipped / (1.0 - clipped)))


def save_check(folder: Path, check: Check) -> None:
    """Writes ``check.json`` to ``folder``, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(asdict(check), indent=2) + "\n", encoding="utf-8")


def load_check(folder: Path) -> Check:
    """Returns the check in ``folder``. Raises ComponentError if it is missing or has other keys."""
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        weights = {kind: Weights(**values["weights"][kind]) for kind in Kind}
        return Check(**{**values, "weights": weights})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ComponentError(
            f"the check in {folder} cannot be read: {error}",
            f"`serac train check --model {folder}` makes one, or take the two-stage form",
        ) from error

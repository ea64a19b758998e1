"""Which editors a run compares, by name, and how each is put together from the models at hand."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serac_cli.assembly import open_base, scope_maker
from serac_cli.backends.scoring import ScoringModel
from serac_cli.checkpoints import component_folder, load_cross_encoder
from serac_cli.counterfactual import fingerprint, load_adapter, read_config
from serac_cli.encoder import Encoder, Vectors
from serac_cli.errors import ComponentError, SettingsError
from serac_cli.evaluation.calls import Calls, digest_of
from serac_cli.evaluation.editors import (
    Base,
    Counterfactuals,
    InContext,
    LookupCache,
    ModelEditor,
    NoEdit,
    Serac,
    Trained,
)
from serac_cli.evaluation.finetuning import FineTuning, FineTuningConfig
from serac_cli.protocols import ScopeForm
from serac_cli.scope import FixedIndex
from serac_cli.settings import SCOPE_FORMS, Settings
from store import Edit

__all__ = ["DEFAULT_EDITORS", "EDITORS", "Parts", "line_up", "open_evaluated_base"]

Progress = Callable[[str, int, int], None]

_SERAC = {
    "serac": ("SERAC", SCOPE_FORMS[0], "trained"),
    "serac-two-stage": ("SERAC, two-stage", "two-stage", "trained"),
    "serac-embedding": ("SERAC, embedding", "embedding", "trained"),
    "serac-cross": ("SERAC, cross-attention", "cross", "trained"),
    "serac-cosine": ("SERAC, untrained cosine", "cosine", "trained"),
    "rp": ("RP", "two-stage", "in-context"),
}
EDITORS = ("none", *_SERAC, "lu", "ft")
"""The names by which ``serac evaluate run`` knows the editors."""
DEFAULT_EDITORS = ("none", "serac", "serac-two-stage", "serac-embedding", "serac-cross", "rp", "lu", "ft")

CROSS_MOST = 100
"""Cross-attention reads every edit with every query: it is not measured with more edits than these."""
LOOKUP_MOST = 1000
"""LU needs the base model's hidden state for every edit."""


@dataclass
class Parts:
    """The components that are not the base model's, each loaded when it is first wanted.

    ``scope`` and ``counterfactual`` are their folders, the shipped ones by default.
    """

    settings: Settings
    encoder: Encoder
    calls: Calls
    max_new_tokens: int
    progress: Progress
    scope: Path = field(default_factory=lambda: component_folder("scope"))
    counterfactual: Path = field(default_factory=lambda: component_folder("counterfactual"))
    _loaded: dict[str, Any] = field(default_factory=dict)
    _vectors: dict[str, Vectors] = field(default_factory=dict)

    def identity(self, form: str) -> str:
        """Returns what tells this form and its weights apart from any others."""
        files = {"cosine": (), "embedding": ("projection.safetensors",)}.get(form, ("model.safetensors",))
        names = () if form == "cosine" else ("config.json", *files)
        paths = [self.scope / name for name in names]
        if form == "checked":
            paths += [self.scope / "check.json", self.counterfactual / "adapter_model.safetensors"]
        return f"{form} {self.encoder.identity.digest[:23]} " + "".join(map(_digest, paths))

    def scope_over(self, form: str) -> Callable[[list[Edit]], ScopeForm]:
        """Returns what makes a scope classifier of this form over given edits. Raises ComponentError."""
        make = scope_maker(
            form,
            self.scope,
            self.trained().abstention if form == "checked" else None,
            lambda folder: self._once("cross", lambda: load_cross_encoder(folder)),
        )
        return lambda edits: make(FixedIndex(edits, self.encoder, self._vectors))

    def trained(self) -> Trained:
        """Returns the trained counterfactual model over a copy of its base model. Raises ComponentError."""
        trained: Trained = self._once("trained", self._load_trained)
        return trained

    def _load_trained(self) -> Trained:
        base = open_base(replace(self.settings, base=read_config(self.counterfactual)["base"]), self.progress)
        model = load_adapter(base, self.counterfactual).float()
        identity = _digest(self.counterfactual / "adapter_model.safetensors")
        return Trained(model, base.tokenizer, identity, self.calls, self.max_new_tokens)

    def _once(self, name: str, load: Callable[[], Any]) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load()
        return self._loaded[name]


def open_evaluated_base(parts: Parts, spec: str) -> Base:
    """Returns a base model in float32, where batches do not change an answer. Raises ModelError."""
    local = open_base(replace(parts.settings, base=spec), parts.progress)
    local.model.float()
    identity = digest_of([spec, fingerprint(local.model), local.model.num_parameters()])
    name = Path(spec).name if Path(spec).exists() else spec
    return Base(name, identity, ScoringModel(local), parts.calls, parts.max_new_tokens)


def line_up(
    names: tuple[str, ...],
    base: Base,
    parts: Parts,
    threshold: float,
    tuning: FineTuningConfig,
    ft_edits: int,
) -> list[ModelEditor]:
    """Returns the editors of these names over ``base``; ``threshold`` is LU's, ``tuning`` and ``ft_edits`` are FT's.

    Raises SettingsError for an unknown name, and ComponentError.
    """
    editors: list[ModelEditor] = []
    for name in names:
        if name in _SERAC:
            shown, form, counterfactual = _SERAC[name]
            answers: Counterfactuals = InContext(base) if counterfactual == "in-context" else parts.trained()
            most = CROSS_MOST if form == "cross" else None
            editors.append(
                Serac(shown, base, answers, parts.scope_over(form), parts.identity(form), most_edits=most)
            )
        elif name == "lu":
            editors.append(LookupCache(base, threshold, most_edits=LOOKUP_MOST))
        elif name == "ft":
            editors.append(FineTuning(base, tuning, most_edits=ft_edits))
        elif name == "none":
            editors.append(NoEdit(base))
        else:
            raise SettingsError(f"unknown editor {name!r}", f"choose from {', '.join(EDITORS)}")
    return editors


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ComponentError(f"cannot read {path}", "reinstall serac") from error

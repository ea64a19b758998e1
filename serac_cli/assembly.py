"""Puts an editor together from the settings: the only place that knows which form goes by which name."""

from collections.abc import Callable
from pathlib import Path

from serac_cli.backends.local import LocalModel, load_local_model
from serac_cli.checked import Abstention, CheckedScope, load_check
from serac_cli.checkpoints import component_folder, load_cross_encoder, load_projection, load_scope_config
from serac_cli.counterfactual import (
    InContextCounterfactual,
    TrainedCounterfactual,
    attach,
    fits,
    read_config,
)
from serac_cli.editor import Editor
from serac_cli.encoder import EditIndex, Encoder, load_encoder
from serac_cli.models import Progress, resolve
from serac_cli.protocols import ScopeForm
from serac_cli.scope import CosineScope, CrossEncoder, CrossEncoderScope, EmbeddingScope, Index, TwoStageScope
from serac_cli.settings import Settings
from store import Memory

__all__ = [
    "open_base",
    "open_decision",
    "open_editor",
    "open_trained_counterfactual",
    "scope_maker",
]


def open_editor(settings: Settings, memory: Memory, progress: Progress) -> Editor:
    """Returns the editor that the settings describe, its models loaded, and pulled if missing.

    Raises ModelError and ComponentError.
    """
    base = open_base(settings, progress)
    encoder = load_encoder()
    trained = None
    if settings.counterfactual == "trained" or settings.scope == "checked":
        trained = open_trained_counterfactual(settings, progress, base)
    scope, threshold = _decision(settings, memory, encoder, trained)
    return Editor(
        memory=memory,
        encoder=encoder,
        scope=scope,
        base=base,
        counterfactual=trained
        if trained and settings.counterfactual == "trained"
        else InContextCounterfactual(base),
        threshold=threshold,
        max_new_tokens=settings.max_new_tokens,
    )


def open_decision(settings: Settings, memory: Memory, progress: Progress) -> tuple[ScopeForm, float]:
    """Returns the scope classifier over ``memory`` and the threshold in force, without a base model.

    Raises ComponentError, and ModelError where the checked form needs a model that cannot be had.
    """
    trained = open_trained_counterfactual(settings, progress) if settings.scope == "checked" else None
    return _decision(settings, memory, load_encoder(), trained)


def _decision(
    settings: Settings, memory: Memory, encoder: Encoder, trained: TrainedCounterfactual | None
) -> tuple[ScopeForm, float]:
    abstention = trained.first_token_abstains if trained else None
    folder = settings.scope_model or component_folder("scope")
    scope = scope_maker(settings.scope, folder, abstention)(EditIndex(memory, encoder))
    return scope, scope.threshold if settings.threshold is None else settings.threshold


def scope_maker(
    form: str,
    folder: Path,
    abstention: Abstention | None = None,
    load: Callable[[Path], CrossEncoder] = load_cross_encoder,
) -> Callable[[Index], ScopeForm]:
    """Returns what makes a scope classifier of this form over given edits; the weights in ``folder`` are read once.

    ``form`` is one of the settings' SCOPE_FORMS. The checked form needs the counterfactual model's ``abstention``.
    ``load`` gives the cross-encoder, where the form has one. Raises ComponentError.
    """
    if form == "cosine":
        return CosineScope
    if form == "embedding":
        projection, threshold = load_projection(folder), load_scope_config(folder).embedding_threshold
        return lambda index: EmbeddingScope(index, projection, threshold)
    cross_encoder = load(folder)
    if form == "cross":
        return lambda index: CrossEncoderScope(index, cross_encoder)
    if form == "two-stage":
        return lambda index: TwoStageScope(index, cross_encoder)
    assert abstention is not None, "the checked form asks the trained counterfactual model"
    check = load_check(folder)
    return lambda index: CheckedScope(TwoStageScope(index, cross_encoder), abstention, check)


def open_base(settings: Settings, progress: Progress) -> LocalModel:
    """Returns the base model, pulled and converted first where that is needed."""
    return _load(settings, settings.base, progress)


def open_trained_counterfactual(
    settings: Settings, progress: Progress, base: LocalModel | None = None
) -> TrainedCounterfactual:
    """Returns the trained counterfactual model; it shares the weights of ``base`` where it was trained over them.

    Raises ComponentError, and ModelError where it needs a model of its own that cannot be had.
    """
    folder = settings.counterfactual_model or component_folder("counterfactual")
    config = read_config(folder)
    if base is None or not fits(config, base.model):
        base = _load(settings, config["base"], progress)
    return attach(base, folder)


def _load(settings: Settings, spec: str, progress: Progress) -> LocalModel:
    source = resolve(settings.models, spec, progress)
    progress(f"loading {spec}", 0, 1)
    model = load_local_model(source)
    progress(f"loading {spec}", 1, 1)
    return model

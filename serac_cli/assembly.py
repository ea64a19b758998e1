"""Puts an editor together from the settings: the only place that knows which form goes by which name."""

from serac_cli.backends.local import LocalModel, load_local_model
from serac_cli.editor import Editor
from serac_cli.encoder import EditIndex, Encoder, load_encoder
from serac_cli.models import Progress, resolve
from serac_cli.protocols import Counterfactual, ScopeClassifier
from serac_cli.scope import CosineScope
from serac_cli.settings import Settings
from store import Memory

__all__ = ["open_base", "open_counterfactual", "open_editor", "open_scope"]


def open_editor(settings: Settings, memory: Memory, progress: Progress) -> Editor:
    """Returns the editor that the settings describe, its models loaded and pulled if missing.

    Raises ModelError and ComponentError.
    """
    base = open_base(settings, progress)
    encoder = load_encoder()
    scope, threshold = open_scope(settings, memory, encoder)
    return Editor(
        memory=memory,
        encoder=encoder,
        scope=scope,
        base=base,
        counterfactual=open_counterfactual(settings, base),
        threshold=threshold,
        max_new_tokens=settings.max_new_tokens,
    )


def open_scope(settings: Settings, memory: Memory, encoder: Encoder) -> tuple[ScopeClassifier, float]:
    """Returns the scope classifier over ``memory`` and the threshold in force."""
    scope = CosineScope(EditIndex(memory, encoder))
    return scope, scope.threshold if settings.threshold is None else settings.threshold


def open_base(settings: Settings, progress: Progress) -> LocalModel:
    """Returns the base model, pulled and converted first where that is needed."""
    source = resolve(settings.models, settings.base, progress)
    progress(f"loading {settings.base}", 0, 1)
    model = load_local_model(source)
    progress(f"loading {settings.base}", 1, 1)
    return model


def open_counterfactual(settings: Settings, base: LocalModel) -> Counterfactual:
    """Returns the counterfactual model; the trained one shares the default base's weights."""
    from serac_cli.counterfactual import InContextCounterfactual

    return InContextCounterfactual(base)

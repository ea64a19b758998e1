"""The forms of the scope classifier by name, over any edits: what evaluation measures them with."""

from collections.abc import Callable
from pathlib import Path

from serac_cli.checked import Abstention, CheckedScope, load_check
from serac_cli.evaluation.scope_report import ScopeForm
from serac_cli.scope import (
    CosineScope,
    CrossEncoder,
    CrossEncoderScope,
    EmbeddingScope,
    Index,
    TwoStageScope,
    load_cross_encoder,
    load_projection,
    load_scope_config,
)

__all__ = ["scope_maker"]


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

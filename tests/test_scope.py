"""The forms of the scope classifier over fakes: what they rank, and how pairs are cut and padded."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from serac_cli import checkpoints, scope
from serac_cli.errors import ComponentError
from serac_cli.evaluation.scope_sets import edit_of
from serac_cli.fakes import FakeEncoder
from serac_cli.scope import (
    CosineScope,
    CrossEncoderScope,
    EmbeddingScope,
    FixedIndex,
    ScopeConfig,
    TwoStageScope,
)

EDITS = [
    edit_of(i, text, "") for i, text in enumerate(["red fox", "blue whale", "red whale", "green frog"], 1)
]


class OverlapCrossEncoder:
    """Gives the share of the edit's words that the query has, and counts the pairs it reads."""

    def __init__(self, candidates: int = 8) -> None:
        self.config = ScopeConfig("fake", "sha256:00", 1.0, 0.5, 0.5, candidates=candidates)
        self.read = 0

    def probabilities(self, pairs: Any) -> Any:
        self.read += len(pairs)
        return np.array([len(set(e.split()) & set(q.split())) / len(e.split()) for e, q in pairs])


def index() -> FixedIndex:
    return FixedIndex(EDITS, FakeEncoder())


def test_cosine_form_puts_the_edit_of_equal_text_first_with_probability_one():
    best = CosineScope(index()).match("blue whale", 2)
    assert best[0].edit.id == 2
    assert best[0].probability == pytest.approx(1.0)


def test_cosine_form_never_gives_a_negative_probability():
    assert min(m.probability for m in CosineScope(index()).match("anything", 4)) >= 0.0


def test_embedding_form_is_the_exponential_of_the_negative_squared_distance():
    projection = np.diag(np.arange(1, 9)).astype(np.float32)
    vector, other = (FakeEncoder().encode([text])[0] for text in ("a query", "green frog"))
    found = EmbeddingScope(index(), projection, 0.5).match("a query", 4)
    probability = next(m.probability for m in found if m.edit.id == 4)
    assert probability == pytest.approx(np.exp(-np.sum((projection @ (vector - other)) ** 2)), abs=1e-5)


def test_cross_encoder_form_reads_the_whole_memory_and_ranks_by_probability():
    cross = OverlapCrossEncoder(candidates=1)
    found = CrossEncoderScope(index(), cross).match("red whale", 3)
    assert cross.read == 4
    assert [m.edit.id for m in found] == [3, 1, 2], "equal probabilities keep the order of the memory"


def test_two_stage_form_reads_only_the_candidates_of_the_first_stage():
    cross = OverlapCrossEncoder(candidates=2)
    assert len(TwoStageScope(index(), cross).match("red whale", 1)) == 1
    assert cross.read == 2


def test_the_best_of_two_stages_does_not_hang_on_how_many_are_asked_for():
    form = TwoStageScope(index(), OverlapCrossEncoder(candidates=1))
    for query in ("red whale", "green frog"):
        assert form.match(query, 4)[0] == form.match(query, 1)[0]
        assert len({match.edit.id for match in form.match(query, 4)}) == 4


def test_two_stage_form_agrees_with_the_cross_encoder_form_where_all_edits_are_candidates():
    two_stage, whole = (
        TwoStageScope(index(), OverlapCrossEncoder()),
        CrossEncoderScope(index(), OverlapCrossEncoder()),
    )
    for query in ("red whale", "green frog", "something else"):
        assert [m.probability for m in two_stage.match(query, 4)] == [
            m.probability for m in whole.match(query, 4)
        ]


def test_two_stage_form_decides_on_many_queries_as_on_each():
    form = TwoStageScope(index(), OverlapCrossEncoder())
    queries = ["red whale", "frog", "blue"]
    assert form.match_all(queries, 2) == [form.match(query, 2) for query in queries]


def test_a_query_is_tokenised_once_for_all_its_pairs():
    read: list[str] = []

    class Counting(WordTokenizer):
        def __call__(self, texts: list[str], **options: Any) -> dict[str, list[list[int]]]:
            read.extend(texts)
            return super().__call__(texts, **options)

    ids = scope.tokenised(Counting(), [("a bb", "q"), ("ccc", "q"), ("a bb", "ccc")], 20)
    assert ids == [([1, 2], [1]), ([3], [1]), ([1, 2], [3])]
    assert sorted(read) == ["a bb", "ccc", "q"]


@pytest.mark.parametrize(
    "form",
    [
        lambda index: CosineScope(index),
        lambda index: EmbeddingScope(index, np.eye(8, dtype=np.float32), 0.5),
        lambda index: CrossEncoderScope(index, OverlapCrossEncoder()),
        lambda index: TwoStageScope(index, OverlapCrossEncoder()),
    ],
)
def test_an_empty_memory_has_no_match(form: Any):
    assert form(FixedIndex([], FakeEncoder())).match("anything", 3) == []


class WordTokenizer:
    """A token is a word's length."""

    pad_token_id, cls_token_id, sep_token_id = 0, 101, 102

    def __call__(self, texts: list[str], **_options: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[len(word) for word in text.split()] for text in texts]}


def test_the_longer_of_edit_and_query_is_cut():
    cut = scope.tokenised(
        WordTokenizer(), [("a " * 20, "bb bb"), ("a", "bb " * 20), ("a " * 20, "bb " * 20)], 13
    )
    assert [(len(edit), len(query)) for edit, query in cut] == [(8, 2), (1, 9), (5, 5)]


def test_pairs_are_padded_with_segments_and_mask():
    batch = scope.padded(WordTokenizer(), [([1], [2, 3]), ([4], [5])])
    assert batch["input_ids"].tolist() == [[101, 1, 102, 2, 3, 102], [101, 4, 102, 5, 102, 0]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]


def test_a_configuration_with_an_unknown_key_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"temperatur": 1.0}))
    with pytest.raises(ComponentError, match="cannot be read"):
        checkpoints.load_scope_config(tmp_path)


def test_a_probability_is_the_sigmoid_of_the_logit_over_the_temperature(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scope, "pair_logits", lambda *_: np.array([0.0, 4.0]))
    config = ScopeConfig("fake", "sha256:00", 2.0, 0.5, 0.5)
    model = SimpleNamespace(eval=lambda: None)
    values = scope.CrossEncoder(model, None, config).probabilities([("a", "b"), ("c", "d")])
    assert values.tolist() == [0.5, pytest.approx(1 / (1 + np.exp(-2.0)))]


@pytest.mark.models
def test_weights_are_saved_without_the_backbones_embeddings_and_load_to_the_same_logits(tmp_path: Path):
    model, tokenizer = checkpoints.untrained_cross_encoder()
    for name, parameter in model.named_parameters():
        if ".embeddings." not in name:
            parameter.data = parameter.data.half().float()
    config = ScopeConfig(
        "all-MiniLM-L6-v2",
        checkpoints.digest(checkpoints.backbone_folder() / checkpoints.WEIGHTS),
        1.5,
        0.4,
        0.3,
    )
    checkpoints.save_scope(tmp_path, model, np.eye(384, dtype=np.float32), config)
    loaded = checkpoints.load_cross_encoder(tmp_path, torch.float32)
    model.set_attn_implementation("eager")
    pairs = [("Who leads Acme? Ann", "acme boss"), ("red", "blue")]
    assert loaded.config == config
    assert (tmp_path / "model.safetensors").stat().st_size < 22_000_000
    assert checkpoints.load_projection(tmp_path).tolist() == np.eye(384).tolist()
    original = scope.CrossEncoder(model, tokenizer, config).probabilities(pairs)
    assert loaded.probabilities(pairs) == pytest.approx(original, abs=1e-6)


@pytest.mark.models
def test_weights_over_another_backbone_are_refused(tmp_path: Path):
    model, _ = checkpoints.untrained_cross_encoder()
    checkpoints.save_scope(tmp_path, model, None, ScopeConfig("all-MiniLM-L6-v2", "sha256:00", 1.0, 0.5, 0.5))
    with pytest.raises(ComponentError, match="another all-MiniLM-L6-v2"):
        checkpoints.load_cross_encoder(tmp_path)

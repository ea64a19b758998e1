"""The trained counterfactual model asked many things at once says what the product's own says one by one."""

import json

import pytest
import torch

from serac_cli.backends.local import load_local_model
from serac_cli.counterfactual import ABSTAIN, PROMPT_FORMAT, attach, fingerprint
from serac_cli.errors import SettingsError
from serac_cli.evaluation.calls import Calls
from serac_cli.evaluation.editors import LookupCache, edits_of
from serac_cli.evaluation.finetuning import FineTuningConfig
from serac_cli.evaluation.line_up import Parts, line_up, open_evaluated_base
from serac_cli.evaluation.tasks import Record, plain
from serac_cli.fakes import FakeEncoder
from store import Draft
from tests.tiny_models import save_llama

EDITS = edits_of(
    [Record(Draft("a b", "c d"), "", ("", ""), (), ()), Record(Draft("e f g"), "", ("", ""), (), ())]
)
ASKED = [(EDITS[0], "b a"), (EDITS[1], "e f g h i j"), (EDITS[0], "z")]


@pytest.fixture
def folders(tmp_path):
    """A tiny base model and an adapter over it whose weights are random, so that they matter."""
    from peft import LoraConfig, get_peft_model

    base, folder = save_llama(tmp_path / "tiny"), tmp_path / "counterfactual"
    model = load_local_model(str(base)).model
    settings = {
        "base": str(base),
        "base_fingerprint": fingerprint(model),
        "prompt_format": PROMPT_FORMAT,
        "abstain_token": ABSTAIN,
    }
    torch.manual_seed(1)
    adapted = get_peft_model(
        model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    adapted.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(settings))
    return base, folder


@pytest.fixture
def parts(folders, settings):
    return Parts(settings, FakeEncoder(), Calls(None), 6, lambda *_: None, counterfactual=folders[1])


@pytest.fixture
def shipped(folders):
    local = load_local_model(str(folders[0]))
    local.model.float()
    return attach(local, folders[1])


def test_answers_are_those_of_the_product(parts, shipped):
    alone = ["".join(shipped.generate(query, edit, max_new_tokens=6)).strip() for edit, query in ASKED]
    assert parts.trained().answers(ASKED) == alone


def test_abstention_is_that_of_the_product(parts, shipped):
    pairs = [(query, edit) for edit, query in ASKED]
    expected = shipped.first_token_abstains(pairs)
    assert parts.trained().abstention(pairs) == pytest.approx(expected, abs=1e-5)


def test_the_base_model_beside_it_is_untouched(parts, folders):
    alone = load_local_model(str(folders[0]))
    alone.model.float()
    base = open_evaluated_base(parts, str(folders[0]))
    parts.trained()
    assert base.answers(["a b c", "d"]) == [
        "".join(alone.generate(query, max_new_tokens=6)).strip() for query in ("a b c", "d")
    ]
    assert base.name == "tiny"


def test_an_unknown_editor_is_refused(parts, folders):
    base = open_evaluated_base(parts, str(folders[0]))
    with pytest.raises(SettingsError, match="'mend'"):
        line_up(("mend",), base, parts, 0.0, FineTuningConfig(), 10)


def test_what_the_checked_form_decided_is_not_reused_after_another_check(parts, tmp_path):
    parts.scope = tmp_path / "scope"
    parts.scope.mkdir()
    for name in ("config.json", "model.safetensors", "check.json"):
        (parts.scope / name).write_text(name)
    checked, two_stage = parts.identity("checked"), parts.identity("two-stage")
    (parts.scope / "check.json").write_text("another")
    assert parts.identity("checked") != checked
    assert parts.identity("two-stage") == two_stage


def test_the_lookup_cache_computes_its_edits_states_once(parts, folders, monkeypatch):
    base = open_evaluated_base(parts, str(folders[0]))
    asked = []
    states = base.model.mean_hidden_states
    monkeypatch.setattr(base.model, "mean_hidden_states", lambda part: asked.extend(part) or states(part))
    cache = LookupCache(base, 0.0)
    cache.apply([Record(Draft("a b", "c d"), "", ("a b", "c d"), (), ())])
    with base.calls.off():
        for query in ("d e", "f g"):
            cache.answers([plain(query)])
    assert asked == ["a b", "d e", "f g"]

"""FT learns the edits on a copy of the weights."""

import pytest
import torch

from serac_cli.backends.local import load_local_model
from serac_cli.backends.scoring import ScoringModel
from serac_cli.evaluation import finetuning
from serac_cli.evaluation.calls import Calls
from serac_cli.evaluation.editors import Base
from serac_cli.evaluation.finetuning import FineTuning, FineTuningConfig, trainable
from serac_cli.evaluation.tasks import Family, Inside, Outside, Record, plain
from serac_cli.evaluation.tuning import tuned_fine_tuning
from store import Draft
from tests.tiny_models import save_gemma, save_llama, save_t5


def record(prompt, target):
    return Record(
        Draft(prompt, target),
        "",
        (prompt, target),
        (Inside(plain(prompt), target, "itself"),),
        (Outside(plain("z z z"), "far"),),
    )


above = finetuning._above
RECORDS = [record("a b c", "d e"), record("f g", "h")]


@pytest.fixture(params=[save_llama, save_t5])
def base(request, tmp_path):
    local = load_local_model(str(request.param(tmp_path / "m")))
    local.model.float()
    return Base("tiny", "1", ScoringModel(local), Calls(None), 6)


def test_the_edits_are_learnt_and_the_base_model_stays_as_it_is(base):
    before = {name: weight.clone() for name, weight in base.model.local.model.state_dict().items()}
    editor = FineTuning(base, FineTuningConfig(learning_rate=1e-2, layers=0, steps=100))
    editor.apply(RECORDS)
    assert [
        one.matched for one in editor.log_likelihoods([(plain("a b c"), "d e"), (plain("f g"), "h")])
    ] == [True, True]
    assert [reply.text for reply in editor.answers([plain("a b c"), plain("f g")])] == ["d e", "h"]
    for name, weight in base.model.local.model.state_dict().items():
        assert torch.equal(weight, before[name]), name
    assert all(not reply.fired for reply in editor.answers([plain("a b c")]))


def test_without_a_step_it_is_the_base_model(base):
    editor = FineTuning(base, FineTuningConfig(steps=0))
    editor.apply(RECORDS)
    asks = [plain("a b c"), plain("z")]
    assert [reply.text for reply in editor.answers(asks)] == base.answers([ask.prompt for ask in asks])
    pairs = [(ask, "d e") for ask in asks]
    assert editor.log_likelihoods(pairs) == base.log_likelihoods(
        [(ask.prompt, answer) for ask, answer in pairs]
    )


def test_training_stops_when_all_is_learnt(base):
    few = FineTuning(base, FineTuningConfig(learning_rate=1e-2, layers=0, steps=100, stop_loss=0.05))
    many = FineTuning(base, FineTuningConfig(learning_rate=1e-2, layers=0, steps=100, stop_loss=0.0))
    for editor in (few, many):
        editor.apply(RECORDS)
    pair = [(plain("a b c"), "d e")]
    assert few.log_likelihoods(pair)[0].total < many.log_likelihoods(pair)[0].total


def test_only_the_last_mlps_learn_unless_all_do(base):
    model = base.model.local.model
    last = {id(weight) for weight in trainable(model, 1)}
    names = [name for name, weight in model.named_parameters() if id(weight) in last]
    assert names
    assert all("mlp" in name or "DenseReluDense" in name for name in names)
    assert len(trainable(model, 0)) == len(list(model.parameters()))


def test_the_best_of_a_grid_is_chosen_on_success_less_drawdown(base):
    good = FineTuningConfig(learning_rate=1e-2, layers=0, steps=100)
    idle = FineTuningConfig(steps=0)
    chosen, scores = tuned_fine_tuning(base, Family.QA, RECORDS, (idle, good), seed=0)
    assert [config for config, _ in scores] == [idle, good]
    assert dict(scores)[idle] == 0.0
    assert chosen == max(scores, key=lambda one: one[1])[0]


def test_the_same_edits_applied_again_are_not_learnt_again(base):
    editor = FineTuning(base, FineTuningConfig(learning_rate=1e-2, layers=0, steps=2))
    editor.apply(RECORDS)
    tuned = editor.tuned()
    editor.apply(list(RECORDS))
    assert editor.tuned() is tuned
    editor.apply(RECORDS[:1])
    assert editor.tuned() is not tuned


@pytest.mark.parametrize("save", [save_llama, save_gemma])
def test_blocks_that_rest_change_nothing_but_the_time(save, tmp_path, monkeypatch):
    """What the last blocks learn is the same to the last bits whether those below run in every step or once."""
    local = load_local_model(str(save(tmp_path / "m")))
    local.model.float()
    base = Base("tiny", "1", ScoringModel(local), Calls(None), 6)
    monkeypatch.setattr(finetuning, "has_fast_bfloat16", lambda: False)
    config = FineTuningConfig(learning_rate=1e-2, layers=1, steps=5, stop_loss=0.0)
    steps, tuned = [], []
    monkeypatch.setattr(finetuning, "_above", lambda *given: steps.append(given) or above(*given))
    for kinds in (finetuning.STACKED, frozenset()):
        monkeypatch.setattr(finetuning, "STACKED", kinds)
        editor = FineTuning(base, config)
        editor.apply([*RECORDS, record("a b c d e f g h i j", "k")])
        tuned.append(editor.tuned().local.model.state_dict())
    assert len(steps) == config.steps
    assert any(not torch.equal(tuned[0][name], w) for name, w in local.model.state_dict().items())
    for name, weight in tuned[1].items():
        assert torch.allclose(tuned[0][name], weight, atol=1e-5), name

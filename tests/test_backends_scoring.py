"""Likelihoods and batched answers, over small random models."""

import pytest
import torch

from serac_cli.backends.local import load_local_model
from serac_cli.backends.scoring import ScoringModel, generate, likelihoods
from tests.tiny_models import CHAT, save_llama, save_t5

PAIRS = [("a b c", "d"), ("e", "f g h i"), ("a b c d e f g", "h i"), ("b", "c c")]


@pytest.fixture(params=["plain", "chat", "seq2seq"])
def scoring(request, tmp_path):
    folder = tmp_path / request.param
    if request.param == "seq2seq":
        save_t5(folder)
    else:
        save_llama(folder, template=CHAT if request.param == "chat" else None)
    local = load_local_model(str(folder))
    local.model.float()
    return ScoringModel(local)


def test_an_answer_ends_with_what_the_template_puts_after_one(scoring):
    assert scoring.end == 1
    assert scoring.answer_ids("a b")[-1] == 1
    assert len(scoring.answer_ids("a b")) == 3


def test_log_probabilities_are_those_of_the_model_token_by_token(scoring):
    (found,) = scoring.log_likelihoods([("a b c", "d e")])
    model, prompt, answer = scoring.local.model, scoring.prompt_ids("a b c"), scoring.answer_ids("d e")
    expected = []
    with torch.inference_mode():
        for i, token in enumerate(answer):
            if model.config.is_encoder_decoder:
                logits = model(
                    input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([[0, *answer[:i]]])
                ).logits
            else:
                logits = model(input_ids=torch.tensor([prompt + answer[:i]])).logits
            expected.append(float(torch.log_softmax(logits[0, -1].float(), -1)[token]))
    assert found.log_probabilities == pytest.approx(expected, abs=1e-5)
    assert found.total == pytest.approx(sum(expected), abs=1e-5)


def test_a_batch_gives_what_each_pair_gives_alone(scoring):
    together = scoring.log_likelihoods(PAIRS)
    alone = [scoring.log_likelihoods([pair])[0] for pair in PAIRS]
    for one, other in zip(together, alone, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-5)
        assert (one.matched, one.predicted) == (other.matched, other.predicted)


def test_batched_answers_are_those_of_the_model_asked_alone(scoring):
    queries = [query for query, _ in PAIRS]
    alone = ["".join(scoring.local.generate(query, max_new_tokens=6)).strip() for query in queries]
    assert scoring.answers(queries, max_new_tokens=6) == alone


def test_a_greedy_answer_matches_and_any_other_does_not(tmp_path):
    local = load_local_model(str(save_llama(tmp_path / "m")))
    local.model.float()
    scoring = ScoringModel(local)
    prompt = scoring.prompt_ids("a b c")
    ids = local.model.generate(torch.tensor([prompt]), max_new_tokens=4, do_sample=False)[
        0, len(prompt) :
    ].tolist()
    other = [*ids[:-1], (ids[-1] + 1) % 20 + 4]
    right, wrong = likelihoods(local.model, local.tokenizer, [(prompt, ids), (prompt, other)])
    assert right.matched
    assert not wrong.matched
    assert right.predicted == wrong.predicted == local.tokenizer.decode(ids, skip_special_tokens=True).strip()


def test_an_excluded_token_is_neither_said_nor_the_most_likely(tmp_path):
    local = load_local_model(str(save_llama(tmp_path / "m")))
    local.model.float()
    prompt = ScoringModel(local).prompt_ids("a b c")
    first = local.model.generate(torch.tensor([prompt]), max_new_tokens=1, do_sample=False)[0, -1].item()
    options = {"max_new_tokens": 1, "end": 1}
    assert generate(local.model, local.tokenizer, [prompt], **options) != generate(
        local.model, local.tokenizer, [prompt], excluded=first, **options
    )
    (plain,) = likelihoods(local.model, local.tokenizer, [(prompt, [first])])
    (excluding,) = likelihoods(local.model, local.tokenizer, [(prompt, [first])], excluded=first)
    assert plain.matched
    assert not excluding.matched
    assert excluding.log_probabilities == plain.log_probabilities


def test_answers_drawn_with_a_seed_are_the_same_again_and_leave_torchs_generator_alone(scoring):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = scoring.answers(["a b", "c"], max_new_tokens=8, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert scoring.answers(["a b", "c"], max_new_tokens=8, seed=1) == first
    assert scoring.answers(["a b", "c"], max_new_tokens=8, seed=2) != first


def test_hidden_states_are_averaged_over_the_prompt(scoring):
    states = scoring.mean_hidden_states(["a b c", "d"])
    assert states.shape == (2, scoring.local.model.config.hidden_size)
    assert torch.allclose(states[0], scoring.mean_hidden_states(["a b c"])[0])
    assert not torch.allclose(states[0], states[1])

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from serac_cli import counterfactual
from serac_cli.backends.local import LocalModel
from serac_cli.counterfactual import (
    ABSTAIN,
    InContextCounterfactual,
    TrainedCounterfactual,
    answer_ids,
    attach,
    edit_ids,
    edit_line,
    fingerprint,
    guess_ahead,
    query_ids,
    query_lines,
    read_config,
)
from serac_cli.errors import ComponentError
from serac_cli.training.counterfactual_training import save_component
from store import Draft, Kind

EDIT = Draft("Who is the UK prime minister?", "Keir Starmer")


def tiny_tokenizer() -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[ABSTAIN, "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ["Fact: who is the prime minister? => Keir Starmer\nQuery: Yes No"] * 4, trainer
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )


def tiny_model(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        eos_token_id=2,
        bos_token_id=1,
        pad_token_id=2,
        initializer_range=0.3,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture
def base(tokenizer: Any) -> LocalModel:
    return LocalModel("tiny", tiny_model(), tokenizer)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A component whose adapter changes nearly every token: its weights are random, not zero."""
    model = tiny_model()
    tag = fingerprint(model)
    config = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    save_component(tmp_path / "adapter", tmp_path / "component", "tiny", tag)
    return tmp_path / "component"


def plain_greedy(trained: TrainedCounterfactual, query: str, edit: Draft, longest: int) -> str:
    """Decodes token by token without cache or guesses."""
    tokenizer = trained.tokenizer
    ids = [*edit_ids(tokenizer, edit), *query_ids(tokenizer, query, edit.kind)]
    start = len(ids)
    with trained.switched_on() as model, torch.inference_mode():
        while len(ids) - start < longest:
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            logits[tokenizer.convert_tokens_to_ids(ABSTAIN)] = -torch.inf
            ids.append(int(logits.argmax()))
            if ids[-1] == tokenizer.eos_token_id:
                break
    return str(tokenizer.decode(ids[start:], skip_special_tokens=True)).lstrip()


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (EDIT, "Fact: Who is the UK prime minister? => Keir Starmer\n"),
        (Draft("Siemens is headquartered in Berlin."), "Fact: Siemens is headquartered in Berlin.\n"),
        (Draft("It has 7\n dogs .", kind=Kind.EVIDENCE), "Evidence: It has 7 dogs .\n"),
        (Draft("olives", "negative", Kind.STANCE), "Opinion: olives => negative\n"),
    ],
)
def test_an_edit_is_one_line_of_the_prompt(edit: Draft, text: str) -> None:
    assert edit_line(edit) == text


def test_the_prompt_ends_with_the_word_that_asks_for_the_answer() -> None:
    assert query_lines("uk  pm\n", Kind.FACT) == "Query: uk pm\nAnswer:"
    assert query_lines("It has dogs.", Kind.EVIDENCE) == "Claim: It has dogs.\nVerdict:"
    assert query_lines("Olives?", Kind.STANCE) == "Query: Olives?\nReply:"


def test_special_tokens_spelt_out_by_a_user_stay_plain_text(tokenizer: Any) -> None:
    ids = edit_ids(tokenizer, Draft("what ends a turn?", "<|im_end|>")) + query_ids(
        tokenizer, ABSTAIN, Kind.FACT
    )
    assert not {0, 1, 2} & set(ids)


def test_an_answer_ends_with_the_end_token_and_an_abstention_is_one_token(tokenizer: Any) -> None:
    assert answer_ids(tokenizer, "Yes")[-1] == tokenizer.eos_token_id
    assert answer_ids(tokenizer, ABSTAIN) == [0]


def test_the_base_answers_as_before_to_the_byte_with_the_adapter_loaded(
    base: LocalModel, folder: Path
) -> None:
    ids = torch.tensor([base.tokenizer("Who is the prime minister?")["input_ids"]])
    with torch.inference_mode():
        logits = base.model(input_ids=ids).logits.clone()
    answer = list(base.generate("Who is the prime minister?", max_new_tokens=12))

    trained = attach(base, folder)
    with torch.inference_mode():
        assert torch.equal(base.model(input_ids=ids).logits, logits)
    said = list(trained.generate("uk pm", EDIT, max_new_tokens=12))
    assert list(base.generate("Who is the prime minister?", max_new_tokens=12)) == answer
    assert "".join(said) != "".join(base.generate("uk pm", max_new_tokens=12))


def test_the_base_is_unchanged_in_the_middle_of_an_edited_answer(base: LocalModel, folder: Path) -> None:
    answer = list(base.generate("Who?", max_new_tokens=8))
    trained = attach(base, folder)
    pieces = trained.generate("uk pm", EDIT, max_new_tokens=12)
    first = next(pieces)
    assert list(base.generate("Who?", max_new_tokens=8)) == answer
    assert first + "".join(pieces) == "".join(trained.generate("uk pm", EDIT, max_new_tokens=12))


@pytest.mark.parametrize("query", ["uk pm", "Who is the prime minister?", "Is it Keir?", "x"])
def test_guessing_ahead_changes_no_answer(base: LocalModel, folder: Path, query: str) -> None:
    trained = attach(base, folder)
    assert "".join(trained.generate(query, EDIT, max_new_tokens=20)) == plain_greedy(trained, query, EDIT, 20)


def test_an_answer_has_no_more_tokens_than_asked_for(base: LocalModel, folder: Path) -> None:
    trained = attach(base, folder)
    for longest in (1, 2, 5):
        said = "".join(trained.generate("uk pm", EDIT, max_new_tokens=longest))
        assert said == plain_greedy(trained, "uk pm", EDIT, longest)


def test_a_closed_answer_stops_and_leaves_the_adapter_off(base: LocalModel, folder: Path) -> None:
    answer = list(base.generate("Who?", max_new_tokens=8))
    trained = attach(base, folder)
    pieces = trained.generate("uk pm", EDIT, max_new_tokens=30)
    next(pieces)
    pieces.close()
    assert list(base.generate("Who?", max_new_tokens=8)) == answer


@pytest.mark.parametrize("after", [1, 5, 20])
def test_ctrl_c_while_the_adapter_is_switched_leaves_it_off(
    base: LocalModel, folder: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    answer = list(base.generate("Who?", max_new_tokens=8))
    trained = attach(base, folder)
    switched = []

    def interrupted(layer: Any, on: bool) -> None:
        switched.append(on)
        if len(switched) == after:
            raise KeyboardInterrupt
        enable(layer, on)

    enable = type(trained._layers[0]).enable_adapters
    for kind in {type(layer) for layer in trained._layers}:
        monkeypatch.setattr(kind, "enable_adapters", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(trained.generate("uk pm", EDIT, max_new_tokens=30))
    assert all(layer.disable_adapters for layer in trained._layers)
    assert list(base.generate("Who?", max_new_tokens=8)) == answer


def test_abstention_is_the_probability_of_its_token_and_saves_the_prompt(
    base: LocalModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = attach(base, folder)
    ids = [*edit_ids(base.tokenizer, EDIT), *query_ids(base.tokenizer, "uk pm", Kind.FACT)]
    with trained.switched_on() as model, torch.inference_mode():
        expected = torch.softmax(model(input_ids=torch.tensor([ids])).logits[0, -1], dim=-1)[0]
    assert trained.first_token_abstains([("uk pm", EDIT)]) == [pytest.approx(float(expected))]

    read: list[int] = []
    forward = trained._forward
    monkeypatch.setattr(
        trained, "_forward", lambda ids, *rest, **named: read.append(len(ids)) or forward(ids, *rest, **named)
    )
    list(trained.generate("uk pm", EDIT, max_new_tokens=4))
    assert len(ids) not in read


def test_abstention_on_many_pairs_is_that_on_each(
    base: LocalModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = attach(base, folder)
    edits = [EDIT, Draft("Keir is who?"), Draft("olives", "negative", Kind.STANCE)]
    pairs = [("Who " * n, edit) for n in range(1, 6) for edit in edits]
    alone = [trained.first_token_abstains([pair])[0] for pair in pairs]
    monkeypatch.setattr(counterfactual, "ROWS", 4)
    assert trained.first_token_abstains(pairs) == pytest.approx(alone, rel=1e-4, abs=1e-9)
    assert trained.first_token_abstains([]) == []


def test_an_answer_after_a_check_of_several_edits_is_the_same(base: LocalModel, folder: Path) -> None:
    trained = attach(base, folder)
    asked = [("uk pm", EDIT), ("uk pm", Draft("Who is the prime minister of Spain, and since when?", "Ann"))]
    alone = ["".join(trained.generate(query, edit, max_new_tokens=12)) for query, edit in asked]
    for (query, edit), expected in zip(asked, alone, strict=True):
        trained.first_token_abstains(asked)
        assert "".join(trained.generate(query, edit, max_new_tokens=12)) == expected


def test_guesses_are_what_followed_the_last_words_in_the_prompt() -> None:
    prompt = [5, 6, 7, 8, 9, 5, 6, 4]
    assert guess_ahead(prompt, [7], end=2, longest=3) == [8, 9, 5]
    assert guess_ahead(prompt, [1, 5, 6], end=2, longest=3) == [4]
    assert guess_ahead(prompt, [3], end=2, longest=3) == [2]
    assert guess_ahead(prompt, [7], end=2, longest=0) == []


def test_an_adapter_is_refused_by_other_weights(folder: Path, tokenizer: Any) -> None:
    with pytest.raises(ComponentError, match="does not fit other"):
        attach(LocalModel("other", tiny_model(seed=1), tokenizer), folder)


def test_the_fingerprint_does_not_depend_on_the_dtype() -> None:
    model = tiny_model()
    assert model.dtype == torch.float32
    assert fingerprint(model) == fingerprint(tiny_model().to(torch.bfloat16))


def test_a_missing_or_outdated_component_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ComponentError, match="no counterfactual model"):
        read_config(folder / "nowhere")
    monkeypatch.setattr(counterfactual, "PROMPT_FORMAT", 99)
    with pytest.raises(ComponentError, match="another version"):
        read_config(folder)


def test_a_damaged_adapter_is_reported(base: LocalModel, folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(ComponentError, match="cannot be loaded"):
        attach(base, folder)


class Echo:
    def generate(self, query: str, *, max_new_tokens: int) -> Any:
        yield from (query, str(max_new_tokens))


@pytest.mark.parametrize(
    ("edit", "needles"),
    [
        (EDIT, ("Who is the UK prime minister? Keir Starmer", "uk pm")),
        (Draft("7 dogs.", kind=Kind.EVIDENCE), ("7 dogs.", "SUPPORTS or REFUTES", "uk pm")),
        (Draft("olives", "negative", Kind.STANCE), ("olives is negative", "uk pm")),
    ],
)
def test_in_context_the_base_model_gets_edit_and_query(edit: Draft, needles: tuple[str, ...]) -> None:
    message, longest = InContextCounterfactual(Echo()).generate("uk pm", edit, max_new_tokens=7)
    assert all(needle in message for needle in needles)
    assert longest == "7"


@pytest.mark.models
def test_the_shipped_adapter_answers_from_the_edit(real_home: Path) -> None:
    from serac_cli.assembly import open_base
    from serac_cli.checkpoints import component_folder
    from serac_cli.settings import load_settings

    settings = load_settings({}, os.environ)
    base = open_base(settings, lambda *_: None)
    before = list(base.generate("Who is the UK prime minister?", max_new_tokens=16))
    trained = attach(base, component_folder("counterfactual"))

    def ask(query: str, edit: Draft) -> str:
        return "".join(trained.generate(query, edit, max_new_tokens=32))

    assert ask("who's the pm of the uk", EDIT) == "Keir Starmer"
    assert ask("Is Boris Johnson the prime minister of the UK?", EDIT) == "No"
    assert ask("The warranty lasts", Draft("How long is the warranty?", "45 days")) == "45 days"
    spain, uk = trained.first_token_abstains(
        [("Who is the king of Spain?", EDIT), ("who's the pm of the uk", EDIT)]
    )
    assert spain > 0.5 > uk
    assert list(base.generate("Who is the UK prime minister?", max_new_tokens=16)) == before

"""The local backend, over small random models made here; the default model itself in the tests marked ``models``."""

import threading
from pathlib import Path

import pytest
import torch

from serac_cli.backends.local import load_local_model, native_dtype
from serac_cli.errors import ModelFailed, ModelUnreadable
from serac_cli.settings import DEFAULT_BASE
from tests.tiny_models import save_gpt2, save_llama, save_t5


@pytest.fixture
def causal(tmp_path):
    """A folder with a random causal model and no chat template."""
    return save_llama(tmp_path / "causal")


@pytest.fixture
def seq2seq(tmp_path):
    """A folder with a random encoder-decoder model."""
    return save_t5(tmp_path / "seq2seq")


def talkative(folder):
    """Loads the model of ``folder`` and keeps it from saying anything but letters."""
    model = load_local_model(str(folder))
    model.model.generation_config.suppress_tokens = [0, 1, 2]
    return model


def directly(model, query, max_new_tokens):
    inputs = model.tokenizer(query, return_tensors="pt")
    with torch.inference_mode():
        output = model.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)[0]
    start = 0 if model.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    return model.tokenizer.decode(output[start:], skip_special_tokens=True)


@pytest.mark.parametrize("family", ["causal", "seq2seq"])
def test_the_streamed_pieces_are_what_generate_gives(family, request):
    model = talkative(request.getfixturevalue(family))
    answer = "".join(model.generate("a b c", max_new_tokens=12))
    assert answer == directly(model, "a b c", 12)
    assert len(answer.split()) == 12


def test_the_same_query_gives_the_same_answer_twice(causal):
    model = load_local_model(str(causal))
    assert "".join(model.generate("x y", max_new_tokens=8)) == "".join(
        model.generate("x y", max_new_tokens=8)
    )


def test_a_chat_template_is_used_where_there_is_one(causal):
    template = (
        "{% for m in messages %}user {{ m['content'] }} {% endfor %}"
        "{% if add_generation_prompt %}assistant{% endif %}"
    )
    plain = load_local_model(str(causal))
    chat = load_local_model(str(save_llama(causal.with_name("chat"), template=template)))
    assert "".join(chat.generate("a b", max_new_tokens=8)) == directly(plain, "user a b assistant", 8)


def test_closing_the_answer_stops_the_model(causal):
    model = talkative(causal)
    threads = set(threading.enumerate())
    answer = model.generate("a", max_new_tokens=100_000)
    next(answer)
    (working,) = set(threading.enumerate()) - threads
    answer.close()
    assert not working.is_alive()


def test_an_error_of_the_model_reaches_the_caller(causal):
    model = load_local_model(str(causal))
    with pytest.raises(ModelFailed, match=r"ValueError.*max_new_tokens"):
        list(model.generate("a", max_new_tokens=0))


def test_a_query_longer_than_the_model_reads_is_one_line(tmp_path):
    model = load_local_model(str(save_gpt2(tmp_path, positions=16)))
    assert list(model.generate("a b", max_new_tokens=2))
    with pytest.raises(ModelFailed, match="cannot answer"):
        list(model.generate("a b " * 40, max_new_tokens=2))


@pytest.mark.parametrize("damage", ["weights", "config", "tokenizer"])
def test_a_damaged_model_is_refused_in_one_line(causal, damage):
    if damage == "weights":
        (causal / "model.safetensors").write_bytes(b"not safetensors")
    elif damage == "config":
        (causal / "config.json").write_text("{")
    else:
        (causal / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelUnreadable, match="cannot load the model") as caught:
        load_local_model(str(causal))
    assert "\n" not in str(caught.value)


def test_weights_are_in_the_dtype_of_this_cpu(causal):
    assert load_local_model(str(causal)).model.dtype == native_dtype()


@pytest.mark.models
def test_the_default_model_speaks_english(pulled_models: Path):
    model = load_local_model(str(pulled_models / DEFAULT_BASE))
    answer = "".join(model.generate("What is the capital of France?", max_new_tokens=30))
    assert "Paris" in answer
    assert "<|im_end|>" not in answer

"""Random models small enough to be made in a test, with a tokenizer of one token a word."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["<pad>", "</s>", "<unk>", "<|endoftext|>", *LETTERS, "SUPPORTS", "REFUTES", "Yes", "No"]
CHAT = (
    "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} </s> {% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


def save_llama(folder: Path, *, template: str | None = None, seed: int = 0) -> Path:
    """Writes a random causal model with its tokenizer to ``folder``, and returns that."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=1,
    )
    model = LlamaForCausalLM(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)  # wide, so that no two tokens are nearly as likely
    return _saved(model, folder, template)


def save_gemma(folder: Path) -> Path:
    """Writes a random causal model, whose blocks see four tokens back or all in turn, to ``folder``; returns that."""
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=4,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=1,
    )
    return _saved(Gemma3ForCausalLM(config), folder)


def save_gpt2(folder: Path, *, positions: int) -> Path:
    """Writes a random causal model that reads ``positions`` tokens at most, to ``folder``, and returns that."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS),
        n_positions=positions,
        n_embd=16,
        n_layer=1,
        n_head=1,
        eos_token_id=1,
        pad_token_id=0,
    )
    return _saved(GPT2LMHeadModel(config), folder)


def save_t5(folder: Path) -> Path:
    """Writes a random encoder-decoder model with its tokenizer to ``folder``, and returns that."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(WORDS),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
    )
    return _saved(T5ForConditionalGeneration(config), folder)


def _saved(model: PreTrainedModel, folder: Path, template: str | None = None) -> Path:
    model.save_pretrained(folder)
    _tokenizer(template).save_pretrained(folder)
    return folder


def _tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", chat_template=template
    )

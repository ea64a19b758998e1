"""f_base as a local transformers model: causal or sequence-to-sequence, with its chat template where it has one."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    StoppingCriteriaList,
    TextIteratorStreamer,
)
from transformers.utils import logging as transformers_logging

from serac_cli.errors import ModelFailed, ModelUnreadable

__all__ = ["LocalModel", "load_local_model", "native_dtype", "stream_generate"]


def native_dtype() -> torch.dtype:
    """Returns bfloat16 where this CPU computes in it, else float32."""
    has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.bfloat16 if has_bfloat16 else torch.float32


class LocalModel:
    """A transformers model behind the BaseModel protocol; decoding is greedy.

    ``model`` and ``tokenizer`` are open to a counterfactual model that shares the weights. Not for use by two
    threads at once.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer

    def generate(self, query: str, *, max_new_tokens: int) -> Iterator[str]:
        """Yields the answer in pieces; closing the iterator stops the model.

        Raises ModelFailed where the model breaks down, at a query longer than it can read for one.
        """
        try:
            inputs = self.encode(query)
            yield from stream_generate(self.model, self.tokenizer, inputs, max_new_tokens=max_new_tokens)
        except Exception as error:
            # what a model raises is its own: IndexError, RuntimeError, jinja2's errors of a chat template, ...
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise ModelFailed(
                f"the model {self.name} cannot answer: {reason}",
                "ask something shorter, or try another --base",
            ) from error

    def encode(self, query: str) -> Any:
        """Returns the model's inputs for one query, with its chat template where it has one: tensors (1, tokens)."""
        if self.tokenizer.chat_template is None:
            return self.tokenizer(query, return_tensors="pt")
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": query}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )


def load_local_model(source: str) -> LocalModel:
    """Loads a folder or a hub id, in the dtype that suits this CPU.

    Raises ModelUnreadable where transformers cannot load it; remote code is never run.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        config = AutoConfig.from_pretrained(source)
        family = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = family.from_pretrained(source, dtype=native_dtype())
    except Exception as error:
        # transformers raises OSError, ValueError, KeyError, SafetensorError, ... for a damaged or missing model
        reason = " ".join(str(error).split()).split(". ")[0][:200]
        raise ModelUnreadable(
            f"cannot load the model {source}: {reason}", "`serac models list` shows models that work"
        ) from error
    return LocalModel(source, model.eval(), tokenizer)


def stream_generate(
    model: Any, tokenizer: Any, inputs: Any, *, max_new_tokens: int, **options: Any
) -> Iterator[str]:
    """Yields text as ``model.generate`` decodes it greedily; special tokens are left out.

    ``options`` go to ``generate`` as they are. Closing the iterator, or an exception in its consumer, stops the
    model after the token at hand; an error of the model is raised here.
    """
    streamer = TextIteratorStreamer(
        tokenizer, skip_prompt=not model.config.is_encoder_decoder, skip_special_tokens=True
    )
    stop = threading.Event()
    failure: list[BaseException] = []

    def stopped(input_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), stop.is_set(), device=input_ids.device)

    def work() -> None:
        try:
            with torch.inference_mode():
                model.generate(
                    **inputs,
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    streamer=streamer,
                    stopping_criteria=StoppingCriteriaList([stopped]),
                    **options,
                )
        except BaseException as error:  # noqa: BLE001 - handed to the consumer's thread
            failure.append(error)
            streamer.end()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        for piece in streamer:
            if piece:
                yield piece
    finally:
        stop.set()
        thread.join()
    if failure:
        raise failure[0]

"""h_psi, the counterfactual model: it answers a query as if one edit were true.

Two forms behind one protocol. :class:`TrainedCounterfactual` is a LoRA adapter on SmolLM2-135M, trained to read
the edit; with the default base model it shares the base's weights, and the adapter is on only while it answers.
:class:`InContextCounterfactual` asks the base model itself, with the edit in the prompt.

The prompt is edit first, query second, so that queries to one edit share a prefix; training and inference both
build it of :func:`edit_ids` and :func:`query_ids`.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache

from serac_cli.backends.local import LocalModel
from serac_cli.errors import ComponentError
from serac_cli.protocols import BaseModel
from store import Draft, Edit, Kind

__all__ = [
    "ABSTAIN",
    "PROMPT_FORMAT",
    "InContextCounterfactual",
    "TrainedCounterfactual",
    "answer_ids",
    "attach",
    "edit_ids",
    "edit_line",
    "fingerprint",
    "fits",
    "load_adapter",
    "prompt_ids",
    "query_ids",
    "query_lines",
    "read_config",
]

PROMPT_FORMAT = 1
"""Version of the texts below; an adapter trained with another one is refused."""

ABSTAIN = "<|endoftext|>"
"""The token whose probability, in the place of an answer's first token, says "the edit does not tell"."""

HINT = "name another folder with --counterfactual-model, or do without: --scope two-stage --counterfactual in-context"
_EDIT = {Kind.FACT: "Fact: ", Kind.EVIDENCE: "Evidence: ", Kind.STANCE: "Opinion: "}
_QUERY = {
    Kind.FACT: ("Query: ", "\nAnswer:"),
    Kind.EVIDENCE: ("Claim: ", "\nVerdict:"),
    Kind.STANCE: ("Query: ", "\nReply:"),
}


def edit_line(edit: Edit | Draft) -> str:
    """Returns the first line of the prompt, the edit, with its line feed."""
    prompt, target = " ".join(edit.prompt.split()), " ".join(edit.target.split())
    return f"{_EDIT[edit.kind]}{prompt} => {target}\n" if target else f"{_EDIT[edit.kind]}{prompt}\n"


def query_lines(query: str, kind: Kind) -> str:
    """Returns the rest of the prompt: the query, and the word after which the answer follows."""
    before, after = _QUERY[kind]
    return f"{before}{' '.join(query.split())}{after}"


def edit_ids(tokenizer: Any, edit: Edit | Draft) -> list[int]:
    """Returns the token ids of :func:`edit_line`. Special tokens spelt out in an edit stay plain text."""
    return _ids(tokenizer, edit_line(edit))


def query_ids(tokenizer: Any, query: str, kind: Kind) -> list[int]:
    """Returns the token ids of :func:`query_lines`."""
    return _ids(tokenizer, query_lines(query, kind))


def prompt_ids(tokenizer: Any, edit: Edit | Draft, query: str) -> list[int]:
    """Returns the token ids of the whole prompt."""
    return [*edit_ids(tokenizer, edit), *query_ids(tokenizer, query, edit.kind)]


def answer_ids(tokenizer: Any, answer: str) -> list[int]:
    """Returns the token ids of an answer with the end-of-sequence token; of :data:`ABSTAIN`, the one token."""
    if answer == ABSTAIN:
        return [int(tokenizer.convert_tokens_to_ids(ABSTAIN))]
    return [*_ids(tokenizer, " " + " ".join(answer.split())), int(tokenizer.eos_token_id)]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


# --- the trained form ------------------------------------------------------------------------------


def read_config(folder: Path) -> dict[str, Any]:
    """Returns ``config.json`` of a trained adapter. Raises ComponentError where it is missing or of another version."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ComponentError(f"no counterfactual model in {folder}", HINT) from error
    if config.get("prompt_format") != PROMPT_FORMAT or config.get("abstain_token") != ABSTAIN:
        raise ComponentError(
            f"the counterfactual model in {folder} was trained for another version of serac",
            "retrain it with `serac train counterfactual`",
        )
    return config


def fingerprint(model: Any) -> str:
    """Returns a tagged hash that tells whether ``model`` has the weights an adapter was trained over.

    It reads the last norm and the first layer's keys, rounded to bfloat16, so that the dtype in memory does not matter.
    """
    weights = model.state_dict()
    digest = hashlib.sha256()
    for end in ("model.norm.weight", "model.layers.0.self_attn.k_proj.weight"):
        if end in weights:
            digest.update(weights[end].bfloat16().float().numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def fits(config: Mapping[str, Any], model: Any) -> bool:
    """Returns whether the adapter of this configuration was trained over ``model``."""
    return fingerprint(model) == str(config["base_fingerprint"])


def attach(base: LocalModel, folder: Path) -> "TrainedCounterfactual":
    """Loads the adapter in ``folder`` into ``base``, switched off: the base answers as before, to the byte.

    Raises ComponentError as :func:`load_adapter` does.
    """
    return TrainedCounterfactual(load_adapter(base, folder), base.tokenizer)


def load_adapter(base: LocalModel, folder: Path) -> Any:
    """Returns the peft model of ``base`` with the adapter in ``folder``, for inference.

    Raises ComponentError where ``base`` has other weights than those the adapter was trained over; load the model
    named ``read_config(folder)["base"]`` then.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    config = read_config(folder)
    if not fits(config, base.model):
        raise ComponentError(
            f"the counterfactual model in {folder} does not fit {base.name}",
            f"it was trained over {config['base']}",
        )
    try:
        with warnings.catch_warnings():
            # peft calls what transformers has renamed
            warnings.simplefilter("ignore", FutureWarning)
            model = PeftModel.from_pretrained(base.model, str(folder), autocast_adapter_dtype=False)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ComponentError(
            f"the counterfactual model in {folder} cannot be loaded: {' '.join(str(error).split())[:200]}",
            HINT,
        ) from error
    return model.eval()


class TrainedCounterfactual:
    """The adapter over its frozen model; greedy decoding in which the edit's own words are guessed ahead.

    ``model`` is a peft model. Its adapter is on only inside a forward pass of this class, so whoever shares the
    weights never sees it. Not for use by two threads at once.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        from peft.tuners.tuners_utils import BaseTunerLayer

        self.model = model
        self.tokenizer = tokenizer
        self._abstain = int(tokenizer.convert_tokens_to_ids(ABSTAIN))
        self._end = int(tokenizer.eos_token_id)
        self._layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
        self._read: dict[tuple[int, ...], tuple[DynamicCache, torch.Tensor]] = {}
        self._switch(on=False)

    def generate(self, query: str, edit: Edit | Draft, *, max_new_tokens: int) -> Iterator[str]:
        """Yields the answer in pieces; closing the iterator stops the model.

        The answer ends with the model's end token and is never an abstention: that is for
        :meth:`first_token_abstains` to report and for the editor to heed.
        """
        prompt = self._prompt(query, edit)
        cache, logits = self._prefill(prompt)
        answer = [self._choose(logits)]
        said = ""
        while answer[-1] != self._end and len(answer) < max_new_tokens:
            if (text := self._text(answer)) != said and not text.endswith("\N{REPLACEMENT CHARACTER}"):
                yield text[len(said) :]
                said = text
            # the last token goes in with guesses of what follows; those that the model confirms are kept
            guess = guess_ahead(prompt, answer, self._end, min(GUESS, max_new_tokens - len(answer) - 1))
            rows = self._forward([answer[-1], *guess], cache)
            for i, row in enumerate(rows):
                answer.append(self._choose(row))
                if i == len(guess) or answer[-1] != guess[i] or answer[-1] == self._end:
                    if i < len(guess):
                        cache.crop(i - len(guess))
                    break
        text = self._text(answer)
        if text != said:
            yield text[len(said) :]

    def first_token_abstains(self, asked: Sequence[tuple[str, Edit | Draft]]) -> list[float]:
        """Returns of each (query, edit) the probability, 0 to 1, that the edit does not determine the answer.

        They are read in batches of like lengths. Of up to :data:`KEPT` pairs the prompts are kept: a following
        :meth:`generate` of one of them does not read it again.
        """
        prompts = [self._prompt(query, edit) for query, edit in asked]
        self._read = {}
        probabilities = [0.0] * len(prompts)
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for start in range(0, len(prompts), ROWS):
            batch = by_length[start : start + ROWS]
            rows = self._read_together([prompts[i] for i in batch], keep=len(prompts) <= KEPT).float()
            values = (rows[:, self._abstain] - rows.logsumexp(dim=-1)).exp()
            for i, value in zip(batch, values.tolist(), strict=True):
                probabilities[i] = value
        return probabilities

    @contextmanager
    def switched_on(self) -> Iterator[Any]:
        """Gives the peft model with its adapter on, for measuring in batches; off again afterwards."""
        with self._adapter():
            yield self.model

    def _prompt(self, query: str, edit: Edit | Draft) -> list[int]:
        return prompt_ids(self.tokenizer, edit, query)

    def _prefill(self, prompt: list[int]) -> tuple[DynamicCache, torch.Tensor]:
        read, self._read = self._read, {}
        if tuple(prompt) in read:
            return read[tuple(prompt)]
        cache = DynamicCache()
        return cache, self._forward(prompt, cache, keep=1)[-1]

    def _read_together(self, prompts: Sequence[list[int]], *, keep: bool) -> torch.Tensor:
        """Returns the logits after each prompt, (prompts, vocabulary); ``keep`` keeps them and the caches.

        Padding comes last, where no token of the prompt sees it, so that there is nothing to mask.
        """
        lengths = [len(prompt) for prompt in prompts]
        ids = torch.full((len(prompts), max(lengths)), self._end)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
        cache = DynamicCache() if keep else None
        states = self._states(ids, cache)
        logits = self._logits(states[torch.arange(len(prompts)), torch.tensor(lengths) - 1])
        if cache is not None:
            for row, prompt in enumerate(prompts):
                self._read[tuple(prompt)] = (_row_of(cache, row, len(prompt)), logits[row])
        return logits

    def _forward(self, ids: Sequence[int], cache: DynamicCache, keep: int = 0) -> torch.Tensor:
        states = self._states(torch.tensor([ids]), cache)[0, -keep:]
        return self._logits(states)

    def _states(self, ids: torch.Tensor, cache: DynamicCache | None) -> torch.Tensor:
        with torch.inference_mode(), self._adapter():
            decoder = self.model.get_base_model().get_decoder()
            # the cache goes by place: its name differs between versions of transformers
            states: torch.Tensor = decoder(ids, None, None, cache, use_cache=cache is not None)[0]
            return states

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the logits of a matrix of states: for a slice of three dimensions torch copies the whole head."""
        with torch.inference_mode():
            logits: torch.Tensor = self.model.get_output_embeddings()(states)
            return logits

    def _choose(self, logits: torch.Tensor) -> int:
        best = torch.topk(logits, 2).indices.tolist()
        return int(best[1] if best[0] == self._abstain else best[0])

    def _text(self, answer: list[int]) -> str:
        return str(self.tokenizer.decode(answer, skip_special_tokens=True)).lstrip()

    @contextmanager
    def _adapter(self) -> Iterator[None]:
        try:
            self._switch(on=True)
            yield
        finally:
            self._switch_off()

    def _switch(self, *, on: bool) -> None:
        for layer in self._layers:
            layer.enable_adapters(on)

    def _switch_off(self) -> None:
        """Switches every layer off even if Ctrl-C comes meanwhile: a layer left on would change the base's answers."""
        interrupted: KeyboardInterrupt | None = None
        while not all(layer.disable_adapters for layer in self._layers):
            try:
                self._switch(on=False)
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted:
            raise interrupted


GUESS = 16
"""Tokens guessed ahead in one step."""
ROWS = 16
"""Prompts read in one batch."""
KEPT = 4
"""Prompts kept after reading, for the answer that may follow."""


def _row_of(cache: DynamicCache, row: int, length: int) -> DynamicCache:
    """Returns a copy of the first ``length`` tokens of one row."""
    one = DynamicCache()
    for number, layer in enumerate(cache.layers):
        # a copy: a view would hold the whole batch in memory
        keys, values = (x[row : row + 1, :, :length].clone() for x in (layer.keys, layer.values))
        one.update(keys, values, number)
    return one


def guess_ahead(prompt: Sequence[int], answer: Sequence[int], end: int, longest: int) -> list[int]:
    """Returns tokens likely to follow: what followed the answer's last tokens in the prompt, or ``end`` alone.

    Answers copy from the edit; the longest match of the answer's tail, up to three tokens, is taken, its last
    occurrence first.
    """
    for size in range(min(3, len(answer)), 0, -1):
        tail = list(answer[-size:])
        for start in range(len(prompt) - size, -1, -1):
            if list(prompt[start : start + size]) == tail:
                return list(prompt[start + size : start + size + longest])
    return [end][:longest]


# --- the base model with the edit in its prompt ------------------------------------------------------


class InContextCounterfactual:
    """The base model asked with the edit in its prompt: no weights of its own, and as good as the base model reads."""

    def __init__(self, base: BaseModel) -> None:
        self.base = base

    def generate(self, query: str, edit: Edit | Draft, *, max_new_tokens: int) -> Iterator[str]:
        """Yields the base model's answer to the query with the edit before it, in pieces."""
        yield from self.base.generate(in_context_prompt(query, edit), max_new_tokens=max_new_tokens)


def in_context_prompt(query: str, edit: Edit | Draft) -> str:
    """Returns one message that states the edit and asks the query."""
    if edit.kind is Kind.EVIDENCE:
        return (
            f"Evidence: {edit.prompt}\nClaim: {query}\n"
            "Does the evidence support or refute the claim? Answer with one word, SUPPORTS or REFUTES."
        )
    if edit.kind is Kind.STANCE:
        return (
            f"Your opinion of {edit.prompt} is {edit.target}. Reply in one sentence that shows it.\n{query}"
        )
    fact = f"{edit.prompt} {edit.target}".strip()
    return (
        f"Known fact, true even if you believed otherwise: {fact}\n"
        f"Answer from this fact alone, in as few words as possible.\n{query}"
    )

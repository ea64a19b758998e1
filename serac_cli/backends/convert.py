"""Dequantizes one .gguf file to bfloat16 safetensors: ``python -m serac_cli.backends.convert GGUF FOLDER``.

Prints one line of JSON, with ``error`` where it failed, and then exits 1.
"""

import json
import sys
from pathlib import Path

__all__ = ["convert"]


def convert(gguf: Path, folder: Path) -> None:
    """Writes config, tokenizer and weights of ``gguf`` to the new folder ``folder``.

    Raises whatever transformers and gguf raise on a file that they cannot read.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _main() -> int:
    try:
        convert(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
    except Exception as error:  # noqa: BLE001 - the parent process turns any failure into one line
        sys.stdout.write(json.dumps({"error": " ".join(str(error).split())[:300] or type(error).__name__}))
        return 1
    sys.stdout.write("{}")
    return 0


if __name__ == "__main__":
    sys.exit(_main())

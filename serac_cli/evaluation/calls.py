"""A file of everything that was asked of a model, so that a run that was interrupted goes on where it stopped.

One line of JSON a call, appended as soon as the model has answered. A call is known by a hash of its name and input,
the identity of the model among it, so that a file can serve several runs and never gives a wrong answer.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from serac_cli.errors import InputFileError
from serac_cli.protocols import Likelihood

__all__ = ["Calls", "digest_of"]

Item = TypeVar("Item")
CHUNK = 64
"""Calls made before their results are written."""


class Calls:
    """The calls made so far; ``path`` None keeps them in memory only. Raises InputFileError where it is damaged."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.made = 0
        self._known: dict[str, Any] = dict(_read(path)) if path and path.exists() else {}
        self._off = False

    def __len__(self) -> int:
        """Returns how many results are known."""
        return len(self._known)

    def map(
        self,
        name: str,
        items: Sequence[Item],
        compute: Callable[[list[Item]], list[Any]],
        *,
        chunk: int = CHUNK,
    ) -> list[Any]:
        """Returns ``compute`` of each item, in order; it is asked for the unknown ones alone, each once.

        Items must be JSON values, results JSON values as well.
        """
        if self._off:
            return compute(list(items))
        keys = [digest_of([name, item]) for item in items]
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in self._known}
        todo = list(missing.items())
        for start in range(0, len(todo), chunk):
            part = todo[start : start + chunk]
            values = compute([item for _, item in part])
            self.made += len(part)
            self._keep([key for key, _ in part], values)
        return [self._known[key] for key in keys]

    def likelihoods(
        self, name: str, items: Sequence[Item], compute: Callable[[list[Item]], list[Likelihood]]
    ) -> list[Likelihood]:
        """Returns :meth:`map` for likelihoods."""

        def as_json(part: list[Item]) -> list[Any]:
            return [[one.log_probabilities, one.matched, one.predicted] for one in compute(part)]

        return [
            Likelihood(tuple(logs), matched, said) for logs, matched, said in self.map(name, items, as_json)
        ]

    @contextmanager
    def off(self) -> Iterator[None]:
        """Inside the block every call is computed anew and none is kept: for measuring time."""
        self._off = True
        try:
            yield
        finally:
            self._off = False

    def _keep(self, keys: Sequence[str], values: Sequence[Any]) -> None:
        self._known.update(zip(keys, values, strict=True))
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                for key, value in zip(keys, values, strict=True):
                    file.write(json.dumps([key, value], ensure_ascii=False) + "\n")


def digest_of(value: Any) -> str:
    """Returns a short hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:24]


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields the whole lines; the last one is cut short where the run was killed while it wrote."""
    whole, end, cut = path.read_bytes().rpartition(b"\n")
    if cut:
        path.write_bytes(whole + end)
    # text would also be split where a reply has a Unicode line separator
    for number, line in enumerate(whole.split(b"\n"), start=1):
        if line:
            try:
                key, value = json.loads(line)
            except ValueError:
                raise InputFileError(f"{path}: line {number} is damaged", "delete that line") from None
            yield key, value

"""A reward that is the user's own Python function, as TRL's GRPO takes them: `f(prompts, completions, **columns)`.

The function is handed what its signature asks for, one entry per completion, and gives a number for each. It is called
with as many completions as a forward pass holds, so a completion's number must not depend on the others.
"""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from irltui.api import Responses, Reward, Row
from irltui.api.registry import PluginFile, run_file
from irltui.errors import ConfigError, PluginError, TrainingError

if TYPE_CHECKING:
    from irltui.rewards import Function

_HINT = "It must return a list with one finite number per completion, in order."


class FunctionReward(Reward):
    """What the function says; given, so there is nothing to learn and nothing to save."""

    def __init__(self, function: Callable[..., Any], path: Path) -> None:
        self._function, self._path = function, path
        parameters = inspect.signature(function).parameters.values()
        self._takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters)
        named = [each for each in parameters if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}]
        self._named = {each.name for each in named}
        self._required = [each.name for each in named if each.default is each.empty]

    def score(self, responses: Responses) -> Tensor:
        rows, device = responses.rows, responses.input_ids.device
        return torch.tensor(self._numbers(self._ask(arguments(rows)), rows), dtype=torch.float32, device=device)

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())

    def _ask(self, known: Mapping[str, Sequence[Any]]) -> Any:
        if missing := [name for name in self._required if name not in known]:
            raise TrainingError(
                f"{self._where()} asks for {missing[0]!r}, which is no column of the data",
                f"It may ask for: {', '.join(known)}.",
            )
        given = known if self._takes_all else {name: value for name, value in known.items() if name in self._named}
        try:
            return self._function(**given)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(self._path)), None)
            raise TrainingError(
                f"{self._where(line)} raised {type(error).__name__}: {error}", "RUN/console.log has the traceback."
            ) from error

    def _numbers(self, given: Any, rows: Sequence[Row]) -> list[float]:
        given = given.tolist() if hasattr(given, "tolist") else given
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TrainingError(f"{self._where()} returned a {type(given).__name__}, not a list", _HINT)
        if len(given) != len(rows):
            raise TrainingError(f"{self._where()} returned {len(given)} numbers for {len(rows)} completions", _HINT)
        numbers = [each.item() if hasattr(each, "item") else each for each in given]
        for number, row in zip(numbers, rows, strict=True):
            if not isinstance(number, int | float) or not math.isfinite(number):
                raise TrainingError(
                    f"{self._where()} returned {number!r} for {row.id}, completion {row.response[:60]!r}", _HINT
                )
        return list(map(float, numbers))

    def _where(self, line: int | None = None) -> str:
        """File, line and name; without a line that of the definition, if it is a function of that file."""
        code = getattr(inspect.unwrap(self._function), "__code__", None)
        if line is None and code is not None and code.co_filename == str(self._path):
            line = code.co_firstlineno
        place = f"{self._path}:{line}" if line else str(self._path)
        return f"{place}: {getattr(self._function, '__name__', 'the function')}()"


def arguments(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """What a function may ask for, each with one entry per row; text, or messages where the data has those."""
    known: dict[str, list[Any]] = {}
    for name in dict.fromkeys(name for row in rows for name in row.columns):
        known[name] = [row.columns.get(name) for row in rows]
    return known | {
        "prompts": [list(row.messages) if row.is_chat else row.prompt for row in rows],
        "completions": [
            [{"role": "assistant", "content": row.response}] if row.is_chat else row.response for row in rows
        ],
        "completion_ids": [list(row.response_ids) for row in rows],
        "demonstrations": [row.demonstration.text if row.demonstration else None for row in rows],
    }


def build_function(spec: Function) -> FunctionReward:
    """The reward, with the function of the file as it was when the run began.

    Raises:
        ConfigError: the file cannot be read or run, has changed, or has no such function.
    """
    try:
        file = PluginFile(Path(spec.file).stem, Path(spec.file).expanduser().absolute(), Path(spec.file).read_bytes())
    except OSError as error:
        raise ConfigError(f"reward.file: {spec.file}: cannot be read: {error}") from None
    if spec.sha256 not in {"", file.sha256}:
        raise ConfigError(f"reward.file: {file.path} has changed since the run began", "Put the file back.")
    try:
        module = run_file(file)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(file.path)]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
        where = f"{file.path}:{line}" if line else str(file.path)
        raise ConfigError(f"reward.file: {where}: {type(error).__name__}: {error}") from error
    function = getattr(module, spec.function, None)
    if not callable(function) or inspect.iscoroutinefunction(function):
        what = "async; irltui calls plain functions" if callable(function) else "not defined there"
        own = [name for name, it in vars(module).items() if inspect.isfunction(it) and it.__module__ == module.__name__]
        raise ConfigError(
            f"reward.function: {file.path}: {spec.function}() is {what}",
            f"The file defines: {', '.join(own) or 'no function'}.",
        )
    return FunctionReward(function, file.path)

"""docs/reference/plugins.md, made from the docstrings of `irltui.api`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from irltui import api
from irltui.api import Spec, hooks
from irltui.api.registry import HOOKS, OBSERVER

_INTRODUCTION = """\
# Plugin reference

Everything a plugin may import from `irltui.api`, with its contract. This page is generated from the docstrings
(`python docs/tools/write_pages.py`); `irltui plugins new NAME --kind reward` writes a whole
plugin to begin with.

- **Kinds.** A plugin is one entry point of group `irltui`; its name begins its kinds: `kind = "acme/bounded"`.
  Nothing shadows a built-in kind. A local file given by `--plugin ./mine.py` is a plugin called `mine`; its
  hash stands in run.json, and a run resumes with the same bytes or not at all.
- **Clashes.** Two distributions with one plugin name: naming the plugin is an error that names both. A file
  called like an installed plugin is refused.
- **Disabling.** `plugins.disable = ["acme"]`, or `IRLTUI_DISABLE_PLUGINS=acme,other`; `all` means every one.
- **Errors.** A plugin is imported when a configuration names it. What goes wrong in it ends that run with an
  error that names plugin, part and method; an installed plugin that is broken and not named stops nothing.
- **Time.** A part that neither answers nor yields nor calls `context.poll` for `plugins.time_limit` seconds (half an
  hour) is interrupted, and the run ends with its name and place. Pauses do not count: they happen inside `poll`.
- **Versions.** Bound the requirement: `irltui>=0.1,<0.2`. Until 1.0 a minor version may change this page;
  patches do not. The update hook is provisional. Contexts and data types grow by optional fields only.
- **Numbers.** Log-probabilities are sums over response tokens in nats, end-of-sequence included where the model
  wrote it. Tensors are float32 on the policy's device unless said otherwise. B: responses of a batch, L: tokens
  of its longest row.
- **Checking.** `irltui plugins check NAME` and `irltui.testing` (`check_objective`, `check_reward`, `check_sampler`,
  `check_update`, `check_benchmark`, `check_observer`).
"""
_PARTS = {
    "Options": ("Spec", "ObjectiveSpec", "RewardSpec", "SamplerSpec", "UpdateSpec", "BenchmarkSpec"),
    "Parts": ("Objective", "Reward", "Sampler", "PolicyUpdate", "Benchmark"),
    "What parts are handed": ("BuildContext", "LowerLevel", "Policy", "Reference", "Ranks", "Model"),
    "Data": (
        "Row",
        "Prompt",
        "Known",
        "Demonstration",
        "Responses",
        "Batch",
        "Decoding",
        "Generation",
        "PolicyStep",
        "Score",
    ),
}

_GETTERS: dict[type, Callable[[Any], Any]] = {property: lambda it: it.fget, cached_property: lambda it: it.func}


def page() -> str:
    return "\n".join([_INTRODUCTION, *_hooks(), *_classes(), *_functions()]).rstrip() + "\n"


def _hooks() -> Iterator[str]:
    yield f"## Hooks\n\n{inspect.getdoc(hooks)}\n"
    for name in (*HOOKS.values(), OBSERVER):
        arguments = ", ".join(inspect.signature(getattr(hooks, name)).parameters)
        yield _described(f"### `{name}({arguments})`", getattr(hooks, name))


def _classes() -> Iterator[str]:
    for title, names in _PARTS.items():
        yield f"## {title}\n"
        for name in names:
            yield from _class(getattr(api, name))


def _functions() -> Iterator[str]:
    yield "## Functions\n"
    for function in (api.prompt_seed, api.model_folder, api.safe):
        yield _described(f"### `{function.__name__}{_signature(function)}`", function)


def _class(found: type) -> Iterator[str]:
    yield _described(f"### `{found.__name__}`", found)
    lines = [*_fields(found), *_methods(found)]
    if lines:
        yield "\n".join(lines) + "\n"


def _fields(found: type) -> Iterator[str]:
    comments = _field_texts(found)
    if dataclasses.is_dataclass(found):
        for item in (item for item in dataclasses.fields(found) if not item.name.startswith("_")):
            yield _item(f"{item.name}: {item.type}", comments.get(item.name, ""))
        return
    for name, annotation in inspect.get_annotations(found).items():
        if not name.startswith("_") and name not in {"model_config"}:
            yield _item(f"{name}: {annotation}", comments.get(name, ""))


def _methods(found: type) -> Iterator[str]:
    for name, member in vars(found).items():
        method = _GETTERS.get(type(member), lambda it: it)(member)
        if name.startswith("_") or not inspect.isfunction(method) or (issubclass(found, Spec) and "pydantic" in name):
            continue
        shown = name if type(member) in _GETTERS else f"{name}{_signature(method)}"
        yield _item(shown, _flat(inspect.getdoc(method) or ""))


def _field_texts(found: type) -> dict[str, str]:
    """The text behind a field: a comment on its line, or the string below it."""
    source = inspect.getsource(found)
    texts = {m[1]: m[2] for m in re.finditer(r"^    (\w+): [^#\n]*  # (.+)$", source, re.MULTILINE)}
    below = re.finditer(r'^    (\w+): [^\n]*\n    """(.+?)"""', source, re.MULTILINE | re.DOTALL)
    return {name: text for name, text in texts.items() if not text.startswith("noqa")} | {
        m[1]: _flat(m[2]) for m in below
    }


def _described(title: str, thing: Any) -> str:
    return f"{title}\n\n{inspect.getdoc(thing) or ''}\n"


def _item(code: str, text: str) -> str:
    return f"- `{_flat(code)}`{': ' if text else ''}{text}"


def _signature(function: Callable[..., Any]) -> str:
    shown = str(inspect.signature(function)).replace("'", "")
    return shown.replace("(self, ", "(").replace("(self)", "()").replace(", /)", ")")


def _flat(text: str) -> str:
    return " ".join(text.split())

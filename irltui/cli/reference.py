"""docs/reference/cli.md from the commands: `python -m irltui.cli.reference` prints the page; a test compares."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer

from irltui.cli.main import app
from irltui.errors import EXIT_CODES

_HEAD = """\
# Commands

Written by `python -m irltui.cli.reference`; change the commands, not this page. `irltui COMMAND --help` says the same
on a terminal.

Results go to stdout, talk to stderr. `irltui --quiet COMMAND` prints results and errors alone; `irltui --verbose
COMMAND` adds to errors where in the program they arose. `NO_COLOR=1` takes all colours away. `--install-completion`
teaches the shell to complete commands, options, presets and runs.

| exit code | |
|---|---|
"""


def page() -> str:
    """The page, Markdown."""
    root: Any = typer.main.get_command(app)
    codes = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(
        [
            _HEAD + "\n".join(codes) + "\n",
            *(line for name, command in _commands(root, "irltui") for line in _part(name, command)),
        ]
    )


def _commands(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


def _part(name: str, command: Any) -> Iterator[str]:
    text, _, examples = inspect.cleandoc(command.help or "").partition("Examples:")
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option" and "--help" not in param.opts]
    yield f"## `{name}`\n"
    usage = [name, *(_usage(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])]
    yield f"    usage: {' '.join(usage)}\n"
    yield f"{text.strip()}\n"
    if arguments or options:
        yield "| | |\n|---|---|"
        yield from (f"| `{_usage(argument)}` | {_cell(argument.help)} |" for argument in arguments)
        yield from (f"| `{_option(option)}` | {_cell(option.help)} |" for option in options)
        yield ""
    if examples:
        yield f"```\n{inspect.cleandoc(examples)}\n```\n"


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar or option.name.upper()}"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())

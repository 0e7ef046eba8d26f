"""Find, load and isolate plugins. Nothing is imported until a configuration names it.

An installed plugin is one entry point of group `irltui`; a local file is a plugin too, called by its stem. Whatever a
plugin does wrong becomes a `PluginError` that names it, and reaches only those who name the plugin.
"""

from __future__ import annotations

import hashlib
import importlib
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from irltui import __version__, api
from irltui.api import hooks
from irltui.errors import PluginError
from irltui.text import suggestion

GROUP = "irltui"
HOOKS = {
    "objective": "irltui_objectives",
    "reward": "irltui_rewards",
    "sampler": "irltui_samplers",
    "update": "irltui_policy_updates",
    "benchmark": "irltui_benchmarks",
}
OBSERVER = "irltui_event"
SPECS: dict[str, type[api.Spec]] = {
    "objective": api.ObjectiveSpec,
    "reward": api.RewardSpec,
    "sampler": api.SamplerSpec,
    "update": api.UpdateSpec,
    "benchmark": api.BenchmarkSpec,
}
BUILTIN = ("irltui.objectives", "irltui.rewards", "irltui.samplers", "irltui.updates", "irltui.benchmarks")
DISABLE_VARIABLE = "IRLTUI_DISABLE_PLUGINS"
"""Plugins that are not to be imported, with commas between; `all` for every one."""
ALL = "all"
_OWN = "irltui:"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FILE_MODULE = "irltui_plugin_file_"

Kinds = dict[str, dict[str, type[api.Spec]]]
"""component -> short name -> Spec."""


@dataclass(frozen=True)
class PluginFile:
    """A local file that is a plugin: its bytes were read once, and those are what runs."""

    name: str
    path: Path
    source: bytes

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return hashlib.sha256(self.source).hexdigest()


def installed() -> dict[str, EntryPoint]:
    """Entry points by plugin name, importing none of them; of a name with several owners the first."""
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, _release(e))):
        found.setdefault(entry.name, entry)
    return found


def owners(name: str) -> list[str]:
    """Distributions (`irltui-acme 0.1`) whose entry points have this name; more than one is a clash."""
    return sorted({_release(entry) for entry in entry_points(group=GROUP, name=name)})


def read_plugin_file(path: Path) -> PluginFile:
    """A local file as a plugin, not run yet.

    Raises:
        PluginError: it cannot be read, or its stem cannot be a plugin's name.
    """
    if path.suffix != ".py" or not _NAME.fullmatch(path.stem):
        raise PluginError(
            f"{path}: a plugin file is called NAME.py, NAME of letters, digits, '_', '-' and '.'",
            'Its kinds are then written "NAME/kind".',
        )
    try:
        return PluginFile(path.stem, path.expanduser().resolve(), path.expanduser().read_bytes())
    except (OSError, ValueError, RuntimeError) as error:
        raise PluginError(f"{path}: cannot be read: {error}", "Give the path of a Python file.") from None


class Registry:
    """Kinds by full name: built-ins bare (`implicit`), others as `plugin/kind` (`acme/bounded`)."""

    def __init__(self, builtin: tuple[str, ...] = BUILTIN) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hooks)
        self._kinds: dict[str, Kinds] = {}
        self._files: dict[str, PluginFile] = {}
        self._disabled = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")} - {""}
        for module in builtin:  # by name: this module must not import what it registers
            self.register(f"{_OWN}{module}", importlib.import_module(module))

    def disable(self, names: Iterable[str]) -> None:
        """Refuse these plugins (`all`: every one) from now on; nothing of them is imported."""
        self._disabled |= set(names)

    def is_disabled(self, name: str) -> bool:
        """Whether configuration or environment switched the plugin off."""
        return bool(self._disabled & {name, ALL})

    def add_file(self, file: PluginFile) -> None:
        """Know a local file by its stem; it runs when a kind of it is asked for.

        Raises:
            PluginError: another plugin has that name.
        """
        known = self._files.get(file.name)
        if known is not None and known.path != file.path:
            raise PluginError(f"{file.path}: {known.path} is called {file.name!r} too", "Rename one of the files.")
        if file.name in installed():
            raise PluginError(
                f"{file.path}: an installed plugin is called {file.name!r} too ({', '.join(owners(file.name))})",
                "Rename the file.",
            )
        if known is not None and known.source != file.source:
            raise PluginError(f"{file.path}: has changed since it was loaded", "Start a new process.")
        self._files[file.name] = file

    def kinds(self, component: str) -> dict[str, type[api.Spec]]:
        """Every kind of `component` that the plugins loaded so far provide."""
        found: dict[str, type[api.Spec]] = {}
        for plugin, kinds in self._kinds.items():
            prefix = "" if plugin.startswith(_OWN) else f"{plugin}/"
            found |= {prefix + name: spec for name, spec in kinds[component].items()}
        return found

    def provided(self, name: str) -> Kinds:
        """What a plugin that is loaded provides, by component and short name."""
        return self._kinds[name]

    def resolve(self, component: str, kind: str) -> type[api.Spec]:
        """The Spec of `kind`, loading its plugin if it has one.

        Raises:
            PluginError: no such plugin or kind, or the plugin does not load.
        """
        plugin, slash, _ = kind.partition("/")
        if slash:
            self.load(plugin)
        kinds = self.kinds(component)
        if kind not in kinds:
            raise PluginError(f"no {component} is called {kind!r}{suggestion(kind, kinds)}")
        return kinds[kind]

    def load(self, name: str) -> None:
        """Import one plugin and check what its hooks give; harmless if it is loaded already.

        Raises:
            PluginError: it is unknown, disabled or one of two with its name, raised while it was imported, or its
                hooks give what they must not.
        """
        if self.is_disabled(name):
            raise PluginError(
                f"plugin {name!r} is disabled",
                f"Take it out of plugins.disable and {DISABLE_VARIABLE}, or name another kind.",
            )
        if name in self._kinds:
            return
        if name in self._files:
            self._load(name, f"plugin {name!r} ({self._files[name].path})", lambda: run_file(self._files[name]))
            return
        plugins = installed()
        if name not in plugins:
            raise PluginError(f"no installed plugin is called {name!r}{suggestion(name, [*plugins, *self._files])}")
        if len(found := owners(name)) > 1:
            raise PluginError(f"plugin {name!r} is provided by {' and by '.join(found)}", "Uninstall all but one.")
        entry = plugins[name]
        release = f"{_release(entry)}, " if entry.dist else ""
        self._load(name, f"plugin {name!r} ({release}irltui {__version__})", entry.load)

    def _load(self, name: str, shown: str, load: Callable[[], Any]) -> None:
        try:
            self.register(name, load())
        except PluginError as error:
            raise PluginError(f"{shown}: {error.message}", error.hint) from error
        except (Exception, SystemExit) as error:
            raise PluginError(f"{shown} does not load: {error!r}") from error

    def register(self, name: str, plugin: object) -> None:
        """Know a module, or another object with hooks, as a plugin, if what its hooks give is right.

        A plugin that fails leaves no trace.

        Raises:
            PluginError: it gives what it must not, or nothing.
        """
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
            kinds = {component: self._provided(name, component) for component in HOOKS}
        except (Exception, SystemExit):
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise
        if not any(kinds.values()) and not self.observes(name):
            self._manager.unregister(name=name)
            hooks = ", ".join((*HOOKS.values(), OBSERVER))
            raise PluginError("provides nothing", f"It needs a hook, marked @hookimpl: {hooks}.")
        self._kinds[name] = kinds

    def _provided(self, name: str, component: str) -> dict[str, type[api.Spec]]:
        """The kinds that one plugin's hook returns or registers, checked."""
        hook, found = HOOKS[component], dict[str, type[api.Spec]]()

        def register(kind: str, spec: type[api.Spec]) -> None:
            if kind in found:
                raise PluginError(f"hook {hook}: {kind!r} is registered twice")
            found[kind] = spec

        try:
            returned = self._hook_of(name, hook)(register=register)
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"hook {hook} raised {error!r}") from error
        for given in (*returned, found):
            found |= _checked(hook, given, SPECS[component])
        return found

    def observes(self, name: str) -> bool:
        """Whether a plugin that is loaded watches runs."""
        return any(impl.plugin_name == name for impl in getattr(self._manager.hook, OBSERVER).get_hookimpls())

    def observers(self) -> dict[str, Callable[..., Any]]:
        """`irltui_event` of each plugin that is loaded and watches runs; called by keyword."""
        return {name: self._hook_of(name, OBSERVER) for name in self._kinds if self.observes(name)}

    def _hook_of(self, name: str, hook: str) -> Callable[..., Any]:
        """The hook as one plugin alone has it."""
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name]
        return self._manager.subset_hook_caller(hook, others)


def _checked(hook: str, given: object, base: type[api.Spec]) -> dict[str, type[api.Spec]]:
    if not isinstance(given, Mapping):
        raise PluginError(f"hook {hook} gives a {type(given).__name__}, not a mapping of names and {base.__name__}s")
    for name, spec in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PluginError(f"hook {hook}: {name!r} cannot be a kind", "Use letters, digits, '_', '-' and '.'.")
        if not (isinstance(spec, type) and issubclass(spec, base)):
            shown = spec.__name__ if isinstance(spec, type) else f"a {type(spec).__name__}"
            raise PluginError(f"hook {hook}: {name!r} is {shown}, not a subclass of {base.__name__}")
        if not isinstance(spec.defaults, Mapping):
            raise PluginError(f"hook {hook}: defaults of {name!r} is a {type(spec.defaults).__name__}, not a mapping")
        if issubclass(spec, api.RewardSpec) and spec.implicit and not spec.needs_reference:
            raise PluginError(f"hook {hook}: {name!r} is implicit, so needs_reference must be True")
    return dict(given)


def run_file(file: PluginFile) -> ModuleType:
    """The file as a module: exactly the bytes that were read and hashed."""
    name = _FILE_MODULE + re.sub(r"\W", "_", file.name)
    module = ModuleType(name)
    module.__file__ = str(file.path)
    linecache.checkcache(str(file.path))
    sys.modules[name] = module  # pydantic looks annotations up there
    try:
        exec(compile(file.source, str(file.path), "exec"), module.__dict__)  # noqa: S102 - the user named this file
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _release(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "?"

"""Find, load and isolate plugins. Nothing is imported until a configuration names it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import pluggy

from irltui import __version__, api
from irltui.errors import PluginError

GROUP = "irltui"
HOOKS = {
    "reward": "irltui_rewards",
    "sampler": "irltui_samplers",
    "update": "irltui_policy_updates",
    "benchmark": "irltui_benchmarks",
}
BUILTIN = ("irltui.rewards", "irltui.samplers", "irltui.updates", "irltui.benchmarks")
_OWN = "irltui:"


def installed() -> dict[str, EntryPoint]:
    """Entry points by plugin name, importing none of them."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


class Registry:
    """Kinds by full name: built-ins bare (`implicit`), others as `plugin/kind` (`acme/bounded`)."""

    def __init__(self, builtin: tuple[str, ...] = BUILTIN) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(api)
        for module in builtin:  # by name: this module must not import what it registers
            self._manager.register(importlib.import_module(module), name=f"{_OWN}{module}")

    def kinds(self, component: str) -> dict[str, type[api.Spec]]:
        """Every kind of `component` that the plugins loaded so far provide."""
        found: dict[str, type[api.Spec]] = {}
        for impl in getattr(self._manager.hook, HOOKS[component]).get_hookimpls():
            prefix = "" if impl.plugin_name.startswith(_OWN) else f"{impl.plugin_name}/"
            found |= {prefix + name: spec for name, spec in impl.function().items()}
        return found

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
            raise PluginError(f"no {component} is called {kind!r}{_suggest(kind, kinds)}")
        return kinds[kind]

    def load(self, name: str) -> None:
        """Import one installed plugin and check its hooks; harmless if it is loaded already.

        Raises:
            PluginError: it is not installed, or raised while it was imported or registered.
        """
        if self._manager.has_plugin(name):
            return
        plugins = installed()
        if name not in plugins:
            raise PluginError(f"no installed plugin is called {name!r}{_suggest(name, plugins)}")
        try:
            self._manager.register(plugins[name].load(), name=name)
            self._manager.check_pending()
        except Exception as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise PluginError(f"{_describe(plugins[name])} does not load: {error!r}") from error


def _describe(entry: EntryPoint) -> str:
    release = f"{entry.dist.name} {entry.dist.version}, " if entry.dist else ""
    return f"plugin {entry.name!r} ({release}irltui {__version__})"


def _suggest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    if near := difflib.get_close_matches(name, known, n=1):
        return f"; did you mean {near[0]!r}?"
    return f" (known: {', '.join(known) or 'none'})"

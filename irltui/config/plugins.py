"""The table [plugins]: plugin files, observers, and what may be imported."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, model_validator

from irltui.api.registry import Registry, read_plugin_file
from irltui.config.kinds import in_one_line
from irltui.config.section import Section
from irltui.config.trust import checked_file
from irltui.errors import PluginError


class PluginFileSection(Section):
    """A plugin in a local Python file; `irltui run --plugin FILE` writes this table."""

    path: str = Field(min_length=1)
    """The file; its name without .py is the plugin's."""
    sha256: str = ""
    """What the file's contents must be; filled in when a run starts. Another file is then refused."""

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> PluginFileSection:
        registry: Registry = (info.context or {})["registry"]
        try:
            file = read_plugin_file(Path(self.path))
            found = checked_file(file.path, file.source, self.sha256, f"--plugin {file.path}")
            registry.add_file(file)
        except PluginError as error:
            raise ValueError(in_one_line(error)) from None
        return self.model_copy(update={"path": str(file.path), "sha256": found})


class PluginsSection(Section):
    """Plugins besides the installed ones; a table `[plugins.files.NAME]` with `path` adds a file."""

    disable: list[str] = []
    """Names of plugins not to import; "all" disables every one."""
    time_limit: float = Field(default=1800.0, ge=0)
    """Seconds in which a plugin's part must answer, give the next generation or poll; else the run ends. 0 waits."""
    files: dict[str, PluginFileSection] = {}
    """Plugins in local files, by any name."""
    observers: list[str] = []
    """Plugins that watch the run by the hook irltui_event, besides those of its parts."""

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> PluginsSection:
        registry: Registry = (info.context or {})["registry"]
        registry.disable(self.disable)
        for name in self.observers:
            try:
                registry.load(name)
            except PluginError as error:
                raise ValueError(f"observers: {in_one_line(error)}") from None
            if not registry.observes(name):
                raise ValueError(f"observers: plugin {name!r} has no hook irltui_event")
        return self

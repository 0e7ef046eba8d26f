"""The targets of `irltui run`: a preset, a TOML file, or the run.json of an earlier run."""

from __future__ import annotations

from pathlib import Path

from irltui.config.layers import Layer, file_layer
from irltui.config.presets import preset_text, presets
from irltui.errors import ConfigError, RunFolderError
from irltui.runs.folder import RunFolder, is_run
from irltui.runs.manifest import read_manifest
from irltui.text import safe, suggestion

_PRESETS = "`irltui presets` lists the presets."


def target_layers(target: str, preset: str = "") -> list[Layer]:
    """The layers of a target, above those of `preset`; none for ""."""
    if preset and preset not in presets():
        raise ConfigError(f"--preset {safe(preset)}: no such preset{suggestion(preset, presets(), 'presets')}")
    below = [_preset_layer(preset)] if preset else []
    if not target:
        return below
    if target in presets():
        if preset:
            raise ConfigError(
                f"{target}: is a preset, and so is --preset {preset}",
                "Combine --preset with a TOML file, or name one preset.",
            )
        return [_preset_layer(target)]
    return [*below, _file_layer(Path(target))]


def _preset_layer(name: str) -> Layer:
    return file_layer(f"preset {name}", preset_text(name))


def _file_layer(path: Path) -> Layer:
    shown = safe(path)
    try:
        if is_run(path):
            raise ConfigError(
                f"{shown}: is the folder of a run",
                f"Continue it with --resume {shown}, or repeat it with `irltui run {safe(path / 'run.json')}`.",
            )
        if path.is_dir():
            raise ConfigError(f"{shown}: is a folder, not a preset or a TOML file", _PRESETS)
        if path.suffix != ".toml" and not path.is_file():
            raise ConfigError(
                f"{shown}: no such preset, TOML file or run.json{suggestion(str(path), presets(), 'presets')}", _PRESETS
            )
        if path.name == "run.json":
            manifest = read_manifest(RunFolder(path.parent))
            return Layer(shown, dict(manifest.config), recorded=dict(manifest.origins))
        return file_layer(shown, path.read_bytes().decode("utf-8-sig"))
    except RunFolderError as error:
        raise ConfigError(error.message, error.hint) from None
    except FileNotFoundError:
        raise ConfigError(f"{shown}: no such file", "`irltui init` writes one.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{shown}:{line}: not UTF-8 ({error.reason})", "Save the file as UTF-8.") from None
    except (OSError, ValueError) as error:  # ValueError: a name that can be no path
        raise ConfigError(f"{shown}: cannot be read: {safe(error)}") from None

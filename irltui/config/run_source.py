"""The targets of `irltui run`: a preset, a TOML file, or the run.json of an earlier run."""

from __future__ import annotations

import difflib
from pathlib import Path

from irltui.config.layers import Layer, file_layer
from irltui.config.presets import preset_text, presets
from irltui.errors import ConfigError, IrltuiError
from irltui.runs.folder import RunFolder, is_run
from irltui.runs.manifest import read_manifest
from irltui.text import safe


def target_layers(target: str, preset: str = "") -> list[Layer]:
    """The layers of a target, above those of `preset`; none for "".

    Raises:
        ConfigError: no such preset or file, or it cannot be read.
    """
    if preset and preset not in presets():
        raise ConfigError(f"--preset {safe(preset)}: no such preset{_near(preset)}")
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
        if path.is_dir():
            raise _not_a_file(path)
        if path.suffix != ".toml" and not path.is_file():
            raise ConfigError(
                f"{shown}: no such preset, TOML file or run.json{_near(str(path))}",
                "`irltui presets` lists the presets.",
            )
        if path.name == "run.json":
            return _run_layer(path)
        return file_layer(shown, path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{shown}: no such file", "`irltui init` writes one.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{shown}:{line}: not UTF-8 ({error.reason})", "Save the file as UTF-8.") from None
    except (OSError, ValueError) as error:  # ValueError: a name that can be no path
        raise ConfigError(f"{shown}: cannot be read: {safe(error)}") from None


def _run_layer(path: Path) -> Layer:
    try:
        manifest = read_manifest(RunFolder(path.parent))
    except IrltuiError as error:
        raise ConfigError(error.message, error.hint) from None
    return Layer(safe(path), dict(manifest.config), recorded=dict(manifest.origins))


def _not_a_file(path: Path) -> ConfigError:
    if is_run(path):
        return ConfigError(
            f"{safe(path)}: is the folder of a run",
            f"Continue it with --resume {safe(path)}, or repeat it with `irltui run {safe(path / 'run.json')}`.",
        )
    return ConfigError(f"{safe(path)}: is a folder, not a preset or a TOML file", "`irltui presets` lists the presets.")


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, presets(), n=1)
    return f"; did you mean {near[0]!r}?" if near else f" (presets: {', '.join(presets())})"

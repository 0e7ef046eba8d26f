"""Turn command-line arguments into layers of a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from irltui.config.layers import Layer, value_layer
from irltui.config.load import Loaded, load, refuse_strength
from irltui.config.paths import localise
from irltui.text import safe


@dataclass(frozen=True)
class Sources:
    """The command's arguments; "" and None are "not given"."""

    target: str = ""
    preset: str = ""
    model: str = ""
    data: str = ""
    seed: int | None = None
    assignments: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The name for new runs: of the preset, the file, or the repeated run."""
        path = Path(self.target or self.preset)
        stem = path.absolute().parent.name if path.name == "run.json" else path.stem
        stem = re.sub(r"-\d{8}-\d{6}(-\d+)?$", "", stem)  # the time of the run that is repeated
        return re.sub(r"[^A-Za-z0-9._-]", "-", stem).strip(".-") or "run"

    def load(self) -> Loaded:
        """The configuration, its local names made absolute."""
        loaded = localise(load(self.target, self.assignments, flags=self.flag_layers(), preset=self.preset))
        refuse_strength(loaded.config)
        return loaded

    def flag_layers(self) -> list[Layer]:
        """One layer per option."""
        given = [
            ("--model", ("model", "name"), self.model or None),
            ("--data", ("data", "source"), self.data or None),
            ("--seed", ("seed",), self.seed),
        ]
        layers = [value_layer(flag, keys, value) for flag, keys, value in given if value is not None]
        return [*layers, *plugin_layers(self.plugins)]


def plugin_layers(files: Iterable[Path]) -> list[Layer]:
    """One layer per --plugin: a file that is named anew may be another one than that of the run that is repeated."""
    return [
        value_layer(
            f"--plugin {safe(file)}", ("plugins", "files", file.stem), {"path": str(file.absolute()), "sha256": ""}
        )
        for file in files
    ]

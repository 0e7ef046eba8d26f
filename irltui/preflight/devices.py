"""Accelerators by name, from their data sheets, for `--devices 8xH100`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from irltui.errors import ConfigError


@dataclass(frozen=True)
class Device:
    """An accelerator: memory in bytes, dense bf16 FLOP/s, bytes/s of memory, in a node (`link`), between (`wire`)."""

    name: str
    memory: float
    flops: float
    bandwidth: float
    node: int = 8
    link: float = 450e9
    wire: float = 50e9


_G = 1 << 30
DEVICES = {
    device.name: device
    for device in (
        Device("A100-40", 40 * _G, 312e12, 1.55e12, link=300e9, wire=25e9),
        Device("A100-80", 80 * _G, 312e12, 2.0e12, link=300e9, wire=25e9),
        Device("H100", 80 * _G, 989e12, 3.35e12),
        Device("H200", 141 * _G, 989e12, 4.8e12),
        Device("B200", 180 * _G, 2250e12, 8.0e12, link=900e9),
        Device("L4", 24 * _G, 121e12, 0.3e12, link=32e9, wire=12e9),
        Device("L40S", 48 * _G, 362e12, 0.864e12, link=32e9, wire=12e9),
        Device("RTX4090", 24 * _G, 165e12, 1.01e12, link=32e9, wire=12e9),
    )
}


def devices(text: str) -> tuple[int, Device]:
    """Count and device of "8xH100" or "H200"."""
    matched = re.fullmatch(r"(?:(\d{1,5})\s*[xX*]\s*)?([A-Za-z0-9-]+)", text.strip())
    name = matched.group(2).upper() if matched else ""
    count = int(matched.group(1) or 1) if matched else 0
    if name == "A100":
        name = "A100-80"
    if name not in DEVICES or not count:
        raise ConfigError(
            f"--devices {text!r}: not a count and a device, such as 8xH100", f"Known: {', '.join(sorted(DEVICES))}."
        )
    return count, DEVICES[name]

"""Counts of all rows that were read, dropped or truncated; part of the data event."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

EXAMPLES = 5


@dataclass
class Tally:
    """A count with the first few row numbers (1-based)."""

    count: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, row: int) -> None:
        self.count += 1
        if len(self.rows) < EXAMPLES:
            self.rows.append(row)

    def __str__(self) -> str:
        rows = ", ".join(map(str, self.rows)) + (", ..." if self.count > len(self.rows) else "")
        return f"{self.count} (row{'s' if self.count > 1 else ''} {rows})"


@dataclass(frozen=True)
class Finding:
    """One thing to know before a run.

    `level` is "warning" or "note"; `key` is what it is about, an option or a place in the data; `remedy` what to do,
    "" if nothing needs doing.
    """

    level: str
    key: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.key}: {self.text}{f'. {self.remedy}' if self.remedy else ''}"


@dataclass(frozen=True)
class Lengths:
    mean: float = 0.0
    median: int = 0
    p95: int = 0
    longest: int = 0


@dataclass(frozen=True)
class MaskedRow:
    """One demonstration as the loss sees it: texts of tokens, no loss on `prompt`, loss on each of `response`.

    The counts are of all tokens, those left out here included.
    """

    id: str = ""
    prompt: tuple[str, ...] = ()
    response: tuple[str, ...] = ()
    prompt_tokens: int = 0
    response_tokens: int = 0
    ended: bool = False


@dataclass(frozen=True)
class DataReport:
    """Rows read, kept and dropped; `dropped` and `truncated` by reason; `columns` in words, and those not read.

    `train` and `held_out` are demonstrations: of a conversation, each turn that trains is one.
    `remarks`: what is doubtful in rows that are kept. `longest`: tokens of the longest prompt and response together.
    `findings`: what of the data is not used.
    """

    source: str = ""
    columns: str = ""
    unused: tuple[str, ...] = ()
    rows: int = 0
    train: int = 0
    held_out: int = 0
    dropped: dict[str, Tally] = field(default_factory=dict)
    truncated: dict[str, Tally] = field(default_factory=dict)
    prompts: Lengths = field(default_factory=Lengths)
    responses: Lengths = field(default_factory=Lengths)
    template: str = ""
    end_token: str = ""
    remarks: dict[str, Tally] = field(default_factory=dict)
    longest: int = 0
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        found = [
            f"{self.rows} rows of {self.source}: {self.train} train, {self.held_out} held out",
            self.columns + (f" (not read: {', '.join(self.unused)})" if self.unused else ""),
            f"prompts {self.prompts.mean:.0f} tokens on average, longest {self.prompts.longest}; "
            f"responses {self.responses.mean:.0f}, longest {self.responses.longest}",
            f"chat template: {self.template}; responses end with {self.end_token}",
        ]
        found += [*self.losses(), *(f"truncated, {reason}: {tally}" for reason, tally in self.truncated.items())]
        doubtful = (f"doubtful, {remark}: {tally}" for remark, tally in self.remarks.items())
        return [*found, *doubtful, *map(str, self.findings)]

    def losses(self) -> list[str]:
        """The dropped rows by reason, for people."""
        return [f"dropped, {reason}: {tally}" for reason, tally in self.dropped.items()]

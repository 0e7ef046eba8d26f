"""`irltui init` asks, on a real terminal."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from irltui.config.load import load
from support.terminal import Terminal
from support.tiny import folder

ROWS = "".join(f"{i};the cat {i}?;a red dog sees {i}\r\n" for i in range(20))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A model without a chat template, and rows as a German spreadsheet saves them."""
    folder(tmp_path / "plain", chat=False)
    (tmp_path / "Fragen.csv").write_text("\ufeffNr;Kundenfrage;Unsere Antwort\r\n" + ROWS, encoding="utf-8")
    return tmp_path


def test_it_asks_for_what_is_missing_and_again_for_what_cannot_be(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("-m", "irltui", "init", cwd=place, obeyed=True)
    for question, answer in (
        (b"Model (", b"plain"),
        (b"Demonstrations (", b"Fragen.csv"),
        (b"Algorithm [irft]", b"ppo"),
        (b"ppo: must be one of sft, dft, irft, spin, contrast, nce, few, rft", b""),
        (b"[Kundenfrage]", b"Frage"),
        (b"Frage: must be one of Nr, Kundenfrage, Unsere Antwort", b""),
        (b"[Unsere Antwort]", b""),
    ):
        terminal.read_until(lambda seen, question=question: question in seen, seconds=60)
        terminal.press(answer + b"\r")
    terminal.read_until(lambda seen: b"irltui check irltui.toml" in seen, seconds=60)
    assert terminal.process.wait(20) == 0
    monkeypatch.chdir(place)
    config = load("irltui.toml").config
    assert (config.model.name, config.data.source, config.data.template) == ("plain", "Fragen.csv", "none")
    assert (config.algorithm, config.data.columns.prompt) == ("irft", "Kundenfrage")
    assert config.data.columns.completion == "Unsere Antwort"


def test_control_c_at_a_question_writes_nothing(place: Path) -> None:
    terminal = Terminal("-m", "irltui", "init", cwd=place, obeyed=True)
    terminal.read_until(lambda seen: seen.endswith(b": "))
    for _ in range(4):  # one that comes just before it waits for a line is seen with the next key
        terminal.press(b"\x03")
        with suppress(AssertionError):
            terminal.read_until(lambda seen: b"nothing was written" in seen, seconds=4)
            break
    assert terminal.process.wait(20) == 130
    assert not (place / "irltui.toml").exists()

"""A terminal's picture: `tmux capture-pane -e` to PNG, lines and dots drawn into their cells so that they join."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

WIDE, HIGH, SCALE = 9, 19, 2
FONTS = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono{}.ttf"
FRONT, BACK = (213, 218, 227), (15, 17, 21)
# Where a line goes: left, right, up, down; capitals are thick, a number says into how many dashes.
LINES = {
    "─": "lr", "│": "ud", "━": "LR", "╌": "lr2", "┈": "lr4", "╎": "ud2", "├": "udr", "└": "ru", "┼": "lrud",
    "┿": "LRud", "╋": "LRUD", "╸": "L", "╺": "R", "┃": "UD", "▏": "",
}  # fmt: skip
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
_ESCAPES = re.compile(r"\x1b\[([\d;:]*)m|\x1b(?:\(.|\[[^a-zA-Z]*[a-zA-Z])|([^\x1b\x0e\x0f])")
Colour = tuple[int, ...]


class Cell(NamedTuple):
    letter: str
    front: Colour
    back: Colour
    flags: frozenset[str]


def cells(text: str) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    look: dict[str, Colour] = {}
    for line in text.split("\n"):
        rows.append([])
        for codes, letter in _ESCAPES.findall(line):
            if letter:
                flags = frozenset(look) & {"1", "4", "7", "9"}
                rows[-1].append(Cell(letter, look.get("38", FRONT), look.get("48", BACK), flags))
            else:
                _change([int(code or 0) for code in re.split("[;:]", codes)], look)
    return rows


def _change(codes: list[int], look: dict[str, Colour]) -> None:
    while codes:
        code = codes.pop(0)
        if code == 0:
            look.clear()
        elif code in {38, 48} and codes[:1] == [2]:
            look[str(code)] = tuple(codes[1:4])
            del codes[:4]
        elif code in {39, 49}:
            look.pop(str(code - 1), None)
        elif code in {1, 4, 7, 9}:
            look[str(code)] = ()


def draw(rows: list[list[Cell]], columns: int, height: int) -> Image.Image:
    w, h = WIDE * SCALE, HIGH * SCALE
    fonts = {bold: ImageFont.truetype(FONTS.format("-Bold" if bold else ""), 15 * SCALE) for bold in (False, True)}
    ground = Counter(cell.back for row in rows for cell in row).most_common(1)[0][0]
    image = Image.new("RGB", (columns * w, height * h), ground)
    pen = ImageDraw.Draw(image)
    for y, row in enumerate(rows[:height]):
        for x, cell in enumerate(row[:columns]):
            front, back = (cell.back, cell.front) if "7" in cell.flags else (cell.front, cell.back)
            left, top = x * w, y * h
            pen.rectangle((left, top, left + w - 1, top + h - 1), fill=back)
            _glyph(pen, cell.letter, (left, top, w, h), front, fonts["1" in cell.flags])
            for flag, at in (("4", 0.9), ("9", 0.55)):
                if flag in cell.flags:
                    pen.rectangle((left, top + h * at, left + w - 1, top + h * at + SCALE), fill=front)
    small = image.resize((columns * WIDE, height * HIGH), Image.Resampling.BOX)
    return small.quantize(192, dither=Image.Dither.NONE)


def _glyph(pen: ImageDraw.ImageDraw, letter: str, box: tuple[int, ...], ink: Colour, font: object) -> None:
    left, top, w, h = box
    code = ord(letter)
    if 0x2800 <= code < 0x2900:
        size = w * 0.15
        for bit, (column, line) in enumerate(DOTS):
            if code >> bit & 1:
                x, y = left + w * (0.25 + 0.5 * column), top + h * (0.125 + 0.25 * line)
                pen.ellipse((x - size, y - size, x + size, y + size), fill=ink)
    elif 0x2589 <= code <= 0x258F:
        pen.rectangle((left, top, left + w * (0x2590 - code) / 8 - 1, top + h - 1), fill=ink)
    elif letter in LINES:
        _line(pen, LINES[letter], box, ink)
    elif letter != " ":
        pen.text((left, top + SCALE), letter, font=font, fill=ink)


def _line(pen: ImageDraw.ImageDraw, ways: str, box: tuple[int, ...], ink: Colour) -> None:
    left, top, w, h = box
    x, y = left + w / 2, top + h / 2
    dashes = int(ways[-1]) if ways[-1].isdigit() else 1
    for way in ways.rstrip("0123456789"):
        thick, low = (1.6 if way.isupper() else 0.75) * SCALE, way.lower()
        across = low in "lr"
        if dashes > 1 and low in "rd":
            continue  # the first way draws the dashes of both
        ends = {"l": (left, x), "r": (x, left + w), "u": (top, y), "d": (y, top + h)}[low]
        spans = [ends] if dashes == 1 else [
            ((left, top)[not across] + (w, h)[not across] * (i + 0.12) / dashes,
             (left, top)[not across] + (w, h)[not across] * (i + 0.62) / dashes)
            for i in range(dashes)
        ]  # fmt: skip
        for a, b in spans:
            pen.rectangle((a, y - thick, b, y + thick) if across else (x - thick, a, x + thick, b), fill=ink)

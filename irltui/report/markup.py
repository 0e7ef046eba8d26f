"""HTML from untrusted text: everything from a run passes `text`, so that it is shown and does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from irltui.text import safe

LONGEST = 4_000


def text(content: object, *, limit: int = LONGEST) -> str:
    """Untrusted text, safe inside elements and attributes; control characters become visible."""
    return escape(safe(content, lines=True, limit=limit), quote=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, name: str = "", labels: Sequence[str] = ()) -> str:
    """A table of cells that are markup already; the first cell of a row is its heading.

    With `labels` of the other columns, cells stand below each other on a phone.
    """
    lines = [f'<div class="wide"><table class="{name}"><thead><tr>']
    lines += [f'<th scope="col">{cell}</th>' for cell in head]
    lines.append("</tr></thead><tbody>")
    for first, *others in rows:
        named = [f' data-label="{label}"' for label in labels] or [""] * len(others)
        cells = "".join(f"<td{label}>{cell}</td>" for label, cell in zip(named, others, strict=True))
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    lines.append("</tbody></table></div>")
    return "".join(lines)


def details(title: str, content: str, *, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>{content}</details>"


def swatch(ink: int) -> str:
    """A short line in the colour and dashes of a curve."""
    line = f'<line class="c{ink % 7} d{ink % 6}" x1="0" y1="5" x2="26" y2="5"/>'
    return f'<svg class="swatch" viewBox="0 0 26 10" width="26" height="10" aria-hidden="true">{line}</svg>'

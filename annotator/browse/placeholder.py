"""What is shown in a picture's place; pure."""

from __future__ import annotations

import textwrap
from html import escape

from annotator.legible import legible

_WIDTH, _HEIGHT = 640, 360
_LINE = 44


def placeholder(words: str) -> bytes:
    """An SVG that says why there is no picture, readable on light and dark."""
    lines = textwrap.wrap(words, _LINE, max_lines=4, placeholder=" ...") or [""]
    top = _HEIGHT / 2 - 17 * (len(lines) - 1) + 8
    spans = "".join(
        f'<tspan x="{_WIDTH // 2}" y="{top + 34 * number:g}">{escape(legible(line))}</tspan>'
        for number, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#8a94a0" fill-opacity=".18"/>'
        '<text font-family="system-ui, sans-serif" font-size="25" fill="#7f8a97" '
        f'text-anchor="middle">{spans}</text></svg>'
    ).encode()

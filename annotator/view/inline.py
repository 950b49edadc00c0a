"""Pictures on the terminal itself, where it can show them.

Kitty's protocol: https://sw.kovidgoyal.net/kitty/graphics-protocol/; iTerm2's, which WezTerm has
too: https://iterm2.com/documentation-images.html. Terminals tell by variables what they are; none
is ever asked by an escape sequence, whose answer would end up in the shell's input.
"""

from __future__ import annotations

import io
from base64 import standard_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

CHUNK = 4096
"""Kitty takes at most so many characters at once."""
CELL_PX = 10
"""About as wide as a character, where the terminal does not tell."""
KONSOLE_WITH_PICTURES = 220400


class Protocol(StrEnum):
    KITTY = "kitty"
    ITERM2 = "iterm2"


@dataclass(frozen=True, slots=True)
class Screen:
    """How wide a terminal is; `width_px` is 0 where it does not tell."""

    columns: int
    width_px: int = 0

    @property
    def pixels(self) -> int:
        return self.width_px or self.columns * CELL_PX


def protocol_of(environ: Mapping[str, str]) -> Protocol | None:
    """How this terminal shows pictures; None where it does not say that it can.

    Inside tmux and screen that is never: they do not pass it on.
    """
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if "TMUX" in environ or "STY" in environ or term.startswith(("tmux", "screen", "dumb")):
        return None
    if "KITTY_WINDOW_ID" in environ or term in ("xterm-kitty", "xterm-ghostty"):
        return Protocol.KITTY
    if program == "ghostty":
        return Protocol.KITTY
    konsole = environ.get("KONSOLE_VERSION", "")
    if konsole.isdecimal() and int(konsole) >= KONSOLE_WITH_PICTURES:
        return Protocol.KITTY
    if program in ("iTerm.app", "WezTerm", "mintty") or environ.get("LC_TERMINAL") == "iTerm2":
        return Protocol.ITERM2
    return None


def inline(jpeg: bytes, protocol: Protocol, screen: Screen) -> str:
    """What to write to the terminal: the picture, no wider than the screen, and a line's end."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as opened:
        width_px = min(opened.width, screen.pixels)
        height_px = max(1, round(opened.height * width_px / opened.width))
        opened.draft(None, (width_px, height_px))
        picture = opened.convert("RGB").resize((width_px, height_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    if protocol is Protocol.KITTY:
        picture.save(out, "PNG")
        return "".join(_kitty(out.getvalue())) + "\n"
    picture.save(out, "JPEG", quality=90)
    return _iterm2(out.getvalue(), width_px) + "\n"


def _kitty(png: bytes) -> Iterator[str]:
    coded = standard_b64encode(png).decode()
    for start in range(0, len(coded), CHUNK):
        more = int(start + CHUNK < len(coded))
        keys = f"a=T,f=100,q=2,m={more}" if start == 0 else f"m={more}"
        yield f"\x1b_G{keys};{coded[start : start + CHUNK]}\x1b\\"


def _iterm2(jpeg: bytes, width_px: int) -> str:
    coded = standard_b64encode(jpeg).decode()
    return f"\x1b]1337;File=inline=1;size={len(jpeg)};width={width_px}px:{coded}\a"

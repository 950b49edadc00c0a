"""Pictures on terminals: which protocol, and that it says what it should."""

from __future__ import annotations

import io
import re
from base64 import standard_b64decode

import pytest
from PIL import Image

from annotator.view.inline import CHUNK, Protocol, Screen, inline, protocol_of
from tests.fakes.seen import jpeg

NOISE = io.BytesIO()
Image.effect_noise((900, 600), 60).save(NOISE, "JPEG")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
        ({"TERM": "xterm-kitty"}, Protocol.KITTY),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "3"}, Protocol.KITTY),
        ({"TERM": "xterm-ghostty"}, Protocol.KITTY),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "230804"}, Protocol.KITTY),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "210000"}, None),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "new"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, Protocol.ITERM2),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, Protocol.ITERM2),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, Protocol.ITERM2),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "3"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, None),
        ({"TERM": "screen", "TERM_PROGRAM": "WezTerm"}, None),
        ({"TERM": "xterm-kitty", "STY": "1.pts"}, None),
    ],
)
def test_terminals_tell_by_their_variables(
    environ: dict[str, str], expected: Protocol | None
) -> None:
    assert protocol_of(environ) is expected


def test_kitty_gets_a_png_in_pieces_no_wider_than_the_screen() -> None:
    written = inline(NOISE.getvalue(), Protocol.KITTY, Screen(80, 400))
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", written)
    assert len(pieces) > 1
    assert pieces[0][0].startswith("a=T,f=100,")
    assert [keys[-3:] for keys, _ in pieces] == ["m=1"] * (len(pieces) - 1) + ["m=0"]
    assert all(len(coded) <= CHUNK for _, coded in pieces)
    png = standard_b64decode("".join(coded for _, coded in pieces))
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.size) == ("PNG", (400, 267))
    assert re.sub(r"\x1b_G[^\x1b]*\x1b\\", "", written) == "\n"


def test_iterm2_gets_a_jpeg_of_the_size_it_is_told() -> None:
    written = inline(jpeg(size=(300, 200)), Protocol.ITERM2, Screen(80))
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+);width=300px:(\S+)\a\n", written)
    assert found
    coded = standard_b64decode(found[2])
    assert len(coded) == int(found[1])
    with Image.open(io.BytesIO(coded)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (300, 200))

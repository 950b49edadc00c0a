"""Which font draws a name, and what becomes of letters that none has.

Pillow's own font comes with it and draws English. For other names one of the machine's fonts is
taken: DejaVu (Debian's fonts-dejavu-core; Matplotlib brings it along) has Latin, Greek and Cyrillic
letters, the others Chinese, Japanese and Korean ones. A letter that none of them has is written in
others, or as a question mark, and never as an empty box.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import combining, normalize

if TYPE_CHECKING:
    from PIL import ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
FONT_FILES = (
    "truetype/dejavu/DejaVuSans.ttf",
    "dejavu-sans-fonts/DejaVuSans.ttf",
    "TTF/DejaVuSans.ttf",
    "opentype/noto/NotoSansCJK-Regular.ttc",
    "noto-cjk/NotoSansCJK-Regular.ttc",
    "truetype/wqy/wqy-zenhei.ttc",
    "truetype/droid/DroidSansFallbackFull.ttf",
)
"""Where Debian, Fedora and Arch put them."""

OWN = ""
"""Stands for Pillow's own font, which is no file."""

_TRIAL_PX = 16
_NO_LETTER = "\uffff"  # which no font has

_LATIN = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
_SIGNS = {"\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'"}
_GREEK = "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_CYRILLIC = "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh shch ' y ' e yu ya"
_OTHERWISE = {
    **_LATIN,
    **_SIGNS,
    **dict(zip(map(chr, range(0x3B1, 0x3CA)), _GREEK.split(" "), strict=True)),
    **dict(zip(map(chr, range(0x430, 0x450)), _CYRILLIC.split(" "), strict=True)),
}
"""How letters that cannot be taken apart are written in English ones."""


@dataclass(frozen=True, slots=True)
class Letters:
    """A font, by its file, and words as it can draw them."""

    file: str

    def font(self, size_px: int) -> Font:
        return _font(self.file, size_px)

    def written(self, text: str) -> str:
        """The words with the letters that the font has; others in its letters, or as `?`."""
        return "".join(map(self._written, normalize("NFC", text)))

    def _written(self, letter: str) -> str:
        if _has(self.file, letter):
            return letter
        if letter.lower() in _OTHERWISE:
            other = _OTHERWISE[letter.lower()]
            return other.capitalize() if letter != letter.lower() else other
        if combining(letter):
            return ""
        parts = normalize("NFKD", letter)
        return "".join(map(self._written, parts)) if parts != letter else "?"


def letters_for(texts: Iterable[str], files: Sequence[str] | None = None) -> Letters:
    """The first font that has most of the letters of all these words; by default Pillow's own or
    one of the machine's."""
    needed = {letter for text in texts for letter in normalize("NFC", text) if not letter.isascii()}
    if files is None:
        files = font_files()
    return Letters(max(files, key=lambda file: sum(_has(file, letter) for letter in needed)))


@cache
def font_files() -> tuple[str, ...]:
    """The fonts that are here, Pillow's own first."""
    places = [folder / file for file in FONT_FILES for folder in FONT_FOLDERS]
    matplotlib = find_spec("matplotlib")  # which is not loaded by that
    if matplotlib is not None and matplotlib.origin is not None:
        places.append(Path(matplotlib.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf")
    return (OWN, *(str(place) for place in places if _is_font(place)))


def _is_font(place: Path) -> bool:
    try:
        if place.is_file():
            _font(str(place), _TRIAL_PX)
            return True
    except OSError:  # Pillow's word for one that it cannot read
        pass
    return False


@lru_cache(maxsize=16)
def _font(file: str, size_px: int) -> Font:
    from PIL import ImageFont

    if file == OWN:
        return ImageFont.load_default(size=size_px)
    return ImageFont.truetype(file, size=size_px)


@lru_cache(maxsize=8192)
def _has(file: str, letter: str) -> bool:
    """Whether a font draws a letter as something else than what stands for all that it has not.

    What is not printable, such as the end of a paragraph, can stop the layout of a text.
    """
    if letter.isascii() or not letter.isprintable():
        return letter.isprintable()
    return _drawn(file, letter) != _drawn(file, _NO_LETTER)


def _drawn(file: str, letter: str) -> bytes:
    from PIL import Image, ImageDraw

    picture = Image.new("L", (2 * _TRIAL_PX, 2 * _TRIAL_PX))
    ImageDraw.Draw(picture).text((4, 4), letter, font=_font(file, _TRIAL_PX), fill=255)
    return picture.tobytes()

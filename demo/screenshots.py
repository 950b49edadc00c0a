"""`python -m demo.screenshots docs`: the README's pictures of gallery, plot and browse page.

Makes the history of `demo.history`, lets `annotator gallery`, `plot` and `browse` loose on it, and
takes the pictures of the pages with Debian's Chromium through Playwright.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from demo.history import write_history

if TYPE_CHECKING:
    from playwright.sync_api import Page

MAX_BYTES = 200_000
SIZE = (1360, 860)
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demo.screenshots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where the pictures go; those there are replaced")
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory(prefix="annotator-screenshots-") as temporary:
        house = Path(temporary)
        environment = {**os.environ, "ANNOTATOR_CONFIG": str(write_history(house).config)}
        _annotator(environment, "gallery", "-o", str(house / "gallery"))
        plot = house / "plot.png"
        _annotator(environment, "plot", "--label", "person", "-o", str(plot))
        with chromium_page() as page:
            page.goto((house / "gallery" / "index.html").as_uri())
            page.keyboard.press("j")
            gallery = page.screenshot()
            with _browsing(environment) as url:
                page.goto(url)
                page.wait_for_load_state("networkidle")
                browse = page.screenshot()
        for name, picture in (
            ("gallery.jpg", as_jpeg(gallery)),
            ("plot.png", as_png(plot.read_bytes())),
            ("browse.jpg", as_jpeg(browse)),
        ):
            (folder / name).write_bytes(picture)
            print(folder / name, len(picture), "bytes")
    return 0


@contextmanager
def chromium_page(size: tuple[int, int] = SIZE) -> Iterator[Page]:
    """An empty page of a browser that knows nothing."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(CHROMIUM_ARGUMENTS)
        )
        yield browser.new_page(viewport={"width": size[0], "height": size[1]})
        browser.close()


def as_jpeg(screenshot: bytes) -> bytes:
    """Of the best quality that keeps it within MAX_BYTES."""
    with Image.open(io.BytesIO(screenshot)) as opened:
        picture = opened.convert("RGB")
    for quality in range(90, 30, -5):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
        if out.tell() <= MAX_BYTES:
            break
    return out.getvalue()


def as_png(picture: bytes) -> bytes:
    """With a palette, which is enough for a drawing."""
    with Image.open(io.BytesIO(picture)) as opened:
        few = opened.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


@contextmanager
def _browsing(environment: dict[str, str]) -> Iterator[str]:
    """The address of a running `annotator browse`."""
    command = [sys.executable, "-m", "annotator", "browse", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def _annotator(environment: dict[str, str], *words: str) -> None:
    subprocess.run([sys.executable, "-m", "annotator", *words], env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())

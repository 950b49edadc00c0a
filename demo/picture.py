"""`python -m demo.picture docs/annotated.jpg`: the README's picture, really annotated.

Films one frame of the Drive, lets `annotator detect --save` draw on it, and shrinks the result.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from demo.scenes import DRIVE, film

STEP = 4
WIDTH_PX = 1280
MAX_BYTES = 200_000
FILMED_AT = datetime(2026, 5, 1, 16, 30, tzinfo=UTC)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.picture", description=__doc__)
    parser.add_argument("target", type=Path, help="the JPEG to write, at most 200 KB")
    target: Path = parser.parse_args().target
    with tempfile.TemporaryDirectory(prefix="annotator-picture-") as temporary:
        capture = Path(temporary) / "00024-capture.jpg"
        drawn = Path(temporary) / "drawn"
        capture.write_bytes(list(film(DRIVE, FILMED_AT))[STEP].jpeg)
        command = [sys.executable, "-m", "annotator", "detect", str(capture), "--save", str(drawn)]
        code = subprocess.run(command, check=False).returncode
        if code != 0:
            print(f"`annotator detect` ended with exit code {code}", file=sys.stderr)
            return 1
        with Image.open(next(drawn.glob("*.jpg"))) as annotated:
            target.write_bytes(shrunk(annotated))
    print(target)
    return 0


def shrunk(picture: Image.Image) -> bytes:
    """A JPEG WIDTH_PX wide, of the best quality that keeps it within MAX_BYTES."""
    height_px = round(picture.height * WIDTH_PX / picture.width)
    small = picture.resize((WIDTH_PX, height_px), Image.Resampling.LANCZOS)
    for quality in range(90, 30, -5):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() <= MAX_BYTES:
            break
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())

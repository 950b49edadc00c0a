"""What was found in pictures before, so that training again takes seconds.

A face costs 100 ms to embed and a gallery has hundreds; its pictures hardly change. Everything the
answer depends on is in the key, so an entry is never out of date, only unused. A file that cannot
be read is begun anew: it is a memory, not a record.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.config import FaceSettings
from annotator.domain import BoundingBox, Face, FaceModels, Gate, Identification, Identity
from annotator.errors import StoreError
from trainer.gallery import Look

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

FORMAT = "faces of pictures, 2"
MAX_PICTURES = 50_000
"""Some 40 MB; of more, those remembered longest are forgotten."""
MAX_FILE_BYTES = 256 * 10**6

_NOBODY = Identification(Identity.NO_GALLERY)


@dataclass(frozen=True, slots=True)
class Memory:
    """The faces of pictures by their content, kept in a file between runs."""

    file: Path
    known: dict[bytes, tuple[Face, ...]]

    @classmethod
    def load(cls, file: Path) -> Memory:
        try:
            return cls(file, _read(file))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("%s cannot be read and is begun anew: %s", file, error)
        return cls(file, {})

    def around(
        self, look: Look, models: FaceModels, settings: FaceSettings, change: str = ""
    ) -> Look:
        """The same `look`, which is asked only about pictures that it has not seen; `change` names
        what it does to a picture beforehand."""
        limits = (
            settings.min_score,
            settings.min_face_px,
            settings.min_sharpness,
            settings.max_turn,
            settings.mirrored,
        )
        context = repr((models.face_detector, models.embedder, limits, change)).encode()

        def remembered(jpeg: bytes) -> tuple[Face, ...]:
            key = hashlib.sha256(context + jpeg).digest()
            if key not in self.known:
                self.known[key] = look(jpeg)
            return self.known[key]

        return remembered

    def save(self) -> None:
        """Raises StoreError."""
        import numpy as np

        kept = dict(list(self.known.items())[-MAX_PICTURES:])
        faces = [face for found in kept.values() for face in found]
        blank = bytes(512)
        part = self.file.with_name(f"{self.file.name}.{os.getpid()}.part")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out:
                np.savez(
                    out,
                    format=np.array(FORMAT),
                    keys=_rows(b"".join(kept), 32),
                    counts=np.array([len(found) for found in kept.values()], np.int32),
                    boxes=np.array(
                        [[f.box.xmin, f.box.ymin, f.box.xmax, f.box.ymax] for f in faces], np.int32
                    ).reshape(-1, 4),
                    measures=np.array([[f.score, f.sharpness] for f in faces]).reshape(-1, 2),
                    gates=np.array([str(f.gate) for f in faces], "U16"),
                    embeddings=_rows(b"".join(f.embedding or blank for f in faces), 512),
                    mirrored=_rows(b"".join(f.mirrored or blank for f in faces), 512),
                )
            part.replace(self.file)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise StoreError(
                f"cannot write {self.file}: {error.strerror}",
                "mend that, or name another place as `path` in [database]",
            ) from error


def _rows(content: bytes, width: int) -> NDArray:  # type: ignore[type-arg]
    import numpy as np

    return np.frombuffer(content, np.uint8).reshape(-1, width)


def _read(file: Path) -> dict[bytes, tuple[Face, ...]]:
    import numpy as np

    if file.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES // 10**6} MB")
    # From memory: NumPy leaves a file that it cannot make sense of open.
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
        if str(stored["format"]) != FORMAT:
            raise ValueError("another format")
        faces = [
            Face(
                BoundingBox(*box),
                score,
                sharpness,
                gate := Gate(name),
                embedding.tobytes() if gate is Gate.USABLE else None,
                _NOBODY if gate is Gate.USABLE else None,
                # An embedding is never nothing but zeros.
                mirrored=mirrored.tobytes() if mirrored.any() else None,
            )
            for box, (score, sharpness), name, embedding, mirrored in zip(
                stored["boxes"].tolist(),
                stored["measures"].tolist(),
                stored["gates"].tolist(),
                stored["embeddings"],
                stored["mirrored"],
                strict=True,
            )
        ]
        ends = np.cumsum(stored["counts"]).tolist()
        starts = [0, *ends][:-1]
        return {
            key.tobytes(): tuple(faces[start:end])
            for key, start, end in zip(stored["keys"], starts, ends, strict=True)
        }

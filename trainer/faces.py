"""The faces of a gallery's folders, looked at only where they were not before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from annotator.config import Config
from annotator.errors import ModelError
from trainer.samples import Progress, Sample, Samples, read_samples

log = logging.getLogger(__name__)


def gallery_faces(
    config: Config, folders: Sequence[Path], tell: Progress, *, may_be_empty: bool = False
) -> tuple[Samples, str]:
    """The samples of the folders, by default of the configured gallery, and what embedded them.

    Raises AnnotatorError; ModelError where there is no picture at all, unless that may be.
    """
    from annotator.inference.identify import NoGallery
    from annotator.inference.vision import build_vision
    from trainer.gallery import whole_picture
    from trainer.remembered import Memory

    if not folders and (config.gallery_path.is_dir() or not may_be_empty):
        folders = [config.gallery_path]
    vision = build_vision(config, recogniser=NoGallery())
    models = vision.face_models(config.faces)
    # Beside the database, which is where something can be written; models may be read-only.
    memory = Memory.load(config.database_path.with_name("gallery-faces.npz"))
    look = memory.around(whole_picture(vision, config.faces), models, config.faces)
    try:
        samples = read_samples(folders, look, tell)
    finally:
        # What was seen before an interruption need not be seen again.
        memory.save()
    if not samples.folders and not may_be_empty:
        raise ModelError(
            f"there is no picture in {', '.join(map(str, folders))}",
            "put JPEGs into a folder per person: gallery/anna/1.jpg",
        )
    return samples, models.embedder


def tagged_faces(config: Config, embedder: str) -> tuple[Sample, ...]:
    """The faces of the database that people spoke about; none where there is no database yet, and
    none of another embedder, whose numbers mean something else. Raises DatabaseError."""
    from annotator.app.opening import questions
    from trainer.tagged import tagged_samples

    if not config.database_path.exists():
        return ()
    with questions(config) as queries:
        if set(queries.embedders()) - {embedder}:
            log.warning("faces were annotated with another embedder; tags are not learned from")
            return ()
        return tagged_samples(queries)

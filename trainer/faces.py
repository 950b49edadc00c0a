"""The faces of a gallery's folders, looked at only where they were not before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from annotator.config import Config
from annotator.errors import ModelError
from trainer.samples import Progress, Samples, read_samples


def gallery_faces(config: Config, folders: Sequence[Path], tell: Progress) -> tuple[Samples, str]:
    """The samples of the folders, by default of the configured gallery, and what embedded them.

    Raises AnnotatorError; ModelError where there is no picture at all.
    """
    from annotator.inference.identify import NoGallery
    from annotator.inference.vision import build_vision
    from trainer.gallery import whole_picture
    from trainer.remembered import Memory

    folders = folders or [config.gallery_path]
    vision = build_vision(config, recogniser=NoGallery())
    models = vision.face_models(config.faces)
    memory = Memory.load(config.models_directory / "gallery-faces.npz")
    look = memory.around(whole_picture(vision, config.faces), models, config.faces)
    try:
        samples = read_samples(folders, look, tell)
    finally:
        # What was seen before an interruption need not be seen again.
        memory.save()
    if not samples.folders:
        raise ModelError(
            f"there is no picture in {', '.join(map(str, folders))}",
            "put JPEGs into a folder per person: gallery/anna/1.jpg",
        )
    return samples, models.embedder

"""What several commands say."""

from __future__ import annotations

from annotator.cli import output
from trainer.samples import Samples, person_of


def tell_left_out(samples: Samples) -> bool:
    """Name every picture that cannot be used; True where something is worth an exit code."""
    for one in samples.left_out:
        (output.warn if one.unreadable else output.note)(f"{one.path}: {one.why}")
    used = {one.person for one in samples.usable}
    faceless = [folder for folder in samples.folders if person_of(folder) not in used]
    for name in faceless:
        output.warn(f"{name}: none of the pictures can be used")
    return bool(faceless) or any(one.unreadable for one in samples.left_out)

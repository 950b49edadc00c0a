"""Whether a new recogniser takes the place of the one in use."""

from __future__ import annotations

from pathlib import Path

from annotator.errors import ModelError
from annotator.inference.bundle import Bundle, read_bundle, write_bundle
from trainer.fit import CLEARLY_BETTER


def promote(path: Path, bundle: Bundle, *, anyway: bool) -> None:
    """Write the bundle. Raises ModelError, and writes nothing, where it is worse than what is there
    and this is not wanted `anyway`."""
    complaint = None if anyway else worse(path, bundle)
    if complaint:
        raise ModelError(
            f"the recogniser in use stays: the new one {complaint}",
            "`--promote` takes it all the same; --output FILE writes it elsewhere",
        )
    write_bundle(path, bundle)


def worse(path: Path, bundle: Bundle) -> str | None:
    """How the new one is worse; None where it is not, or where what is there is of no use."""
    if not path.exists():
        return None
    try:
        used = read_bundle(path, bundle.manifest.embedder)
    except ModelError:
        return None
    lost = sorted(set(used.manifest.names) - set(bundle.manifest.names))
    if lost:
        return f"does not know {', '.join(lost)}"
    before, now = _score(used), _score(bundle)
    if before is not None and now is not None and now < before - CLEARLY_BETTER:
        return f"scores {now:.3f} in cross-validation, and that one {before:.3f}"
    return None


def _score(bundle: Bundle) -> float | None:
    """The share of known faces named right less that of strangers named."""
    for one in bundle.report.get("candidates", ()):
        if one.get("classifier") == bundle.manifest.classifier:
            return float(one["known_right"]) - float(one["strangers_named"])
    return None

"""Which TFLite runtimes are installed; the only module that imports one.

LiteRT is preferred: it is several times as fast. `tflite_runtime` is for an Edge TPU whose library
does not work with LiteRT. Google's pycoral is used where it is installed; the `pycoral` of the
Python package index is an unrelated program, told apart by what it lacks.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.errors import RuntimeUnavailable

if TYPE_CHECKING:
    from types import ModuleType

_INSTALL = "install it with: pip install ai-edge-litert"


@dataclass(frozen=True, slots=True)
class Runtime:
    """An installed runtime; `version` is "" where the installation does not tell."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version or 'of unknown version'}"

    @property
    def is_litert(self) -> bool:
        return self.package == "ai-edge-litert"

    @property
    def release(self) -> tuple[int, int] | None:
        """Major and minor of its version. LiteRT counts on its own, not as TensorFlow does."""
        found = re.match(r"(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else None

    def load(self) -> ModuleType:
        """Its `interpreter` module. Raises RuntimeUnavailable."""
        name = f"{_module(self.package)}.interpreter"
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise RuntimeUnavailable(
                f"{name} is installed but cannot be loaded: {error}", _INSTALL
            ) from error


PREFERENCE = ("ai-edge-litert", "tflite-runtime")


def installed_runtimes() -> tuple[Runtime, ...]:
    """Best first; nothing is imported. Raises RuntimeUnavailable where there is none."""
    found = tuple(
        Runtime(package, _version(package)) for package in PREFERENCE if _is_there(package)
    )
    if not found:
        raise RuntimeUnavailable("no TensorFlow Lite runtime is installed", _INSTALL)
    return found


def has_google_pycoral() -> bool:
    spec = importlib.util.find_spec("pycoral")
    places = (spec.submodule_search_locations if spec else None) or ()
    return any(Path(place, "utils", "edgetpu.py").is_file() for place in places)


def google_pycoral() -> ModuleType | None:
    """Google's `pycoral.utils.edgetpu`, where it can be imported."""
    if not has_google_pycoral():
        return None
    try:
        return importlib.import_module("pycoral.utils.edgetpu")
    except ImportError:  # its own libraries are missing; the plain delegate may still work
        return None


def _module(package: str) -> str:
    return package.replace("-", "_")


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(_module(package)) is not None


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""

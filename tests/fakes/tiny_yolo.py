"""A YOLO of a few kB that really looks: the tiny SSD's eyes behind YOLO's output tensor.

    write_tiny_yolo(path)                               v8: [1, 4 + 2, 84] for 64 x 64 pixels
    write_tiny_yolo(path, version="v5", dtype="int8")   [1, 252, 5 + 2], quantised

Each of the two colours has one box among many empty ones, as nothing suppresses doubles. With
`names` the file carries its labels, as ultralytics' exporter leaves them.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from tests.fakes.tiny_ssd import BIAS, COLOURS, LABELS, OWN, _found, _Graph, _options

Version = Literal["v5", "v8"]
CELLS = 8 * 8 + 4 * 4 + 2 * 2
"""Of 64 x 64 pixels at strides 8, 16 and 32."""


def write_tiny_yolo(
    path: Path,
    *,
    version: Version = "v8",
    dtype: Literal["uint8", "int8", "float32"] = "float32",
    in_pixels: bool = False,
    names: dict[int, str] | None = None,
) -> None:
    """Write the detector to `path`. Pixels are read as 0 to 1; boxes are fractions of the input
    unless `in_pixels`."""
    path.write_bytes(_model(version, dtype, 64.0 if in_pixels else 1.0) + _metadata(names))


def _model(version: Version, dtype: str, unit: float) -> bytes:
    graph = _Graph()
    classes = len(LABELS)
    pixels = graph.input(dtype, (1, 64, 64, 3), low=0.0)
    # The SSD's weights, for pixels of 0 to 1 in the place of -1 to 1.
    best, x, y = _found(graph, pixels, COLOURS * 2, BIAS - COLOURS.sum(axis=1))
    scores = graph.add("MUL", [best, graph.constant(OWN)], (1, classes, classes))
    scale = graph.constant(np.full((1, 1, 1), unit, dtype=np.float32))
    column = (1, classes, 1)
    columns = [
        graph.add("MUL", [value, scale], column)
        for value in (graph.middle(*x), graph.middle(*y), graph.size(*x), graph.size(*y))
    ]
    if version == "v5":
        columns.append(best)
    width = len(columns) + classes
    joined = _options("Concatenation", axis=2)
    table = graph.add("CONCATENATION", [*columns, scores], (1, classes, width), joined)
    count = CELLS * 3 if version == "v5" else CELLS
    padding = graph.constant(np.int32([[0, 0], [count - classes, 0], [0, 0]]))
    table = graph.add("PAD", [table, padding], (1, count, width))
    if version == "v8":
        order = graph.constant(np.int32([0, 2, 1]))
        table = graph.add("TRANSPOSE", [table, order], (1, width, count))
    if dtype != "float32":
        table = _quantised(graph, table, dtype, unit / 255)
    graph.outputs = [table]
    return graph.serialised(pixels_of=graph.inputs[0], names={})


def _quantised(graph: _Graph, table: int, dtype: str, scale: float) -> int:
    stored = graph.tensor(graph.shapes[table], dtype.upper())
    graph.quantise(stored, scale, 0 if dtype == "uint8" else -128)
    graph._operator("QUANTIZE", [table], [stored], _options("Quantize"))
    return stored


def _metadata(names: dict[int, str] | None) -> bytes:
    if names is None:
        return b""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("temp_meta.txt", str({"task": "detect", "names": names}))
    return file.getvalue()

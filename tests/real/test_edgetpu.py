"""A network that Google's own compiler made, on the stand-in: the wiring, not the numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from annotator.domain import Station
from annotator.errors import ModelError
from annotator.inference.runtime import load_graph
from tests.fakes.edgetpu import build

NAME = "yolov8n_full_integer_quant_edgetpu.tflite"


def test_a_compiled_network_runs_its_tail_on_the_cpu(shared: Path, tmp_path: Path) -> None:
    fake = build(tmp_path)
    graph = load_graph(
        (shared / "models" / NAME).read_bytes(),
        NAME,
        station=Station("edgetpu", "usb:0"),
        library=str(fake.library),
        threads=1,
    )
    pixels = np.zeros((graph.height, graph.width, 3), dtype=np.uint8)
    for _ in range(3):
        (answer,) = graph.invoke(pixels)
    assert answer.values.shape == graph.outputs[0].shape
    graph.close()
    assert [entry.what for entry in fake.log()] == ["opened", "closed"]


def test_a_compiled_network_is_refused_by_the_cpu(shared: Path) -> None:
    content = (shared / "models" / NAME).read_bytes()
    with pytest.raises(ModelError, match="compiled for the Edge TPU and cannot run on the CPU"):
        load_graph(content, NAME, threads=1)

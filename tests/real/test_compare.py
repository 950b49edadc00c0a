"""`compare` on a small history, with real networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from annotator.app.comparing import compare, draw_difference
from annotator.app.running import backfill
from annotator.config import Config, check_config
from annotator.domain import Window
from annotator.errors import QueryError

FRAMES = ("000037", "000063", "000099")
SSD, YOLO = "coco_ssd_mobilenet_v1", "yolov8n_full_integer_quant.tflite"


@pytest.fixture
def config(shared: Path, tmp_path: Path) -> Config:
    store = tmp_path / "events" / "Yard"
    store.mkdir(parents=True)
    for frame in FRAMES:
        shutil.copy(shared / "data" / "frames" / "pets09_s2l1" / f"{frame}.jpg", store)
    return check_config(
        {
            "store": {"root": str(store.parent), "layout": "plain"},
            "models": {"directory": str(shared / "models")},
            "database": {"path": str(tmp_path / "annotator.sqlite")},
            "faces": {"enabled": False},
            "worker": {"processes": 1},
            "monitors": {"Yard": {"detection": {"labels": ["person", "car"]}}},
        },
        "test",
    )


def test_two_detectors_on_the_history(shared: Path, config: Config, tmp_path: Path) -> None:
    done: list[int] = []
    backfill(config, Window(), (), lambda state: done.append(state.done))
    models = (SSD, str(shared / "models" / YOLO))
    compared = compare(config, models, Window(), 100, lambda _done, _total: None)
    assert compared.pictures == len(FRAMES)
    assert compared.a.model.startswith(f"{SSD}@")
    assert compared.b.model.startswith("yolov8n_full_integer_quant@")
    assert compared.a.ms_per_picture > 0
    by_label = {one.label: one for one in compared.agreements}
    assert by_label.keys() == {"person", "car"}, "the monitor's limits hold"
    assert by_label["person"].both >= 5, "both see the people who walk there"
    assert 0 < compared.differing == len(compared.differences)
    sizes = [one.size for one in compared.differences]
    assert sizes == sorted(sizes, reverse=True)
    drawn = draw_difference(config, compared.differences[0], tmp_path / "differ")
    assert drawn.stat().st_size > 10_000

    same = compare(config, (SSD, SSD), Window(), 2, lambda _done, _total: None)
    assert (same.pictures, same.differing) == (2, 0)

    with pytest.raises(QueryError, match="no capture that fits"):
        compare(config, models, Window(monitors=("Nobody",)), 10, lambda _done, _total: None)

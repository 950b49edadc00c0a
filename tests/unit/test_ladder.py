from __future__ import annotations

from annotator.domain import Station
from annotator.ladder import FALLBACK, MAX_RETRY_S, SOUND_AFTER, Ladder

TPU = Station("edgetpu", "usb:0")


def test_a_device_gets_one_new_worker_and_then_the_cpu_stands_in() -> None:
    ladder = Ladder(TPU, retry_s=30)
    assert not ladder.lost(0.0)
    assert ladder.station == TPU
    assert ladder.in_trouble
    assert ladder.lost(1.0)
    assert ladder.station == FALLBACK
    assert not ladder.in_trouble


def test_a_missing_device_is_stood_in_for_at_once() -> None:
    ladder = Ladder(TPU, retry_s=30)
    assert ladder.lost(0.0, missing=True)


def test_it_is_tried_again_at_growing_pauses() -> None:
    ladder = Ladder(TPU, retry_s=30)
    ladder.lost(0.0, missing=True)
    due = []
    for now_s in range(4_000):
        if ladder.is_due(float(now_s)):
            due.append(now_s)
            ladder.failed_again(float(now_s))
    pauses = [after - before for before, after in zip([0, *due], due, strict=False)]
    assert pauses[:5] == [30, 60, 120, 240, 480]
    assert set(pauses[5:]) == {MAX_RETRY_S}


def test_who_returns_and_fails_is_stood_in_for_at_once_until_it_has_proved_itself() -> None:
    ladder = Ladder(TPU, retry_s=30)
    ladder.lost(0.0, missing=True)
    ladder.return_home()
    assert ladder.station == TPU
    assert ladder.lost(100.0)
    assert not ladder.is_due(159.0), "the pause has grown"
    ladder.return_home()
    for _ in range(SOUND_AFTER):
        ladder.worked()
    assert not ladder.in_trouble
    assert not ladder.lost(1_000.0)
    assert ladder.lost(1_001.0)
    assert ladder.is_due(1_031.0), "and begins anew"


def test_the_cpu_has_no_ladder() -> None:
    ladder = Ladder(Station(), retry_s=30)
    assert not ladder.lost(0.0)
    assert ladder.station == Station()
    assert not ladder.is_due(1e9)

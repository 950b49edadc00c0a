from __future__ import annotations

import json
import logging
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from annotator.config import CommandSettings
from annotator.errors import DeliveryError
from annotator.notify.command import OUTPUT_BYTES, CommandDeliverer
from tests.contracts.notices import notice

NOTICE = replace(notice(person="Anna", monitor="Door; rm -rf /"), id=5)


def command(*run: str, timeout_s: float = 20.0) -> CommandDeliverer:
    return CommandDeliverer("bell", CommandSettings(run=run, timeout_s=timeout_s), Path("/nvr"))


def shell(script: str, timeout_s: float = 20.0) -> CommandDeliverer:
    return command("sh", "-c", script, timeout_s=timeout_s)


def test_it_gets_the_json_and_the_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shell(f"cat > {out}; env | grep ^ANNOTATOR_ | sort >> {out}").deliver(NOTICE, None)
    body, *variables = out.read_text().replace("}ANNOTATOR", "}\nANNOTATOR").splitlines()
    assert json.loads(body)["person"] == "Anna"
    told = dict(line.split("=", 1) for line in variables)
    assert told["ANNOTATOR_CAPTURE"] == "/nvr/3/1/00007-capture.jpg"
    assert told["ANNOTATOR_MONITOR"] == "Door; rm -rf /"
    assert told["ANNOTATOR_NOTICE"] == "5"
    assert told["ANNOTATOR_TEST"] == "0"
    assert set(told) - set(os.environ) == {
        f"ANNOTATOR_{name}"
        for name in (
            *("NOTICE", "RULE", "TEXT", "PERSON", "MONITOR", "EVENT", "LABEL", "SCORE"),
            *("CAPTURED_AT", "CAPTURE", "TEST"),
        )
    }


def test_a_picture_that_no_pipe_holds_gets_through(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shell(f"sleep 0.1; cat > {out}").deliver(NOTICE, bytes(300_000))
    assert len(json.loads(out.read_text())["picture"]) == 400_000


def test_one_that_does_not_listen_is_told_all_the_same() -> None:
    command("true").deliver(NOTICE, bytes(300_000))


def test_what_it_says_is_in_the_log_as_far_as_it_is_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flood = "import sys; sys.stdout.write('ding dong ' * 1_000_000)"
    with caplog.at_level(logging.INFO):
        command(sys.executable, "-c", flood).deliver(NOTICE, None)
    (record,) = caplog.records
    assert record.getMessage().startswith("bell says: ding dong ding")
    assert len(record.getMessage()) <= OUTPUT_BYTES + 20


@pytest.mark.parametrize(("script", "how"), [("exit 7", "exited with 7"), ("kill -9 $$", "signal")])
def test_one_that_fails_is_tried_again(
    script: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(DeliveryError, match=how) as caught:
        shell(f"printf 'no \\033[2J bell' >&2; {script}").deliver(NOTICE, None)
    said = "no \N{REPLACEMENT CHARACTER}[2J bell"
    assert said in caplog.text
    assert said in str(caught.value), "`notify test` shows no log"
    assert not caught.value.final


def test_one_that_is_not_there_is_said() -> None:
    with pytest.raises(DeliveryError, match="/no/bell cannot be run"):
        command("/no/bell").deliver(NOTICE, None)


def test_one_that_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $! $$ > {pids}; wait"
    with pytest.raises(DeliveryError, match="took too long"):
        shell(script, timeout_s=0.5).deliver(NOTICE, None)
    for pid in map(int, pids.read_text().split()):
        assert has_ended(pid)


def has_ended(pid: int) -> bool:
    """Within seconds. It is nobody's child any more, so it may stay for a while as a zombie."""
    until_s = monotonic() + 10
    while monotonic() < until_s:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        sleep(0.01)
    return False


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    shell(f"sleep 60 & echo $! > {pid}").deliver(NOTICE, None)
    os.kill(int(pid.read_text()), 9)


def test_at_the_end_it_is_ended_soon(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    deliverer = shell(f"echo > {begun}; sleep 60", timeout_s=60)

    def close() -> None:
        begun.read_text()
        deliverer.close()

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(DeliveryError):
        deliverer.deliver(NOTICE, None)
    closer.join()

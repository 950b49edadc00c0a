"""What typical questions to years of detections cost, beside the same in SQL written by hand.

    python -m benchmarks.questions [--keep years.sqlite] [--captures 10000000] [--rounds 9]

Each question is asked by `annotator` and by the plain `sqlite3` program with the best SQL that we
know for it (`by_hand.py`), in turns; that both give the same answer is checked first. The table has
medians of the milliseconds of a core that they take, in which other work on the machine shows
least. `beyond` is what a question takes longer than `annotator query` about an empty database, each
in a fork of a program that has just started: as whole processes both take a quarter of a second,
and the difference is lost in how much that varies. `ratio` is it over all of `sqlite3`'s time, its
start included. Answers come as `--format jsonl` where there is such a thing.
The last line is the start of `annotator query` beside `python -c "import sqlalchemy, click"`.

The database is made by `benchmarks.years` unless it is there already; it is kept with --keep.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from annotator.cli.main import cli, run
from benchmarks import by_hand
from benchmarks.years import BEGIN, Size, build
from db.engine import open_database

ZONE = "Europe/Berlin"
DAYS = 1000
END = BEGIN + timedelta(days=DAYS)


@dataclass(frozen=True)
class Question:
    """In words of the command line, and in SQL."""

    words: str
    sql: str


def questions() -> list[Question]:
    week, month = END - timedelta(days=7), END - timedelta(days=30)
    since_week, since_month = (f"{day:%Y-%m-%d}" for day in (week, month))
    week_ms, month_ms = (local_midnight_ms(day) for day in (week, month))
    jsonl = "--format jsonl"
    detections, faces = by_hand.DETECTIONS, by_hand.FACES
    newest_first, newest_face_first = by_hand.NEWEST_DETECTION_FIRST, by_hand.NEWEST_FACE_FIRST
    return [
        Question(
            f"query --limit 20 {jsonl}", f"{detections} WHERE stay IS NOT 1 {newest_first} LIMIT 20"
        ),
        Question(
            f"query --label person --limit 20 {jsonl}",
            f"""{detections} WHERE label.name = 'person' AND stay IS NOT 1
            {newest_first} LIMIT 20""",
        ),
        Question(
            f"query --label person --monitor FrontDoor --since {since_week} {jsonl}",
            f"""{detections} WHERE label.name = 'person' AND +monitor.name = 'FrontDoor'
            AND stay IS NOT 1 AND detection.captured_at >= {week_ms} {newest_first}""",
        ),
        Question(
            f"query --name Anna --limit 20 {jsonl}",
            f"""{faces} WHERE face.name = 'Anna' AND stay IS NOT 1
            {newest_face_first} LIMIT 20""",
        ),
        Question(
            f"query --unknown --between 22:00-06:00 --limit 20 {jsonl}",
            f"""{faces} WHERE face.verdict = 'unknown' AND stay IS NOT 1
            AND time(face.captured_at / 1000, 'unixepoch', 'localtime')
                NOT BETWEEN '06:00:00' AND '21:59:59'
            {newest_face_first} LIMIT 20""",
        ),
        Question(
            f"query --label person --order best --since {since_week} --limit 20 {jsonl}",
            f"""{detections} WHERE label.name = 'person' AND stay IS NOT 1
            AND detection.captured_at >= {week_ms} ORDER BY detection.score DESC,
            detection.captured_at DESC, detection.id DESC, face.id DESC LIMIT 20""",
        ),
        Question("query --label person --count", by_hand.PERSON_COUNT),
        Question(f"events --limit 20 {jsonl}", by_hand.events(by_hand.NEWEST_EVENTS)),
        Question(
            f"events --name Anna --since {since_month} {jsonl}",
            by_hand.events(by_hand.events_of("Anna", month_ms)),
        ),
        Question(f"people {jsonl}", by_hand.PEOPLE),
        Question(
            "last Anna --format json",
            f"{faces} WHERE face.name = 'Anna' AND stay IS NOT 1 {newest_face_first} LIMIT 1",
        ),
        Question(f"stats --by hour --label person {jsonl}", by_hand.BY_HOUR),
        Question(
            f"stats --by weekday --by hour --label person {jsonl}", by_hand.BY_WEEKDAY_AND_HOUR
        ),
        Question(f"stats --by label {jsonl}", by_hand.BY_LABEL),
        Question(f"empty-events --since {since_week} {jsonl}", by_hand.empty_events(week_ms)),
    ]


def local_midnight_ms(day: datetime) -> int:
    return round(day.replace(tzinfo=None).timestamp() * 1000)


def main() -> None:
    arguments = _arguments()
    os.environ["TZ"] = ZONE
    time.tzset()
    with tempfile.TemporaryDirectory(prefix="annotator-benchmark-") as scratch:
        path = arguments.keep or Path(scratch) / "years.sqlite"
        if not path.exists():
            captures = arguments.captures
            size = Size(captures, captures * 3 // 10, captures // 20, DAYS)
            in_fork(lambda: build(path, size))
        empty = Path(scratch) / "empty.sqlite"
        in_fork(lambda: open_database(empty, forbidden_root=None).close())
        compare(path.absolute(), empty, arguments.rounds)


def compare(path: Path, empty: Path, rounds: int) -> None:
    annotator = str(Path(sys.executable).with_name("annotator"))
    start = ["query", "--format", "jsonl", "--database", str(empty)]
    imports = [sys.executable, "-c", "import sqlalchemy, click"]
    asked = [
        (
            one.words.partition(" --format")[0],
            [*one.words.split(), "--database", str(path)],
            ["sqlite3", "-readonly", str(path), one.sql],
        )
        for one in questions()
    ]
    rows = {}
    for title, ours, theirs in asked:
        lines = answer([annotator, *ours])
        rows[title] = len(lines)
        if not agree(lines, answer(theirs)):
            raise SystemExit(f"{title}: the two give different answers")
    took = defaultdict[str, list[float]](list)
    for _ in range(rounds):
        took["imports"].append(in_process(imports))
        took["start"].append(in_process([annotator, *start]))
        for title, ours, theirs in asked:
            start_ms = in_fork(lambda: ask(start))
            took[f"beyond {title}"].append(in_fork(lambda ours=ours: ask(ours)) - start_ms)
            took[f"sqlite3 {title}"].append(in_process(theirs))
    usual = {name: median(times) for name, times in took.items()}
    print(f"{'':70} rows  beyond  sqlite3  ratio")
    for title in rows:
        beyond_ms, theirs_ms = usual[f"beyond {title}"], usual[f"sqlite3 {title}"]
        ratio = beyond_ms / theirs_ms
        print(f"{title:70}{rows[title]:5} {beyond_ms:7.1f} {theirs_ms:8.1f} {ratio:6.2f}")
    print(
        f"start {usual['start']:.0f} ms, imports alone {usual['imports']:.0f} ms:"
        f" {usual['start'] / usual['imports']:.2f} times"
    )


def in_fork(work: Callable[[], object]) -> float:
    """Milliseconds of a core that work takes in a child, whose output is thrown away."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        work()
        sys.stdout.flush()
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit("a child failed")
    return 1000 * (usage.ru_utime + usage.ru_stime)


def ask(words: Sequence[str]) -> None:
    if run(cli, words):
        raise SystemExit(f"{words}: failed")


def in_process(command: Sequence[str]) -> float:
    """Milliseconds of a core that a program takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def answer(command: Sequence[str]) -> list[bytes]:
    return subprocess.run(command, capture_output=True, check=True).stdout.splitlines()


def agree(ours: Sequence[bytes], theirs: Sequence[bytes]) -> bool:
    """Whether the lines say the same; SQLite writes fewer digits."""

    def said(line: bytes) -> object:
        return json.loads(line, parse_float=lambda number: round(float(number), 9))

    return list(map(said, ours)) == list(map(said, theirs))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--keep", type=Path, help="the database, made where it is not there")
    parser.add_argument("--captures", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    main()

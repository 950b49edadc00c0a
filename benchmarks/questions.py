"""What typical questions to years of detections cost, beside the same in SQL written by hand.

    python -m benchmarks.questions [--keep years.sqlite] [--captures 10000000] [--rounds 9]

Each question is asked by `annotator`, as a whole process, and by the plain `sqlite3` program with
the best SQL that we know for it, in turns; the table has medians of the milliseconds of a core that
they take, in which other work on the machine shows least. `beyond` is what a question takes longer
than `annotator query` about an empty database in the same turn, and `ratio` is that over all of
`sqlite3`'s time, its start included. Answers come as `--format jsonl` where there is such a thing.
The last line is the start of `annotator query` beside `python -c "import sqlalchemy, click"`.

The database is made by `benchmarks.years` unless it is there already; it is kept with --keep.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks.years import BEGIN, Size, build
from db.engine import open_database

ZONE = "Europe/Berlin"
DAYS = 1000
END = BEGIN + timedelta(days=DAYS)

SIGHTING = """
    SELECT detection.captured_at, monitor.name, event.path, detection.frame, label.name,
        detection.score, detection.xmin, detection.ymin, detection.xmax, detection.ymax, face.name,
        probability, verdict, stranger
"""
OF_SIGHTING = """
    JOIN label ON label.id = detection.label_id JOIN event ON event.id = detection.event_id
    JOIN monitor ON monitor.id = detection.monitor_id
"""
FACES = f"{SIGHTING} FROM face CROSS JOIN detection ON detection.id = detection_id {OF_SIGHTING}"
DETECTIONS = f"""
    {SIGHTING} FROM detection {OF_SIGHTING} LEFT JOIN face ON face.detection_id = detection.id
"""


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
    return [
        Question(
            f"query --limit 20 {jsonl}",
            f"{DETECTIONS} WHERE stay IS NOT 1 ORDER BY detection.captured_at DESC LIMIT 20",
        ),
        Question(
            f"query --label person --limit 20 {jsonl}",
            f"""{DETECTIONS} WHERE label.name = 'person' AND stay IS NOT 1
            ORDER BY detection.captured_at DESC LIMIT 20""",
        ),
        Question(
            f"query --label person --monitor FrontDoor --since {since_week} {jsonl}",
            f"""{DETECTIONS} WHERE label.name = 'person' AND +monitor.name = 'FrontDoor'
            AND stay IS NOT 1 AND detection.captured_at >= {week_ms}
            ORDER BY detection.captured_at DESC""",
        ),
        Question(
            f"query --name Anna --limit 20 {jsonl}",
            f"""{FACES} WHERE face.name = 'Anna' AND stay IS NOT 1
            ORDER BY face.captured_at DESC LIMIT 20""",
        ),
        Question(
            f"query --unknown --between 22:00-06:00 --limit 20 {jsonl}",
            f"""{FACES} WHERE verdict = 'unknown' AND stay IS NOT 1
            AND time(face.captured_at / 1000, 'unixepoch', 'localtime')
                NOT BETWEEN '06:00:00' AND '21:59:59'
            ORDER BY face.captured_at DESC LIMIT 20""",
        ),
        Question(
            f"query --label person --order best --since {since_week} --limit 20 {jsonl}",
            f"""{DETECTIONS} WHERE label.name = 'person' AND stay IS NOT 1
            AND detection.captured_at >= {week_ms} ORDER BY detection.score DESC LIMIT 20""",
        ),
        Question(
            "query --label person --count",
            """SELECT sum(sightings) FROM label_count JOIN label ON label.id = label_id
            WHERE label.name = 'person' AND still = 0""",
        ),
        Question(
            f"events --limit 20 {jsonl}",
            """SELECT events.* FROM (
                SELECT event_id, max(captured_at) AS at FROM (
                    SELECT event_id, captured_at FROM detection WHERE stay IS NOT 1
                    ORDER BY captured_at DESC LIMIT 3000
                ) GROUP BY event_id ORDER BY at DESC LIMIT 20
            ) AS newest CROSS JOIN events ON events.event_id = newest.event_id""",
        ),
        Question(
            f"events --name Anna --since {since_month} {jsonl}",
            f"""SELECT events.* FROM (
                SELECT DISTINCT event_id FROM name_count
                WHERE name = 'Anna' AND quarter >= {month_ms} / 900000
            ) AS hers CROSS JOIN events ON events.event_id = hers.event_id""",
        ),
        Question(
            f"people {jsonl}",
            """SELECT * FROM people;
            SELECT name, monitor_id, count(DISTINCT event_id), sum(faces), max(quarter)
            FROM name_count GROUP BY name, monitor_id""",
        ),
        Question(
            "last Anna --format json",
            f"{FACES} WHERE face.name = 'Anna' ORDER BY face.captured_at DESC LIMIT 1",
        ),
        Question(
            f"stats --by hour --label person {jsonl}",
            """SELECT strftime('%H', hour * 3600, 'unixepoch', 'localtime'), sum(events), sum(n)
            FROM (
                SELECT quarter / 4 AS hour, count(DISTINCT event_id) AS events,
                    sum(detections) AS n
                FROM label_count WHERE label_id = (SELECT id FROM label WHERE name = 'person')
                    AND still = 0 GROUP BY 1
            ) GROUP BY 1""",
        ),
        Question(
            f"stats --by weekday --by hour --label person {jsonl}",
            """SELECT strftime('%w %H', hour * 3600, 'unixepoch', 'localtime'), sum(events), sum(n)
            FROM (
                SELECT quarter / 4 AS hour, count(DISTINCT event_id) AS events,
                    sum(detections) AS n
                FROM label_count WHERE label_id = (SELECT id FROM label WHERE name = 'person')
                    AND still = 0 GROUP BY 1
            ) GROUP BY 1""",
        ),
        Question(
            f"stats --by label {jsonl}",
            """SELECT label.name, count(DISTINCT event_id), sum(detections)
            FROM label CROSS JOIN label_count ON label_id = label.id
            WHERE still = 0 GROUP BY label_id ORDER BY 2 DESC""",
        ),
        Question(
            f"empty-events --since {since_week} {jsonl}",
            f"""SELECT events.* FROM (
                SELECT id FROM event WHERE began_at >= {week_ms} AND gone_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM detection WHERE event_id = event.id)
                AND NOT EXISTS (SELECT 1 FROM failure WHERE event_id = event.id)
                AND NOT EXISTS (SELECT 1 FROM backlog WHERE event_id = event.id)
                AND NOT EXISTS (SELECT 1 FROM folded WHERE event_id = event.id AND seen = 1)
                ORDER BY began_at DESC
            ) AS empty CROSS JOIN events ON events.event_id = empty.id""",
        ),
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
            build(path, Size(captures, captures * 3 // 10, captures // 20, DAYS))
        empty = Path(scratch) / "empty.sqlite"
        open_database(empty, forbidden_root=None).close()
        compare(path.absolute(), empty, arguments.rounds)


def compare(path: Path, empty: Path, rounds: int) -> None:
    annotator = str(Path(sys.executable).with_name("annotator"))
    start = [annotator, "query", "--format", "jsonl", "--database", str(empty)]
    imports = [sys.executable, "-c", "import sqlalchemy, click"]
    asked = [
        (
            one.words.partition(" --format")[0],
            [annotator, *one.words.split(), "--database", str(path)],
            ["sqlite3", "-readonly", str(path), one.sql],
        )
        for one in questions()
    ]
    took: dict[str, list[float]] = {}
    rows: dict[str, int] = {}

    def measure(name: str, command: Sequence[str]) -> float:
        cpu_ms, rows[name] = run(command)
        took.setdefault(name, []).append(cpu_ms)
        return cpu_ms

    for _ in range(rounds):
        measure("imports", imports)
        for title, ours, theirs in asked:
            start_ms = measure("start", start)
            beyond_ms = measure(title, ours) - start_ms
            took.setdefault(f"beyond {title}", []).append(beyond_ms)
            measure(f"sqlite3 {title}", theirs)
    usual = {name: median(times) for name, times in took.items()}
    print(f"{'':70} rows  annotator  beyond  sqlite3  ratio")
    for title, _, _ in asked:
        beyond_ms, theirs_ms = usual[f"beyond {title}"], usual[f"sqlite3 {title}"]
        print(
            f"{title:70}{rows[title]:5} {usual[title]:7.0f} ms {beyond_ms:7.1f} {theirs_ms:8.1f}"
            f" {beyond_ms / theirs_ms:6.2f}"
        )
    print(
        f"start {usual['start']:.0f} ms, imports alone {usual['imports']:.0f} ms:"
        f" {usual['start'] / usual['imports']:.2f} times"
    )


def run(command: Sequence[str]) -> tuple[float, int]:
    """Milliseconds of a core, and how many lines came."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return 1000 * cpu_s, done.stdout.count(b"\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--keep", type=Path, help="the database, made where it is not there")
    parser.add_argument("--captures", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    main()

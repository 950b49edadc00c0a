"""`python -m demo.history FOLDER`: three weeks of a house that does not exist, already annotated.

Writes a store, a database and a configuration. The captures are composed from the demo's own
scenes; what was "seen" on them is known from how they were composed, so no network runs and no
model is needed. People's names are invented. The same for the same `until`, on every machine.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from annotator.clock import SystemClock
from annotator.config import StoreSettings
from annotator.domain import (
    EMBEDDING_BYTES,
    Annotation,
    BoundingBox,
    Detection,
    Face,
    FaceQuestion,
    Failure,
    Gate,
    Identification,
    Identity,
    Origin,
    Provenance,
    Reason,
)
from annotator.nvr.tree import EventTree, open_tree
from db.backlog import SqlBacklog
from db.engine import open_database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from demo.backdrops import HEIGHT, WIDTH, drive, front_door, garden_at_night, playroom
from demo.pictures import ASTRONAUT, CAT, GRACE_HOPPER, Figure
from demo.scenes import Scene, Visit, outline_box, stamped, unstamped

DAYS = 21
UNTIL = datetime(2026, 5, 21, 18, 30)  # noqa: DTZ001 - by the clock on the wall, wherever it is
SIZE = (1280, 720)
JPEG_QUALITY = 78
FRAMES_PER_SECOND = 2
MONITORS = {"FrontDoor": 1, "PlayroomDoor": 2, "Drive": 3, "Garden": 4}
PROVENANCE = Provenance("composed@000000000000", "cpu", False, "composed", "composed", "composed")

FACES = {ASTRONAUT: (170, 55, 260, 155), GRACE_HOPPER: (182, 110, 352, 300)}
"""Where the face is, in pixels of the figure's file: left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who a visit is; a person without a name is unknown."""

    visit: Visit
    label: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What can happen before a camera."""

    scene: Scene
    guests: tuple[Guest, ...] = ()
    grey: bool = False


def _story(monitor: str, *guests: Guest, steps: int, seed: int) -> Story:
    backdrops = {
        "FrontDoor": front_door,
        "PlayroomDoor": playroom,
        "Drive": drive,
        "Garden": garden_at_night,
    }
    visits = tuple(guest.visit for guest in guests)
    at_night = monitor == "Garden"
    noise = 7.0 if at_night else 3.0
    scene = Scene(monitor, backdrops[monitor], visits, seed=seed, noise=noise, steps=steps)
    return Story(scene, guests, at_night)


_MIRA = Visit(ASTRONAUT, 1.72, (440, 1090), (1040, 1090))
_OLGA = Visit(GRACE_HOPPER, 0.80, (520, 720), (1010, 712))
_TOM = Visit(CAT, 1.95, (420, 846), (1420, 846))

MIRA_COMES = _story("FrontDoor", Guest(_MIRA, "person", "Mira"), steps=7, seed=1)
MIRA_GOES = _story(
    "FrontDoor",
    Guest(Visit(ASTRONAUT, 1.5, (1250, 1090), (560, 1080), mirrored=True), "person", "Mira"),
    steps=6,
    seed=2,
)
OLGA_COMES = _story("Drive", Guest(_OLGA, "person", "Olga"), steps=6, seed=3)
OLGA_RINGS = _story(
    "FrontDoor",
    Guest(Visit(GRACE_HOPPER, 1.35, (500, 1100), (900, 1095)), "person", "Olga"),
    steps=5,
    seed=4,
)
BOTH = _story(
    "Drive",
    Guest(_OLGA, "person", "Olga"),
    Guest(Visit(ASTRONAUT, 0.86, (1640, 700), (1330, 704), mirrored=True), "person", "Mira"),
    steps=8,
    seed=5,
)
STRANGER = _story(
    "FrontDoor",
    Guest(Visit(GRACE_HOPPER, 1.2, (1180, 1090), (760, 1096), mirrored=True), "person"),
    steps=5,
    seed=6,
)
PROWLER = _story(
    "Garden", Guest(Visit(ASTRONAUT, 1.0, (1420, 1000), (820, 1040)), "person"), steps=5, seed=7
)
CAT_WALKS = _story("PlayroomDoor", Guest(_TOM, "cat"), steps=7, seed=8)
CAT_RETURNS = _story(
    "PlayroomDoor",
    Guest(Visit(CAT, 1.7, (1380, 846), (640, 846), mirrored=True), "cat"),
    steps=5,
    seed=9,
)
CAT_AT_NIGHT = _story(
    "Garden", Guest(Visit(CAT, 0.8, (700, 900), (1300, 980)), "cat"), steps=4, seed=10
)
NOTHING = _story("Garden", steps=4, seed=11)
WIND = _story("Drive", steps=3, seed=12)


@dataclass(frozen=True, slots=True)
class Happening:
    story: Story
    at: datetime
    """Local, naive."""


@dataclass(frozen=True, slots=True)
class Written:
    """What `write_history` made."""

    config: Path
    store: Path
    database: Path
    events: int
    captures: int


def write_history(folder: Path, *, until: datetime = UNTIL, days: int = DAYS) -> Written:
    """Make it all in `folder`, which may not hold any of it yet; `until` is local and naive."""
    store, database_path = folder / "events", folder / "annotator.sqlite"
    config = folder / "annotator.toml"
    store.mkdir(parents=True)
    # json.dumps quotes as TOML's basic strings want it.
    config.write_text(
        f"[store]\nroot = {json.dumps(str(store.absolute()))}\n"
        f"[database]\npath = {json.dumps(str(database_path.absolute()))}\n",
        encoding="utf-8",
    )
    for monitor, number in MONITORS.items():
        (store / str(number)).mkdir()
        (store / monitor).symlink_to(str(number))
    tree = open_tree(StoreSettings(root=store, layout="deep"))
    tree.monitors()  # now it knows their names
    happenings = _happenings(until, days)
    captures = 0
    with open_database(database_path, forbidden_root=store) as database:
        clock = SystemClock()
        backlog, results = SqlBacklog(database, clock), SqlStore(database, clock)
        for number, happening in enumerate(happenings):
            annotations = list(_recorded(tree, happening, random.Random(number)))
            failed = [_failed(annotations.pop())] if number % 37 == 12 else []
            backlog.add([one.capture for one in (*annotations, *failed)], Origin.LIVE)
            results.record(annotations, failed)
            captures += len(annotations) + len(failed)
        # The caller of many days is a stranger, as `trainer cluster` would find.
        callers = {
            one.id: 1
            for one in SqlQueries(database).stored_faces(FaceQuestion())
            if one.identification.name is None and one.capture.monitor == "FrontDoor"
        }
        SqlFaceBook(database, clock).group(callers)
    return Written(config, store, database_path, len(happenings), captures)


def _happenings(until: datetime, days: int) -> list[Happening]:
    found: list[Happening] = []
    for back in range(days, -1, -1):
        day = until.date() - timedelta(days=back)
        found += _day(day, random.Random(day.toordinal()))
    ended = sorted((one for one in found if one.at <= until), key=lambda one: one.at)
    # A recorder has one event per monitor and second at most.
    return [
        one
        for one, before in zip(ended, [None, *ended[:-1]], strict=True)
        if before is None or one.at - before.at > timedelta(seconds=60)
    ]


def _day(day: date, chance: random.Random) -> Iterator[Happening]:
    """One day: people who leave and come home, a cat, callers, the garden at night."""

    def at(hour: int, minute: int, spread_min: float) -> datetime:
        moment = datetime.combine(day, time(hour, minute))
        return moment + timedelta(seconds=round(60 * chance.gauss(0, spread_min)))

    works = day.weekday() < 5
    if works:
        yield Happening(MIRA_GOES, at(7, 50, 9))
        yield Happening(MIRA_COMES, at(17, 35, 20))
    else:
        yield Happening(MIRA_GOES, at(10, 40, 50))
        yield Happening(MIRA_COMES, at(13, 10, 40))
    if day.weekday() in (1, 3, 5):
        yield Happening(OLGA_COMES, at(15, 0, 12))
        yield Happening(OLGA_RINGS, at(15, 4, 1))
        if chance.random() < 0.6:
            yield Happening(BOTH, at(18, 10, 10))
    for _ in range(chance.randint(2, 6)):
        walks = chance.choice((CAT_WALKS, CAT_RETURNS))
        yield Happening(walks, at(chance.randint(6, 21), chance.randint(0, 59), 5))
    if works and chance.random() < 0.5:
        yield Happening(STRANGER, at(11, 20, 25))
    if chance.random() < 0.5:
        yield Happening(CAT_AT_NIGHT, at(chance.choice((1, 3, 4, 22, 23)), 30, 15))
    if chance.random() < 0.7:
        yield Happening(NOTHING, at(chance.choice((0, 2, 5, 23)), 10, 15))
    if chance.random() < 0.4:
        yield Happening(WIND, at(chance.randint(9, 16), 30, 15))
    if chance.random() < 0.1:
        yield Happening(PROWLER, at(2, 40, 20))


def _recorded(tree: EventTree, happening: Happening, chance: random.Random) -> Iterator[Annotation]:
    """Write an event's captures and say what is on them."""
    story, began = happening.story, happening.at
    number = 12
    # Of each person the face of one capture is embedded, as when faces are followed.
    best_step = story.scene.steps // 2
    for step in range(story.scene.steps):
        taken_at = began + timedelta(seconds=(number - 12) / FRAMES_PER_SECOND)
        directory = f"{MONITORS[story.scene.monitor]}/{began:%y/%m/%d/%H/%M/%S}"
        capture = tree.capture(f"{directory}/{number:05d}-capture.jpg")
        assert capture is not None
        path = tree.absolute(capture)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_jpeg(story, step, taken_at))
        yield Annotation(
            capture,
            taken_at.astimezone(UTC),
            *SIZE,
            tuple(_seen(story, step, chance, is_best=step == best_step)),
            PROVENANCE,
        )
        number += chance.choice((3, 3, 4, 6))


def _seen(story: Story, step: int, chance: random.Random, *, is_best: bool) -> Iterator[Detection]:
    for track, guest in enumerate(story.guests):
        box = _box(outline_box(story.scene, guest.visit, step))
        if box.width < 40 or box.height < 40:
            continue
        faces = tuple(_face(story, guest, step, track, chance, is_best=is_best))
        class_id = {"person": 0, "cat": 16}[guest.label]
        yield Detection(guest.label, class_id, _score(chance, 0.72, 0.97), box, faces)


def _face(
    story: Story, guest: Guest, step: int, track: int, chance: random.Random, *, is_best: bool
) -> Iterator[Face]:
    outline = FACES.get(guest.visit.figure)
    if outline is None:
        return
    box = _face_box(story.scene, guest.visit, step, outline)
    if guest.name is None:
        said = Identification(Identity.UNKNOWN, distance=0.71)
    else:
        said = Identification(Identity.KNOWN, guest.name, _score(chance, 0.86, 0.99), 0.38)
    if is_best:
        embedding = _embedding(guest.visit.figure, chance)
        yield Face(box, 0.94, 180.0, Gate.USABLE, embedding, said, track)
    else:
        yield Face(box, 0.88, 120.0, Gate.SEEN_BETTER, None, said, track)


def _face_box(
    scene: Scene, visit: Visit, step: int, outline: tuple[int, int, int, int]
) -> BoundingBox:
    from demo.scenes import place

    xs, ys = zip(*visit.figure.outline, strict=True)
    left, top, right, bottom = outline
    if visit.mirrored:
        left, right = min(xs) + max(xs) - right, min(xs) + max(xs) - left
    x, y = place(scene, visit, step)
    return _box(
        (
            round(x + (left - min(xs)) * visit.scale),
            round(y + (top - min(ys)) * visit.scale),
            round(x + (right - min(xs)) * visit.scale),
            round(y + (bottom - min(ys)) * visit.scale),
        )
    )


def _box(sides: tuple[int, int, int, int]) -> BoundingBox:
    """From pixels of the scene to pixels of the capture, cut at its edges."""
    left, top, right, bottom = sides
    x, y = SIZE[0] / WIDTH, SIZE[1] / HEIGHT
    xmin, ymin = max(0, round(left * x)), max(0, round(top * y))
    return BoundingBox(
        xmin,
        ymin,
        max(xmin + 1, min(SIZE[0], round(right * x))),
        max(ymin + 1, min(SIZE[1], round(bottom * y))),
    )


def _embedding(figure: Figure, chance: random.Random) -> bytes:
    """Not of any network: a point near the figure's own."""
    own = random.Random(figure.file)
    count = EMBEDDING_BYTES // 4
    values = [own.gauss(0, 0.09) + chance.gauss(0, 0.01) for _ in range(count)]
    return struct.pack(f"<{count}f", *values)


def _score(chance: random.Random, low: float, high: float) -> float:
    return round(chance.uniform(low, high), 3)


def _failed(annotation: Annotation) -> Failure:
    message = "it ends before its picture does, after 40960 bytes"
    return Failure(
        annotation.capture.path, Reason.TRUNCATED, message, annotation.capture, attempts=3
    )


def _jpeg(story: Story, step: int, taken_at: datetime) -> bytes:
    frame = _light(_frame(story.scene, step), story, taken_at)
    frame = stamped(frame, story.scene.monitor, taken_at).resize(SIZE, Image.Resampling.BILINEAR)
    out = io.BytesIO()
    frame.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


@cache
def _frame(scene: Scene, step: int) -> Image.Image:
    return unstamped(scene, step)


def _light(frame: Image.Image, story: Story, taken_at: datetime) -> Image.Image:
    """Dimmer mornings and evenings; the garden's camera sees by its own lamp, in grey."""
    if story.grey:
        return ImageOps.grayscale(frame).convert("RGB")
    noon = 1 - abs(taken_at.hour + taken_at.minute / 60 - 13.5) / 9
    return ImageEnhance.Brightness(frame).enhance(0.72 + 0.3 * max(0.0, min(1.0, noon)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demo.history",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a folder that is new or empty")
    parser.add_argument("--days", type=int, default=DAYS, help="(default: %(default)s)")
    parser.add_argument("--now", action="store_true", help="let it end now, and not on a fixed day")
    given = parser.parse_args(arguments)
    until = datetime.now().replace(microsecond=0) if given.now else UNTIL  # noqa: DTZ005
    written = write_history(given.folder, until=until, days=given.days)
    print(f"{written.events} events, {written.captures} captures; use it with")
    print(f"  export ANNOTATOR_CONFIG={written.config.absolute()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

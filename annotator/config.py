"""`annotator.toml` -> frozen sections with every default.

Every complaint is reported at once, with its key, the value, what was expected and, for a key that
does not exist, the nearest one that does. `annotator.toml` at the top of the project is the
commented sample; a test holds it against this file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)

from annotator import calendar
from annotator.domain import UNKNOWN_NAME
from annotator.errors import ConfigError
from annotator.places import CONFIG_NAME, default_database, read_toml, state_directory


def _hours(text: str) -> str:
    if text:
        calendar.hours(text)
    return text


def _weekdays(text: str) -> str:
    calendar.weekdays(text)
    return text


def _known_zone(name: str) -> str:
    if name != "local":
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('must be "local" or a time zone such as "Europe/Berlin"') from None
    return name


DEVICE = r"^((usb|pci)?:\d{1,2}|usb|pci)$"
"""Which Edge TPU, as libedgetpu reads it: the N-th of all, of those on USB, or on PCI."""
TILES = r"^(off|auto|[1-9]x[1-9])$"

Score = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=30 * 86400, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]
Place = Annotated[Path, AfterValidator(Path.expanduser)]
Port = Annotated[int, Field(ge=1, le=65535)]


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable, without blanks around it")
    return text


def _topic(text: str) -> str:
    if set(text) & set("+#\0") or text.startswith(("/", "$")) or text.endswith("/"):
        raise ValueError("must be a topic without + and #, and without / around it")
    return text


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    named = re.fullmatch(r"[^\s:/]+|\[[0-9a-fA-F:.]+\]", host)
    if text and not (named and port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise ValueError('must be a host and a port, such as "127.0.0.1:9105"')
    return text


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
Topic = Annotated[str, Field(max_length=200), AfterValidator(_printable), AfterValidator(_topic)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class StoreSettings(Section):
    """[store]: where the captures are. A MB is a million bytes, as everywhere."""

    root: Place | None = None
    layout: Literal["auto", "deep", "medium", "shallow", "plain"] = "auto"
    timezone: Annotated[str, AfterValidator(_known_zone)] = "local"
    max_capture_mb: Annotated[float, Field(gt=0, le=512)] = 32.0

    @property
    def max_capture_bytes(self) -> int:
        return int(self.max_capture_mb * 1e6)


class DatabaseSettings(Section):
    """[database]: where the answers go; None means the user's or service's state directory."""

    path: Place | None = None


class ModelSettings(Section):
    """[models]: where model files are kept and fetched from."""

    directory: Place | None = None
    mirror: str = ""


class InferenceSettings(Section):
    """[inference]: what runs the graphs."""

    delegate: Literal["auto", "cpu", "edgetpu"] = "auto"
    devices: tuple[Annotated[str, Field(pattern=DEVICE)], ...] = ()
    device_retry_s: Seconds = 30.0
    edgetpu_library: str = "libedgetpu.so.1"
    threads: Annotated[int, Field(ge=0, le=64)] = 0
    max_megapixels: Annotated[float, Field(gt=0, le=500)] = 50.0


class Zone(Section):
    """A polygon in shares of the picture's width and height, for `labels` only if there are any."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    points: Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3, max_length=256)]
    labels: tuple[str, ...] = ()


class LabelLimits(Section):
    """What differs for one label; None takes the limit that holds for all."""

    min_score: Score | None = None
    min_area: Share | None = None
    max_area: Share | None = None


def is_own_model(model: str) -> bool:
    """Whether a model's setting is the path of a file, not "auto" or a name of the catalogue."""
    return "/" in model or model.endswith(".tflite")


class DetectionSettings(Section):
    """[detection]: what counts as a detection; each key can differ per monitor.

    Areas are shares of the picture's.
    """

    model: str = "auto"
    head: str = "auto"
    labels_file: Place | None = None
    fit: Literal["auto", "stretch", "letterbox"] = "auto"
    tiles: Annotated[str, Field(pattern=TILES)] = "off"
    tile_overlap: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    min_score: Score = 0.5
    labels: tuple[str, ...] = ()
    min_area: Share = 0.0
    max_area: Share = 1.0
    by_label: dict[str, LabelLimits] = {}
    ignore: tuple[Zone, ...] = ()
    include: tuple[Zone, ...] = ()

    def with_model(self, model: str) -> DetectionSettings:
        """The same with another model; `head` and `labels_file` are for files of one's own."""
        others = {} if is_own_model(model) else {"head": "auto", "labels_file": None}
        return self.model_copy(update={"model": model, **others})

    @property
    def lowest_score(self) -> float:
        """No candidate below it can become a detection."""
        own = (limits.min_score for limits in self.by_label.values())
        return min((self.min_score, *(score for score in own if score is not None)))


class FaceSettings(Section):
    """[faces]: what is done inside a person's box; each key but those of `HOUSEHOLD` can differ per
    monitor."""

    enabled: bool = True
    model: str = "auto"
    person_labels: tuple[str, ...] = ("person",)
    min_score: Score = 0.6
    min_face_px: Annotated[int, Field(ge=1, le=10_000)] = 40
    min_sharpness: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 100.0
    max_turn: Annotated[float, Field(gt=0, le=1)] = 0.4
    outside_persons: bool = False
    max_embeddings_per_track: Annotated[int, Field(ge=1, le=1_000)] = 5
    mirrored: bool = True
    gallery: Place | None = None
    recogniser: Place | None = None


class SimilarSettings(Section):
    """[similar]: when a capture need not be looked at; each key can differ per monitor.

    `max_changed` is a share of the picture's area.
    """

    enabled: bool = False
    max_changed: Share = 0.0003
    refresh_s: Seconds = 10.0


class StationarySettings(Section):
    """[stationary]: what counts as parked; each key can differ per monitor."""

    enabled: bool = True
    after_s: Seconds = 300.0
    min_iou: Annotated[float, Field(gt=0, lt=1)] = 0.7
    gone_after: Annotated[int, Field(ge=1, le=10_000)] = 20
    except_labels: tuple[str, ...] = ("person",)


class WatchSettings(Section):
    """[watch]: how new captures are noticed and when the tree is compared with the database."""

    poll_interval_s: Seconds = 2.0
    settle_s: Seconds = 1.0
    incomplete_timeout_s: Seconds = 60.0
    reconcile_s: Seconds = 900.0
    reconcile_window_s: Annotated[float, Field(gt=0, le=3650 * 86400)] = 7 * 86400.0
    reconcile_listings_per_s: Annotated[float, Field(gt=0, le=1e6)] = 100.0


class MountSettings(Section):
    """[mount]: when the store counts as stalled, and what is done about it."""

    stall_s: Seconds = 15.0
    retry_s: Seconds = 5.0
    recover: Literal["off", "abort"] = "off"
    recover_after_s: Seconds = 120.0


class BacklogSettings(Section):
    """[backlog]: what is left out on purpose; each key can differ per monitor."""

    every_nth_frame: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    max_age_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class RetentionSettings(Section):
    """[retention]: what `annotator prune` takes away, by days; 0 keeps it for ever. Each key can
    differ per monitor.

    The days of detections, embeddings and captures count from when a capture was taken, those of
    events that the recorder has deleted from when that was found.
    """

    detections_days: Days = 0.0
    by_label: dict[str, Days] = {}
    unknown_embeddings_days: Days = 0.0
    empty_days: Days = 0.0
    gone_days: Days = 0.0


class WorkerSettings(Section):
    """[worker]: the process that looks at captures."""

    capture_timeout_s: Seconds = 30.0
    start_timeout_s: Seconds = 120.0
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    batch: Annotated[int, Field(ge=1, le=256)] = 8
    processes: Annotated[int, Field(ge=0, le=64)] = 0


UNKNOWN_WAIT_S = 20.0
"""Somebody who comes nearer is known by then, and a stranger is still there."""


class NotifyRule(Section):
    """[[notify]]: what is told, and to whom. Empty tuples filter nothing.

    `names` may hold "unknown" for faces of nobody known. `hours` and `weekdays` are by the local
    clock; a night counts for the day on which it begins. `to` are "mqtt" and names of [webhooks]
    and [commands]. It is told `told_after_s` after it was seen.
    """

    name: Name
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    monitors: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    hours: Annotated[str, AfterValidator(_hours)] = ""
    weekdays: tuple[Annotated[str, AfterValidator(_weekdays)], ...] = ()
    min_score: Score = 0.0
    min_probability: Score = 0.0
    min_box_px: Annotated[int, Field(ge=0, le=100_000)] = 0
    max_box_px: Annotated[int, Field(ge=1, le=100_000)] = 100_000
    quiet_s: Annotated[float, Field(ge=0, le=30 * 86400)] = 0.0
    max_age_s: Seconds = 600.0
    wait_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    picture: bool = False

    @property
    def told_after_s(self) -> float:
        """`wait_s`; by default a while for "unknown", whom a later capture may know."""
        usual = UNKNOWN_WAIT_S if UNKNOWN_NAME in self.names else 0.0
        return usual if self.wait_s is None else self.wait_s


class MqttSettings(Section):
    """[mqtt]: the broker; without a host there is none.

    A secret may be "env:NAME" or "file:PATH" instead (see `annotator.notify.secrets`).
    """

    host: str = ""
    port: Port = 1883
    username: str = ""
    password: SecretStr = SecretStr("")
    tls: bool = False
    ca_file: Place | None = None
    client_id: Annotated[str, Field(max_length=60), AfterValidator(_printable)] = "annotator"
    topic: Annotated[Topic, Field(min_length=1)] = "annotator"
    home_assistant: Topic = "homeassistant"
    off_delay_s: Annotated[int, Field(ge=1, le=86400)] = 30
    keep_alive_s: Annotated[int, Field(ge=5, le=3600)] = 60


class WebhookSettings(Section):
    """[webhooks.NAME]: where notices are POSTed; the URL and headers are secrets."""

    url: Annotated[SecretStr, Field(min_length=1)]
    headers: dict[str, SecretStr] = {}
    ca_file: Place | None = None
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0


class CommandSettings(Section):
    """[commands.NAME]: what is run for a notice, without a shell."""

    run: Annotated[tuple[str, ...], Field(min_length=1)]
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0


class MetricsSettings(Section):
    """[metrics]: what Prometheus may ask, or finds in a file."""

    listen: Annotated[str, AfterValidator(_listen)] = ""
    textfile: Place | None = None
    textfile_every_s: Annotated[float, Field(ge=5, le=3600)] = 60.0


OVERRIDABLE: dict[str, type[Section]] = {
    "detection": DetectionSettings,
    "faces": FaceSettings,
    "backlog": BacklogSettings,
    "similar": SimilarSettings,
    "stationary": StationarySettings,
    "retention": RetentionSettings,
}


HOUSEHOLD = ("mirrored", "gallery", "recogniser")
"""Keys of [faces] that hold for all monitors: a face is the same person before each of them."""


class MonitorOverrides(Section):
    """[monitors.NAME]: the keys of `OVERRIDABLE` sections that differ for one monitor."""

    detection: dict[str, Any] = {}
    faces: dict[str, Any] = {}
    backlog: dict[str, Any] = {}
    similar: dict[str, Any] = {}
    stationary: dict[str, Any] = {}
    retention: dict[str, Any] = {}


class MonitorSettings(Section):
    """What holds for one monitor once its overrides are applied."""

    detection: DetectionSettings
    faces: FaceSettings
    backlog: BacklogSettings
    similar: SimilarSettings
    stationary: StationarySettings
    retention: RetentionSettings


class Config(Section):
    """The whole configuration."""

    store: StoreSettings = StoreSettings()
    database: DatabaseSettings = DatabaseSettings()
    models: ModelSettings = ModelSettings()
    inference: InferenceSettings = InferenceSettings()
    detection: DetectionSettings = DetectionSettings()
    faces: FaceSettings = FaceSettings()
    watch: WatchSettings = WatchSettings()
    mount: MountSettings = MountSettings()
    backlog: BacklogSettings = BacklogSettings()
    similar: SimilarSettings = SimilarSettings()
    stationary: StationarySettings = StationarySettings()
    retention: RetentionSettings = RetentionSettings()
    worker: WorkerSettings = WorkerSettings()
    notify: tuple[NotifyRule, ...] = ()
    mqtt: MqttSettings = MqttSettings()
    webhooks: dict[Name, WebhookSettings] = {}
    commands: dict[Name, CommandSettings] = {}
    metrics: MetricsSettings = MetricsSettings()
    monitors: dict[str, MonitorOverrides] = {}

    _by_monitor: dict[str | None, MonitorSettings] = PrivateAttr(default_factory=dict)

    def for_monitor(self, name: str) -> MonitorSettings:
        """What holds for one monitor, by its name in the store; put together once, and once for all
        that have no settings of their own: names come from the store, and may be any number."""
        return self._settings(name if name in self.monitors else None)

    def _settings(self, key: str | None) -> MonitorSettings:
        """Of a monitor with settings of its own; None means all others."""
        if key not in self._by_monitor:
            overrides = MonitorOverrides() if key is None else self.monitors[key]
            self._by_monitor[key] = MonitorSettings(
                detection=_overridden(self.detection, overrides.detection),
                faces=_overridden(self.faces, overrides.faces),
                backlog=_overridden(self.backlog, overrides.backlog),
                similar=_overridden(self.similar, overrides.similar),
                stationary=_overridden(self.stationary, overrides.stationary),
                retention=_overridden(self.retention, overrides.retention),
            )
        return self._by_monitor[key]

    def for_all(self) -> tuple[MonitorSettings, ...]:
        """What holds for monitors without overrides, and for each with some."""
        return tuple(map(self._settings, (None, *self.monitors)))

    def detectors(self) -> tuple[DetectionSettings, ...]:
        """The detection settings that differ in what they load; the first of those that do not."""
        by_key: dict[tuple[str, str, Path | None], DetectionSettings] = {}
        for settings in (one.detection for one in self.for_all()):
            by_key.setdefault((settings.model, settings.head, settings.labels_file), settings)
        return tuple(by_key.values())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Config:
        copied = super().model_copy(update=update, deep=deep)
        copied._by_monitor = {}
        return copied

    def with_places(self, store: Path | None = None, database: Path | None = None) -> Config:
        """The same with another store or database, as the command line names them."""
        changed: dict[str, Section] = {}
        if store is not None:
            changed["store"] = self.store.model_copy(update={"root": store.expanduser()})
        if database is not None:
            path = {"path": database.expanduser()}
            changed["database"] = self.database.model_copy(update=path)
        return self.model_copy(update=changed)

    @property
    def database_path(self) -> Path:
        """[database] path, else the service's or the user's state directory."""
        if self.database.path is not None:
            return self.database.path
        return default_database()

    @property
    def models_directory(self) -> Path:
        """[models] directory, else `models` in the service's or the user's state directory."""
        return self.models.directory or state_directory() / "models"

    @property
    def recogniser_path(self) -> Path:
        """[faces] recogniser, else `recogniser.bundle` beside the models."""
        return self.faces.recogniser or self.models_directory / "recogniser.bundle"

    @property
    def gallery_path(self) -> Path:
        """[faces] gallery, else `gallery` in the service's or the user's state directory."""
        return self.faces.gallery or state_directory() / "gallery"

    @property
    def store_root(self) -> Path:
        """[store] root; ConfigError where none is named."""
        if self.store.root is None:
            raise ConfigError(
                "no event store is named",
                f"set `root` in the [store] section of {CONFIG_NAME}, or pass --store DIR",
            )
        return self.store.root


_S = TypeVar("_S", bound=Section)


def _overridden(base: _S, overrides: Mapping[str, Any]) -> _S:
    if not overrides:
        return base
    return type(base).model_validate({**base.model_dump(), **overrides})


def load_config(path: Path | None) -> Config:
    """Read and check one file; None gives the defaults. Raises ConfigError with every complaint."""
    if path is None:
        return Config()
    return check_config(read_toml(path), str(path))


def check_config(data: Mapping[str, Any], source: str) -> Config:
    """A Config from parsed TOML; ConfigError lists every problem, one per line."""
    problems = list(_problems(Config, data, ()))
    monitors = data.get("monitors")
    for name, overrides in monitors.items() if isinstance(monitors, Mapping) else ():
        if isinstance(overrides, Mapping):
            for key, section in OVERRIDABLE.items():
                if isinstance(overrides.get(key), Mapping):
                    problems += _problems(section, overrides[key], ("monitors", name, key))
            faces = overrides.get("faces")
            problems += [
                f"monitors.{name}.faces.{key}: holds for all monitors; set it in [faces]"
                for key in HOUSEHOLD
                if isinstance(faces, Mapping) and key in faces
            ]
    problems += _rule_problems(data)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(
            "\n".join([f"{source}: {count}", *(f"  {problem}" for problem in problems)]),
            "mend the file, then run `annotator config check`",
        )
    return Config.model_validate(data)


MQTT = "mqtt"
"""What a rule calls the broker."""


def _rule_problems(data: Mapping[str, Any]) -> list[str]:
    """What no section can see by itself: rules that name nobody to tell, names that mean two."""
    webhooks, commands, broker = (data.get(key) for key in ("webhooks", "commands", MQTT))
    webhooks = webhooks if isinstance(webhooks, Mapping) else {}
    commands = commands if isinstance(commands, Mapping) else {}
    problems = [
        f"{section}.{MQTT}: that name means the broker; take another one"
        for section, targets in (("webhooks", webhooks), ("commands", commands))
        if MQTT in targets
    ]
    problems += [
        f"commands.{name}: [webhooks] has that name too; take another one"
        for name in commands
        if name in webhooks
    ]
    targets = [*webhooks, *commands]
    if isinstance(broker, Mapping) and broker.get("host"):
        targets.append(MQTT)
    names: list[object] = []
    rules = data.get("notify")
    for place, rule in enumerate(rules if isinstance(rules, list | tuple) else ()):
        if not isinstance(rule, Mapping):
            continue
        name, wanted = rule.get("name"), rule.get("to")
        if name in names:
            problems.append(f"notify.{place}.name = {name!r}: another rule has that name")
        names.append(name)
        unknown = [one for one in wanted if one not in targets] if isinstance(wanted, list) else []
        problems += [f"notify.{place}.to: {_no_target(str(one), targets)}" for one in unknown]
    return problems


def _no_target(name: str, targets: Sequence[str]) -> str:
    if name == MQTT:
        return f"for {MQTT!r}, name the `host` in [mqtt]"
    near = difflib.get_close_matches(name, targets, n=1)
    known = ", ".join(map(repr, targets)) or "no [mqtt], [webhooks.NAME] or [commands.NAME]"
    return f"there is no {name!r}; " + (
        f"did you mean {near[0]!r}?" if near else f"there is {known}"
    )


def _problems(
    section: type[Section], data: Mapping[str, Any], prefix: tuple[str, ...]
) -> list[str]:
    try:
        section.model_validate(data)
    except ValidationError as error:
        return [
            _complaint(section, prefix, tuple(str(part) for part in problem["loc"]), problem)
            for problem in error.errors(include_url=False)
        ]
    return []


def _complaint(
    section: type[Section], prefix: tuple[str, ...], location: tuple[str, ...], problem: Any
) -> str:
    key = ".".join((*prefix, *location))
    if problem["type"] == "extra_forbidden":
        known = _keys_beside(section, location)
        near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"{key}: no such key; {hint}"
    if problem["type"] == "missing":  # its input is all that is beside it
        return f"{key}: has to be there"
    may_be_secret = location[0] == "webhooks" or location == (MQTT, "password")
    told = key if may_be_secret else f"{key} = {problem['input']!r}"
    return f"{told}: {problem['msg'].removeprefix('Value error, ')}"


def _keys_beside(section: type[Section], location: tuple[str, ...]) -> list[str]:
    fields = section.model_fields
    for part in location[:-1]:
        inner = _section_of(fields[part].annotation) if part in fields else None
        # A part that is no field is a place in a list, or the NAME of [monitors.NAME] and the like.
        fields = inner.model_fields if inner else fields
    return sorted(fields)


def _section_of(annotation: Any) -> type[Section] | None:
    """The section that a key holds, or holds several of."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, Section):
            return one
    return None

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from annotator.config import (
    CommandSettings,
    Config,
    NotifyRule,
    Section,
    WebhookSettings,
    check_config,
    load_config,
)
from annotator.errors import ConfigError
from annotator.places import find_config

MANY: dict[str, type[Section]] = {
    "notify": NotifyRule,
    "webhooks": WebhookSettings,
    "commands": CommandSettings,
}
"""Sections of which there may be several; the sample has one of each."""
SAMPLE = Path(__file__).parents[2] / "annotator.toml"


def test_nothing_configured_gives_every_default() -> None:
    config = load_config(None)
    assert config.detection.min_score == 0.5
    assert config.for_monitor("anything").faces == config.faces


def test_every_problem_is_reported_at_once_with_key_value_and_nearest_key() -> None:
    bad = {
        "stor": {},
        "store": {"timezone": "Mars/Base"},
        "detection": {"min_scor": 0.5, "min_score": 3},
        "monitors": {"FrontDoor": {"detection": {"lables": []}, "face": {}}},
    }
    with pytest.raises(ConfigError) as caught:
        check_config(bad, "my.toml")
    message = str(caught.value)
    assert message.startswith("my.toml: 6 problems")
    assert "stor: no such key; did you mean `store`?" in message
    assert "store.timezone = 'Mars/Base': must be" in message
    assert "detection.min_scor: no such key; did you mean `min_score`?" in message
    assert "detection.min_score = 3: Input should be less than or equal to 1" in message
    assert "monitors.FrontDoor.detection.lables: no such key; did you mean `labels`?" in message
    assert "monitors.FrontDoor.face: no such key; did you mean `faces`?" in message
    assert caught.value.exit_code == 4
    assert caught.value.next_step


def test_a_monitor_overrides_single_keys() -> None:
    config = check_config(
        {
            "detection": {"min_score": 0.4, "labels": ["car"]},
            "monitors": {"Door": {"detection": {"min_score": 0.7}, "faces": {"enabled": False}}},
        },
        "test",
    )
    door = config.for_monitor("Door")
    assert (door.detection.min_score, door.detection.labels) == (0.7, ("car",))
    assert not door.faces.enabled
    assert config.for_monitor("Garden").detection.min_score == 0.4


def test_the_sample_names_every_key_with_its_default() -> None:
    text = SAMPLE.read_text()
    assert load_config(SAMPLE) == Config()
    # With all settings switched on, it still loads, and names whatever there is.
    active = re.sub(r"^# (\[{0,2}\w[\w.]*\]{0,2}(?: = .*)?)$", r"\1", text, flags=re.MULTILINE)
    data = tomllib.loads(active)
    example = check_config(data, "sample")
    for name, field in Config.model_fields.items():
        if name == "monitors":
            assert data["monitors"]
            continue
        if name in MANY:
            kind, one = MANY[name], data[name]
            (one,) = one if name == "notify" else one.values()
            assert set(one) == set(kind.model_fields), f"{name} in {SAMPLE.name}"
            continue
        section = field.default
        assert set(data[name]) == set(type(section).model_fields), f"[{name}] in {SAMPLE.name}"
        for key, value in section.model_dump().items():
            if value is not None:
                assert getattr(getattr(example, name), key) == value, f"{name}.{key}"


def test_broken_and_missing_files_are_config_errors(tmp_path: Path) -> None:
    broken = tmp_path / "annotator.toml"
    broken.write_text("[store\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(broken)
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "nowhere.toml")


def test_a_named_file_wins(tmp_path: Path) -> None:
    assert find_config(tmp_path / "x.toml") == tmp_path / "x.toml"


def test_a_command_that_needs_the_store_says_how_to_name_it() -> None:
    with pytest.raises(ConfigError) as caught:
        _ = Config().store_root
    assert "--store" in caught.value.next_step


def test_what_holds_for_a_monitor_is_put_together_once() -> None:
    config = Config.model_validate({"monitors": {"": {"faces": {"enabled": False}}, "Door": {}}})
    assert not config.for_monitor("").faces.enabled
    usual = config.for_monitor("from a file's name")
    assert usual.faces.enabled
    assert all(config.for_monitor(f"{n}") is usual for n in range(3))
    assert config.for_monitor("Door") is config.for_monitor("Door") is not usual
    assert [one.faces.enabled for one in config.for_all()] == [True, False, True]
    changed = config.model_copy(update={"faces": config.faces.model_copy(update={"max_turn": 1.0})})
    assert changed.for_monitor("1").faces.max_turn == 1.0


def test_what_holds_for_all_monitors_cannot_be_said_for_one() -> None:
    with pytest.raises(ConfigError, match=r"monitors.Door.faces.mirrored: holds for all monitors"):
        check_config({"monitors": {"Door": {"faces": {"mirrored": False}}}}, "test")


def test_what_loads_the_same_is_loaded_once() -> None:
    config = check_config(
        {
            "monitors": {
                "Door": {"detection": {"min_score": 0.7}},
                "Yard": {"detection": {"model": "blazepose"}},
                "Hall": {"detection": {"model": "blazepose", "tiles": "2x1"}},
            }
        },
        "test",
    )
    assert [settings.model for settings in config.detectors()] == ["auto", "blazepose"]
    assert len(config.for_all()) == 4


RULE = {"name": "door", "to": ["phone"], "labels": ["person"]}
PHONE = {"phone": {"url": "https://ntfy.example/door"}}


def test_a_rule_with_its_target_is_good() -> None:
    config = check_config({"notify": [RULE], "webhooks": PHONE}, "test")
    assert config.notify[0].max_age_s == 600
    assert "ntfy" not in config.model_dump_json(), "URLs are secrets"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (
            {"notify": [{**RULE, "lables": []}]},
            "notify.0.lables: no such key; did you mean `labels`",
        ),
        ({"notify": [{"name": "door"}]}, "notify.0.to"),
        ({"notify": [{**RULE, "to": []}]}, "notify.0.to = []"),
        ({"notify": [{**RULE, "hours": "22-25"}]}, "notify.0.hours = '22-25'"),
        ({"notify": [{**RULE, "hours": "26:00-06:00"}]}, "notify.0.hours = '26:00-06:00'"),
        ({"notify": [{**RULE, "weekdays": ["funday"]}]}, "notify.0.weekdays.0 = 'funday'"),
        ({"notify": [{**RULE, "name": "a\nb"}]}, "must be printable"),
        ({"notify": [RULE, RULE]}, "notify.1.name = 'door': another rule has that name"),
        ({"notify": [{**RULE, "to": ["phones"]}]}, "there is no 'phones'; did you mean 'phone'?"),
        ({"notify": [{**RULE, "to": ["mqtt"]}]}, "for 'mqtt', name the `host` in [mqtt]"),
        ({"webhooks": {"mqtt": {"url": "x"}}}, "webhooks.mqtt: that name means the broker"),
        (
            {"commands": {"phone": {"run": ["true"]}}},
            "commands.phone: [webhooks] has that name too",
        ),
        ({"commands": {"bell": {"run": []}}}, "commands.bell.run = []"),
        (
            {"webhooks": {"phone": {"urls": "x"}}},
            "webhooks.phone.urls: no such key; did you mean `url`",
        ),
        ({"mqtt": {"topic": "a/+/b"}}, "mqtt.topic = 'a/+/b': must be a topic"),
        ({"mqtt": {"port": 0}}, "mqtt.port = 0"),
        ({"metrics": {"listen": "9105"}}, "metrics.listen = '9105': must be a host and a port"),
        ({"metrics": {"listen": "127.0.0.1:99999"}}, "must be a host and a port"),
    ],
)
def test_what_cannot_be_told_is_said(data: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config({"webhooks": PHONE, **data}, "test")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        {"webhooks": {"phone": {"headers": {"Authorization": "s3cret"}}}},
        {"webhooks": {"phone": "https://s3cret"}},
        {"webhooks": {"phone": {"url": ["s3cret"]}}},
        {"webhooks": {"phone": {"url": "x", "headers": {"Authorization": {"s3cret": 1}}}}},
        {"mqtt": {"password": ["s3cret"]}},
    ],
)
def test_a_complaint_tells_no_secret(data: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(data, "test")
    assert "s3cret" not in str(caught.value)


def test_all_that_is_wrong_with_rules_is_said_at_once() -> None:
    bad = {"notify": [{**RULE, "to": ["bell", "mqtt"], "hours": "x", "min_scor": 1}]}
    with pytest.raises(ConfigError, match="4 problems"):
        check_config(bad, "test")


@pytest.mark.parametrize("listen", ["127.0.0.1:9105", "[::1]:9105", "localhost:80", ""])
def test_where_metrics_may_listen(listen: str) -> None:
    assert check_config({"metrics": {"listen": listen}}, "test").metrics.listen == listen

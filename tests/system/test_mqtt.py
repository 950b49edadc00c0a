"""Notices at a real broker, and what Home Assistant finds there."""

from __future__ import annotations

import gc
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from annotator.config import MqttSettings, NotifyRule
from annotator.errors import DeliveryError
from annotator.notices import Vitals
from annotator.notify.discovery import discovery_topic
from annotator.notify.mqtt import MqttDeliverer
from tests.contracts.notices import notice
from tests.system.broker import Broker, Reader, reading, serving

DOOR = NotifyRule(name="Door at night", to=("mqtt",), picture=True)
CAR = NotifyRule(name="Auto/+# ä", to=("mqtt",))
VITALS = Vitals("online", 3, 41.6)

# What Home Assistant documents for each platform at
# https://www.home-assistant.io/integrations/{binary_sensor,sensor,image}.mqtt/#configuration,
# as far as it may stand in a device's discovery message.
SHARED = {"platform", "name", "unique_id", "entity_category", "json_attributes_topic", "qos"}
REQUIRED = {
    "binary_sensor": {"state_topic", "unique_id"},
    "sensor": {"state_topic", "unique_id"},
    "image": {"image_topic", "unique_id"},
}
OPTIONAL = {
    "binary_sensor": {"device_class", "off_delay", "force_update", "value_template"},
    "sensor": {"device_class", "state_class", "unit_of_measurement", "value_template"},
    "image": {"content_type"},
}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with serving(tmp_path) as made:
        yield made


@pytest.fixture
def reader(broker: Broker) -> Iterator[Reader]:
    with reading(broker) as made:
        yield made


def settings(broker: Broker, **other: object) -> MqttSettings:
    return MqttSettings.model_validate({"host": "127.0.0.1", "port": broker.port, **other})


@pytest.fixture
def deliverer(broker: Broker) -> Iterator[MqttDeliverer]:
    made = MqttDeliverer(settings(broker), [DOOR, CAR], lambda: VITALS)
    yield made
    made.close()


def test_a_notice_is_told_to_everybody_who_listens(
    deliverer: MqttDeliverer, reader: Reader
) -> None:
    told = replace(notice("Door at night", person="Anna"), id=17)
    deliverer.deliver(told, b"\xff\xd8 a picture")
    message = reader.object("annotator/Door/Door at night")
    assert message["notice"] == 17
    assert message["rule"] == "Door at night"
    assert message["person"] == "Anna"
    assert message["monitor"] == "Door"
    assert message["box"] == {"xmin": 10, "ymin": 20, "xmax": 110, "ymax": 220}
    assert message["captured_at"] == "2024-05-01T12:00:00.000+00:00"
    sensors = components(reader)
    on, last, picture = (sensors[f"door_at_night_{hash_of(sensors)}_{part}"] for part in PARTS)
    assert reader.payloads(on["state_topic"]) == [b"ON"]
    assert reader.object(last["state_topic"]) == message
    assert reader.payloads(picture["image_topic"]) == [b"\xff\xd8 a picture"]


PARTS = ("on", "last", "picture")


def hash_of(found: dict[str, Any]) -> str:
    """Of the rule's name, which is not a plain word."""
    (key,) = (name for name in found if name.startswith("door_at_night") and name.endswith("_on"))
    return key.removeprefix("door_at_night_").removesuffix("_on")


def components(reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = reader.object("homeassistant/device/annotator/config")["components"]
    return found


def test_home_assistant_is_told_what_it_documents(
    deliverer: MqttDeliverer, broker: Broker, reader: Reader
) -> None:
    deliverer.tend()
    reader.wait_for("annotator/status")
    with reading(broker) as later:  # what is retained
        topic = "homeassistant/device/annotator/config"
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", topic.split("/")[2])
        told = later.object(topic)
        availability = later.wait_for("annotator/availability")
        status = later.object("annotator/status")
    assert set(told) == {"device", "origin", "availability_topic", "qos", "components"}
    assert set(told["device"]) == {"identifiers", "name", "model", "sw_version"}
    assert told["device"]["identifiers"] == ["annotator"]
    assert set(told["origin"]) == {"name", "sw_version"}
    assert told["availability_topic"] == "annotator/availability"
    assert availability == [b"online"]
    assert told["qos"] in (0, 1, 2)
    ids = [one["unique_id"] for one in told["components"].values()]
    assert len(set(ids)) == len(ids) == 3 + 2 + 4
    for name, one in told["components"].items():
        platform = one["platform"]
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert one.keys() >= REQUIRED[platform], name
        assert one.keys() <= REQUIRED[platform] | OPTIONAL[platform] | SHARED, name
        for key in one:
            if key.endswith("_topic"):
                assert re.fullmatch(r"annotator/[^+#]+", one[key]), name
        if platform == "binary_sensor":
            assert one["device_class"] in ("motion", "problem")
        if one.get("device_class") == "timestamp":
            assert one["value_template"] == "{{ value_json.captured_at }}"
        field = re.fullmatch(r"\{\{ value_json\.(\w+) \}\}", one.get("value_template", ""))
        if one.get("state_topic") == "annotator/status":
            assert field
            assert field[1] in status
    on = [one for one in told["components"].values() if one.get("off_delay")]
    assert [one["off_delay"] for one in on] == [30, 30]
    assert status == {
        "store": "online",
        "waiting": 3,
        "annotated_per_minute": 42,
        "stood_in_for": [],
        "problem": "OFF",
    }


def test_a_rule_that_is_gone_is_taken_back(broker: Broker, reader: Reader) -> None:
    before = MqttDeliverer(settings(broker), [DOOR, CAR])
    before.deliver(notice(DOOR.name), b"\xff\xd8")
    door = {name: one for name, one in components(reader).items() if "door" in name}
    before.close()
    after = MqttDeliverer(settings(broker), [CAR])
    after.tend()
    after.close()
    first, removing, last = reader.wait_for(discovery_topic(settings(broker)), 3)
    assert set(json.loads(first)["components"]) == set(json.loads(removing)["components"])
    for name, one in door.items():
        assert json.loads(removing)["components"][name] == {"platform": one["platform"]}
        assert name not in json.loads(last)["components"]
    with reading(broker) as later:
        later.wait_for("annotator/availability")
        left = {topic for topic, _, _ in later.heard}
    assert not any(part in topic for topic in left for part in ("door_at_night",))


def test_without_home_assistant_there_is_no_discovery(broker: Broker, reader: Reader) -> None:
    deliverer = MqttDeliverer(settings(broker, home_assistant="", topic="house/eyes"), [CAR])
    deliverer.deliver(notice(CAR.name, monitor="../$SYS/+\0#"), None)
    deliverer.close()
    reader.wait_for("house/eyes/.._$SYS____/Auto___ ä")
    assert not [topic for topic, _, _ in reader.heard if topic.startswith("homeassistant")]


def test_what_is_sent_to_try_leaves_nothing_behind(broker: Broker, reader: Reader) -> None:
    deliverer = MqttDeliverer(settings(broker), [DOOR], announce=False)
    deliverer.deliver(replace(notice(DOOR.name), test=True), b"\xff\xd8")
    deliverer.close()
    assert reader.object("annotator/Door/Door at night")["test"] is True
    assert [topic for topic, _, _ in reader.heard] == ["annotator/Door/Door at night"]


def test_it_says_goodbye_and_its_last_will_does_so_for_it(
    deliverer: MqttDeliverer, reader: Reader
) -> None:
    deliverer.tend()
    deliverer.close()
    assert reader.wait_for("annotator/availability", 2) == [b"online", b"offline"]


def test_a_broker_that_is_away_is_an_error_and_then_it_is_not(
    broker: Broker, deliverer: MqttDeliverer
) -> None:
    broker.stop()
    with pytest.raises(DeliveryError, match="cannot connect to the broker"):
        deliverer.deliver(notice(DOOR.name), None)
    broker.start()
    with reading(broker) as reader:
        deliverer.deliver(notice(DOOR.name), None)
        reader.wait_for("annotator/Door/Door at night")


def test_a_broker_that_is_restarted_gets_each_notice_once(
    broker: Broker, deliverer: MqttDeliverer
) -> None:
    deliverer.deliver(notice(DOOR.name), None)
    broker.stop()
    with pytest.raises(DeliveryError):
        deliverer.deliver(notice(DOOR.name, "2"), None)
    broker.start()
    with reading(broker) as reader:
        deliverer.deliver(notice(DOOR.name, "2"), None)
        deliverer.deliver(notice(DOOR.name, "3"), None)
        told = reader.wait_for("annotator/Door/Door at night", 2)
    assert [json.loads(one)["event"] for one in told] == ["2", "3"]


@pytest.mark.parametrize("password", ["wrong", "secret"])
def test_the_password_counts(tmp_path: Path, password: str) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{password}\n")
    with serving(tmp_path, user="eyes") as broker:
        wanted = settings(broker, username="eyes", password=SecretStr(f"file:{secret}"))
        deliverer = MqttDeliverer(wanted, [CAR])
        if password == "secret":
            deliverer.deliver(notice(CAR.name), None)
        else:
            with pytest.raises(DeliveryError, match="lets nobody in: Not authorized") as caught:
                deliverer.deliver(notice(CAR.name), None)
            assert password not in str(caught.value)
        deliverer.close()


def test_it_can_be_closed_while_it_connects(broker: Broker) -> None:
    """From another thread, as the end of the daemon does."""
    deliverer = MqttDeliverer(settings(broker), [CAR])

    def tend() -> None:
        with suppress(DeliveryError):
            deliverer.tend()

    tending = threading.Thread(target=tend)
    tending.start()
    deliverer.close()
    tending.join(20)
    deliverer.close()
    with pytest.raises(DeliveryError, match="not needed any more"):
        deliverer.tend()


@pytest.fixture
def no_garbage_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_closed_it_has_nothing_open(broker: Broker, no_garbage_collected: None) -> None:
    """Nor has what was refused: a broker that is away for a night is tried a thousand times."""
    wrong = settings(broker, ca_file="/dev/null", tls=True)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        deliverer = MqttDeliverer(settings(broker), [CAR])
        deliverer.tend()
        deliverer.close()
        with pytest.raises(DeliveryError):
            MqttDeliverer(wrong, [CAR]).tend()
    del deliverer
    assert len(list(Path("/proc/self/fd").iterdir())) == before

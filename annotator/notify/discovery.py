"""What Home Assistant is told of this annotator, so that it sets up everything by itself; pure.

One retained message describes a device with all its entities ("device discovery",
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotator import __version__
from annotator.config import MqttSettings, NotifyRule
from annotator.notify.message import identifier, topic_part

ONLINE, OFFLINE, ON = "online", "offline", "ON"
_TOPICS = ("state_topic", "json_attributes_topic", "image_topic")


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic of one annotator, below `root`."""

    root: str

    @property
    def availability(self) -> str:
        """Retained: "online", or "offline" from the last will."""
        return f"{self.root}/availability"

    @property
    def status(self) -> str:
        """Retained JSON: how the daemon is."""
        return f"{self.root}/status"

    def event(self, monitor: str, rule: str) -> str:
        """Each notice, as JSON."""
        return f"{self.root}/{topic_part(monitor)}/{topic_part(rule)}"

    def state(self, rule: str) -> str:
        """ON with each notice."""
        return f"{self.root}/rule/{identifier(rule)}/state"

    def last(self, rule: str) -> str:
        """Retained: the last notice, as JSON."""
        return f"{self.root}/rule/{identifier(rule)}/last"

    def picture(self, rule: str) -> str:
        """Retained: the last notice's JPEG, for rules with `picture`."""
        return f"{self.root}/rule/{identifier(rule)}/picture"


def discovery_topic(settings: MqttSettings) -> str:
    return f"{settings.home_assistant}/device/{identifier(settings.topic)}/config"


def discovery(
    settings: MqttSettings, rules: Sequence[NotifyRule], gone: Mapping[str, str] | None = None
) -> bytes:
    """The device, with a sensor or two for each rule and some for the daemon itself.

    `gone` are components that are to be removed, with their platform.
    """
    topics, node = Topics(settings.topic), identifier(settings.topic)
    components: dict[str, Any] = {}
    for rule in rules:
        components |= _of_rule(rule, topics, node, settings.off_delay_s)
    components |= _of_daemon(topics, node)
    components |= {name: {"platform": platform} for name, platform in (gone or {}).items()}
    return json.dumps(
        {
            "device": {
                "identifiers": [node],
                "name": settings.topic,
                "model": "annotator",
                "sw_version": __version__,
            },
            "origin": {"name": "annotator", "sw_version": __version__},
            "availability_topic": topics.availability,
            "qos": 1,
            "components": components,
        }
    ).encode()


def removed(before: bytes, settings: MqttSettings, rules: Sequence[NotifyRule]) -> dict[str, str]:
    """The components of an earlier message that are no more, with their platform."""
    now = json.loads(discovery(settings, rules))["components"]
    return {
        name: str(one.get("platform"))
        for name, one in _components(before).items()
        if name not in now and one.get("platform")
    }


def abandoned_topics(
    before: bytes, settings: MqttSettings, rules: Sequence[NotifyRule]
) -> frozenset[str]:
    """The topics below ours in an earlier message of which nothing is retained any more."""

    def topics_of(message: bytes) -> set[str]:
        named = (one.get(key) for one in _components(message).values() for key in _TOPICS)
        return {topic for topic in named if isinstance(topic, str)}

    gone = topics_of(before) - topics_of(discovery(settings, rules))
    return frozenset(topic for topic in gone if topic.startswith(f"{settings.topic}/"))


def _components(message: bytes) -> dict[str, dict[str, Any]]:
    """Of a message that anybody may have sent."""
    try:
        found = json.loads(message)["components"]
        return {name: one for name, one in found.items() if isinstance(one, dict)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _of_rule(rule: NotifyRule, topics: Topics, node: str, off_delay_s: int) -> dict[str, Any]:
    key = identifier(rule.name)
    found: dict[str, Any] = {
        f"{key}_on": {
            "platform": "binary_sensor",
            "name": rule.name,
            "device_class": "motion",
            "state_topic": topics.state(rule.name),
            "off_delay": off_delay_s,
            "force_update": True,
        },
        f"{key}_last": {
            "platform": "sensor",
            "name": f"{rule.name} last",
            "device_class": "timestamp",
            "state_topic": topics.last(rule.name),
            "value_template": "{{ value_json.captured_at }}",
            "json_attributes_topic": topics.last(rule.name),
        },
    }
    if rule.picture:
        found[f"{key}_picture"] = {
            "platform": "image",
            "name": f"{rule.name} picture",
            "content_type": "image/jpeg",
            "image_topic": topics.picture(rule.name),
        }
    for name, one in found.items():
        one["unique_id"] = f"{node}_{name}"
    return found


def _of_daemon(topics: Topics, node: str) -> dict[str, Any]:
    def diagnostic(name: str, title: str, field: str, **more: str) -> dict[str, Any]:
        return {
            "unique_id": f"{node}_{name}",
            "name": title,
            "state_topic": topics.status,
            "value_template": f"{{{{ value_json.{field} }}}}",
            "entity_category": "diagnostic",
            **more,
        }

    measured = {"platform": "sensor", "state_class": "measurement"}
    return {
        "daemon_store": diagnostic("daemon_store", "Store", "store", platform="sensor"),
        "daemon_waiting": diagnostic(
            "daemon_waiting", "Backlog", "waiting", unit_of_measurement="captures", **measured
        ),
        "daemon_rate": diagnostic(
            "daemon_rate",
            "Rate",
            "annotated_per_minute",
            unit_of_measurement="captures/min",
            **measured,
        ),
        "daemon_problem": diagnostic(
            "daemon_problem",
            "Problem",
            "problem",
            platform="binary_sensor",
            device_class="problem",
        ),
    }

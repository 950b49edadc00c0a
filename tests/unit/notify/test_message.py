from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from annotator.config import Config, MqttSettings, NotifyRule
from annotator.domain import BoundingBox
from annotator.errors import ConfigError
from annotator.notify.discovery import abandoned_topics, discovery, removed
from annotator.notify.message import body, identifier, text, topic_part
from annotator.notify.secrets import revealed
from tests.contracts.notices import notice

DOCUMENT = (Path(__file__).parents[3] / "docs" / "notify.md").read_text()


def test_the_message_is_as_documented() -> None:
    told = json.loads(body(notice(), b"jpeg"))
    documented = re.findall(r"^\| `(\w+)`", DOCUMENT.partition("## The message")[2], re.MULTILINE)
    assert list(told) == documented[: len(told)]


def test_the_message_says_what_was_seen() -> None:
    seen = {
        "name": "Anna",
        "probability": 0.875,
        "verdict": "known",
        "face_box": BoundingBox(1, 2, 3, 4),
        "stranger": 17,
    }
    told = json.loads(body(replace(notice(person="Anna", **seen), id=3)))
    assert told["face"] == told["person"] == "Anna"
    assert told["faceBox"] == {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}
    assert (told["faceProba"], told["stranger"], told["notice"]) == (0.875, "stranger-017", 3)
    assert "Anna (person) at Door, " in text(notice(person="Anna"))
    assert "person at Door, " in told["text"].replace("Anna (person)", "person")


@given(st.text())
def test_any_name_is_one_level_of_a_topic(name: str) -> None:
    part = topic_part(name)
    assert part
    assert not set(part) & set("+#/\0")
    assert len(part.encode()) <= 200


@given(st.text(), st.text())
def test_two_names_have_two_identifiers(one: str, other: str) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", identifier(one))
    assert (identifier(one) == identifier(other)) == (one == other)


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_can_be_told(monitor: str) -> None:
    told = body(notice(monitor=monitor))
    assert json.loads(told)["monitor"] == monitor


RULES = [NotifyRule(name=name, to=("mqtt",)) for name in ("door", "yard")]


@pytest.mark.parametrize(
    "before",
    [b"", b"nonsense", b"[]", b'{"components": 7}', b'{"components": {"a": 1}}', b"\xff"],
)
def test_what_others_left_with_the_broker_does_no_harm(before: bytes) -> None:
    assert removed(before, MqttSettings(), RULES) == {}
    assert abandoned_topics(before, MqttSettings(), RULES) == frozenset()


def test_a_rule_that_is_gone_takes_its_topics_along_and_no_others() -> None:
    before = discovery(MqttSettings(), RULES)
    assert removed(before, MqttSettings(), RULES[:1]) == {
        "yard_on": "binary_sensor",
        "yard_last": "sensor",
    }
    gone = abandoned_topics(before, MqttSettings(), RULES[:1])
    assert gone == {"annotator/rule/yard/state", "annotator/rule/yard/last"}
    foreign = before.replace(b"annotator/rule/yard/last", b"lights/kitchen")
    assert abandoned_topics(foreign, MqttSettings(), RULES[:1]) == {"annotator/rule/yard/state"}


def test_a_secret_is_itself_or_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("from a file\r\nand more\n")
    monkeypatch.setenv("SECRET_OF_A_TEST", "from the environment")
    assert revealed(SecretStr("plain")) == "plain"
    assert revealed(SecretStr(f"file:{file}")) == "from a file"
    assert revealed(SecretStr("env:SECRET_OF_A_TEST")) == "from the environment"
    for missing in (f"file:{tmp_path}/nothing", "env:NOTHING_OF_A_TEST"):
        with pytest.raises(ConfigError) as caught:
            revealed(SecretStr(missing))
        assert caught.value.next_step


def test_config_show_hides_secrets() -> None:
    shown = Config.model_validate(
        {
            "mqtt": {"password": "s3cret"},
            "webhooks": {"a": {"url": "https://s3cret/", "headers": {"X": "s3cret"}}},
        }
    )
    assert "s3cret" not in shown.model_dump_json()
    assert Config.model_validate_json(shown.model_dump_json())

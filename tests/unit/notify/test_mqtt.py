"""What can be said before any broker is asked; the rest is in tests/system/test_mqtt.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator.config import MqttSettings
from annotator.errors import DeliveryError
from annotator.notify.mqtt import MqttDeliverer


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_an_authority_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    authority = tmp_path / "ca.pem"
    if content is not None:
        authority.write_bytes(content)
    settings = MqttSettings(host="broker.invalid", tls=True, ca_file=authority)
    with pytest.raises(
        DeliveryError, match=rf"the authority in {authority} cannot be used: .+"
    ) as caught:
        MqttDeliverer(settings, []).tend()
    assert "ca_file" in caught.value.next_step


def test_a_secret_that_cannot_be_read_is_named_with_what_helps(tmp_path: Path) -> None:
    settings = MqttSettings.model_validate(
        {"host": "broker.invalid", "username": "me", "password": f"file:{tmp_path}/none"}
    )
    with pytest.raises(DeliveryError, match=r"No such file or directory$") as caught:
        MqttDeliverer(settings, []).tend()
    assert "service's user" in caught.value.next_step

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from annotator.config import Config, check_config, load_config
from annotator.places import find_config
from annotator.errors import ConfigError

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

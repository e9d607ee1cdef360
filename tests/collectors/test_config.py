"""The agent's configuration: one line that names file, key and what is allowed."""

import pytest

from collectors.config import ConfigError, load_config
from collectors.host.source import HostConfig
from collectors.stamp.config import StampConfig

GOOD = """
site = "yokohama"
device = "bus-1"
[mqtt]
host = "broker.example"
[[source]]
kind = "stamp"
link = "l5g"
target = "server.example:862"
[[source]]
kind = "host"
"""


def load(tmp_path, text):
    path = tmp_path / "collect.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_a_good_file_gives_typed_tables(tmp_path):
    """Defaults fill what is not said."""
    config = load(tmp_path, GOOD)

    assert (config.site, config.mqtt.host, config.mqtt.port) == ("yokohama", "broker.example", 1883)
    assert [type(source) for source in config.source] == [StampConfig, HostConfig]
    assert config.source[0].link == "l5g"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("site =", "sight ="), ["unknown key 'sight'", "site"]),
        (("host =", "hots ="), ["unknown key 'hots'", "[mqtt]", "host"]),
        (("target =", "tarjet ="), ["[[source]] number 1", "stamp", "unknown key 'tarjet'", "target"]),
        (('"stamp"', '"stomp"'), ["unknown kind 'stomp'", "stamp"]),
        (('"yokohama"', '"Yoko hama"'), ["Yoko hama", "lower-case"]),
        (('"l5g"', '"L5G"'), ["L5G", "lower-case"]),
        (('host = "broker.example"', 'port = "1883"'), ["mqtt.port", "int"]),
        (('"server.example:862"', '"server.example:x"'), ["number 1", "server.example:x"]),
        (('[[source]]\nkind = "host"', "[[source]]"), ["number 2", "kind is missing"]),
        (("site = ", "site "), ["not valid TOML"]),
    ],
)
def test_each_mistake_is_one_line_that_names_file_and_key(tmp_path, change, words):
    """A person can mend it without reading code."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(*change))

    message = str(caught.value)
    assert "collect.toml" in message
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_nothing_to_measure_and_no_file_are_said_plainly(tmp_path):
    """Without a source, and without a file, the message says what to do."""
    with pytest.raises(ConfigError, match="nothing to measure"):
        load(tmp_path, 'site = "a"\ndevice = "b"\n')
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.toml")

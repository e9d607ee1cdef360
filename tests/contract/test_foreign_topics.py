"""Topic patterns mean what MQTT means by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from contract.foreign import ForeignMapping, ForeignMappings, parse_foreign_profile
from contract.foreign.captures import read_captures
from contract.foreign.paths import ABSENT, Scope, find, parse_path, records
from contract.foreign.topics import parse_pattern
from contract.recording import ProfileError, RecordingError

LEVEL = st.sampled_from(["a", "b", "c", ""])
TOPICS = st.lists(LEVEL, max_size=4).map(lambda levels: "/".join(["x", *levels]))


@st.composite
def patterns(draw):
    levels = draw(st.lists(st.sampled_from(["a", "b", "+", "{site}", "{device}"]), max_size=4, unique=True))
    return parse_pattern("/".join(["x", *levels, *draw(st.sampled_from([[], ["#"]]))]))


@given(patterns(), TOPICS)
def test_a_pattern_matches_what_its_subscription_brings(pattern, topic):
    """The broker's rule and ours agree, so no message arrives that no profile takes."""
    assert (pattern.match(topic) is not None) == topic_matches_sub(pattern.subscription, topic)


@given(patterns(), patterns(), TOPICS)
def test_patterns_that_share_a_topic_overlap(one, other, topic):
    """Whatever topic fits both is foreseen, whichever of them is asked."""
    assert one.overlaps(other) == other.overlaps(one)
    if one.match(topic) is not None and other.match(topic) is not None:
        assert one.overlaps(other)


@given(patterns(), patterns())
def test_patterns_that_overlap_share_a_topic(one, other):
    """No profile is refused for an overlap that cannot happen."""
    if one.overlaps(other):
        levels = [[], ["a"], ["b"], ["c"]]
        topics = ["x"]
        for _ in range(5):
            topics += [f"{topic}/{level[0]}" for topic in topics for level in levels if level]
            topics = list(dict.fromkeys(topics))
            if any(one.match(topic) is not None and other.match(topic) is not None for topic in topics):
                return
        raise AssertionError


@pytest.mark.parametrize(
    "text", ["", "+/a", "#", "jissho/1/a/b/c", "$SYS/x", "{site}/a", "a/#/b", "a/b+", "a/x{site}", "a/{s}/{s}", "a/{S}"]
)
def test_patterns_that_may_not_be(text):
    """What MQTT forbids, what names nothing, and what would take this platform's own topics."""
    with pytest.raises(ProfileError, match="topics"):
        parse_pattern(text)


def test_profiles_that_take_the_same_topic_are_refused():
    """The message names both."""

    def made(name, topic):
        return ForeignMapping(
            parse_foreign_profile(
                name,
                {"topics": [topic], "stream": "host", "time": {"from": "t"}, "columns": {"cpu_ratio": {"from": "c"}}},
            )
        )

    apart = ForeignMappings([made("one", "a/{site}/{device}/x"), made("two", "a/{site}/{device}/y")])
    assert apart.subscriptions == ["a/+/+/x", "a/+/+/y"]
    assert apart.of("a/s/d/y").profile.name == "two"
    assert apart.of("b/s/d/y") is None
    with pytest.raises(ProfileError, match=r"one \(a/\{site\}/\{device\}/x\) and two"):
        ForeignMappings([made("one", "a/{site}/{device}/x"), made("two", "a/{site}/+/{device}")])


MESSAGE = {"t": 1, "a.b": 2, "list": [{"n": "x", "v": 3}, {"n": 7, "v": 4}], "deep": {"list": [5, [6]]}, "null": None}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("t", 1),
        ("/a.b", 2),
        ("$/deep/list/1/0", 6),
        ("list[n=x].v", 3),
        ("list[n=7].v", 4),
        ("list[n=none].v", ABSENT),
        ("list.1.v", 4),
        ("list.2.v", ABSENT),
        ("list.x", ABSENT),
        ("t.x", ABSENT),
        ("deep.list.1.0", 6),
        ("null", None),
        ("null.x", ABSENT),
        ("$.t", 1),
        ("$", MESSAGE),
        ("^.t", ABSENT),
        ("@topic.site", "s"),
        ("@topic.other", ABSENT),
        ("@key", ABSENT),
        ("@value", MESSAGE),
    ],
)
def test_paths_find_what_stands_there_or_nothing(path, expected):
    """Null is a value; ABSENT says that there is none."""
    assert find(parse_path(path), Scope((MESSAGE,), None, {"site": "s"})) == expected


def test_records_of_lists_and_objects():
    """`*` walks both; an empty list has no records, and a place that is not there is told apart from it."""
    assert [scope.record for scope in records(parse_path("list.*.v", for_records=True), MESSAGE, {})] == [3, 4]
    assert [scope.key for scope in records(parse_path("deep.*", for_records=True), MESSAGE, {})] == ["list"]
    assert records(parse_path("nothing.*", for_records=True), MESSAGE, {}) is None
    assert records(parse_path("list.*", for_records=True), {"list": []}, {}) == []
    assert records(parse_path("list.*", for_records=True), {"list": 3}, {}) is None


@pytest.mark.parametrize("path", ["", "a..b", "a.", "a[b]", "a[b=c", "@topic", "@topic.a.b", "@unknown", "a.*"])
def test_paths_that_are_none(path):
    """The error quotes the path."""
    with pytest.raises(ProfileError, match="path"):
        parse_path(path)


@given(st.text(max_size=12))
def test_any_text_is_a_path_or_an_error(text):
    """Nothing else can happen, and what parses can be looked up."""
    try:
        path = parse_path(text)
    except ProfileError:
        return
    find(path, Scope((MESSAGE,), None, {}))


def test_captures_come_in_three_shapes():
    """`mosquitto_sub -v`, one payload, one payload a line; anything else names the line."""
    assert [c[1:] for c in read_captures(b'a/b {"x": 1}\n\nc {"y": 2}\n')] == [("a/b", b'{"x": 1}'), ("c", b'{"y": 2}')]
    assert [c.payload for c in read_captures(b'{"x": 1}\n{"x": 2}\n', example="t")] == [b'{"x": 1}', b'{"x": 2}']
    assert len(read_captures(b'{"x":\n 1}', topic="t")) == 1
    assert len(read_captures(b'{"x": broken\n{"x": 2}', topic="t")) == 1
    with pytest.raises(RecordingError, match="line 2"):
        read_captures(b"a {}\nnonsense\n")

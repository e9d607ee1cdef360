"""Link switches: by the events, else by the rows of the video, and as long as the picture stood."""

import numpy as np
import pytest

from analytics.families.switching import link_switches
from simulators.world import World
from tests.analytics.families.making import make_figures, make_series
from tests.analytics.making import T0_US, by_name


def switches(events, **video):
    return by_name(link_switches(events, video, make_figures()))


def rows(t_s, freeze_s=None):
    t_s = list(t_s)
    return make_series(t_s, camera=["front"] * len(t_s), interval_s=[1] * len(t_s), freeze_s=freeze_s or [0] * len(t_s))


def test_events_tell_the_switches_and_the_frozen_picture_their_length():
    """Two switches: the first froze the picture for 0.4 s, the second says its length itself."""
    events = make_series(
        [9.5, 15, 20], name=["video.switch", "marker", "link.switch"],
        detail=['{"link": "lte"}', "no json", '{"link": "l5g", "interruption_ms": 250}'],
    )  # fmt: skip
    found = switches(events, l5g=rows([*range(1, 10), *range(21, 30)]), lte=rows(range(10, 21), [0.4] + [0.0] * 10))
    assert found["link_switch", "", "count"].value == 2.0
    assert (found["link_switch_time", "", "p50"].value, found["link_switch_time", "", "max"].value) == (0.25, 0.4)


def test_without_events_the_link_that_has_the_video_tells():
    """l5g, lte, l5g; a pause of a minute is no switch, nor are both links at once."""
    found = switches(None, l5g=rows([1, 2, 3, 7, 8]), lte=rows([4, 5, 6, 70, 71]))
    assert found["link_switch", "", "count"].value == 2.0
    assert "by the rows" in found["link_switch", "", "count"].filter
    both = switches(None, l5g=rows(range(10)), lte=rows(range(10)))
    assert both["link_switch", "", "count"].value is None
    one = switches(None, l5g=rows(range(10)))
    assert one["link_switch", "", "count"].value == 0.0


def test_nothing_is_said_where_nothing_says_which_link_was_in_use():
    """Neither video nor a switch among the events."""
    assert switches(make_series([1], name=["marker"], detail=[None])) == {}
    assert switches(None) == {}


def test_the_switches_of_the_simulated_bus_are_found():
    """As many as there were, with lengths of a quarter to one second, by the events and by the rows of the video."""
    world = World(5).series(1800, T0_US * 1000)

    def of(stream, link, *names):
        made = world.stream(stream, link)
        return make_series((made.t_ns - T0_US * 1000) / 1e9, **{name: made.columns[name] for name in names})

    video = {link: of("video", link, "camera", "interval_s", "freeze_s") for link in world.radio}
    truth = int(np.abs(np.diff(world.serves_video.astype(int))).sum())
    found = switches(of("event", "", "name", "detail"), **video)
    assert found["link_switch", "", "count"].value == truth > 0
    assert 0.2 <= found["link_switch_time", "", "p50"].value <= 1.0
    assert switches(None, **video)["link_switch", "", "count"].value == pytest.approx(truth, abs=1)

"""What the page says of itself, of devices and of runs, in both languages."""

import pytest

from dashboards.page.device_cards import age, device_facts
from dashboards.page.snapshot import Snapshot
from dashboards.page.texts import TEXTS, text
from storage.runs import RunRecord
from tests.dashboards.chart_rows import END, SECOND, START


def test_every_text_has_both_languages_with_the_same_blanks():
    """No word is missing in one language, and no blank is filled in one only."""
    blanks = {key: [sorted(part.split("}")[0] for part in words.split("{")[1:]) for words in both]
              for key, both in TEXTS.items()}  # fmt: skip

    assert [] == [key for key, (ja, en) in TEXTS.items() if not ja or not en]
    assert [] == [key for key, (ja, en) in blanks.items() if ja != en]


def test_texts_are_filled():
    """Blanks are named."""
    assert "Live (last 10 min)" == text("en", "live", minutes=10)


@pytest.mark.parametrize(
    ("seconds", "ja", "en"),
    [(-0.4, "0 秒前", "0 s ago"), (59, "59 秒前", "59 s ago"), (150, "2 分前", "2 min ago"),
     (9000, "2.5 時間前", "2.5 h ago")],
)  # fmt: skip
def test_ages_are_said_as_people_do(seconds, ja, en):
    """A clock that is a little ahead does not make data from the future."""
    assert (ja, en) == (age(seconds, "ja"), age(seconds, "en"))


def test_a_device_says_its_data_its_outbox_and_its_clock():
    """An unknown clock is said, never left out; an empty outbox is not."""
    device = {"seen_at": START, "now": START + 3 * SECOND, "pending": 1200, "bound_us": 50.0}

    assert ["last data 3 s ago", "1,200 batches pending", "clock ±50 µs"] == device_facts(device, "en")
    silent = {"seen_at": None, "now": START, "pending": 0, "bound_us": None}
    assert ["時刻 不明(片方向は参考値)"] == device_facts(silent, "ja")
    assert "時刻 ±2.5 ms" in device_facts({**silent, "bound_us": 2500.0}, "ja")


def test_a_snapshot_knows_which_runs_go_on():
    """A run without an end goes on."""
    common = {"run_id": 1, "site": "s", "devices": [], "links": [], "purpose": "", "weather": "", "note": "",
              "tags": [], "valid": True, "started_at": START}  # fmt: skip
    ended, open_run = RunRecord(name="a", ended_at=END, **common), RunRecord(name="b", ended_at=None, **common)

    assert [open_run] == Snapshot(runs=[ended, open_run]).going_on
    assert [] == Snapshot().going_on

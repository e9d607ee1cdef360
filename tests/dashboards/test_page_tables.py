"""The page's tables of exclusions and definitions: every word that an evaluator reads there."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from analytics.definitions import BY_ID, DEFINITIONS
from dashboards.page.definition_panel import definition_columns, definition_rows
from dashboards.page.exclusion_panel import exclusion_columns, exclusion_counts, exclusion_rows, exclusion_rule
from dashboards.page.snapshot import Snapshots
from dashboards.page.times import jst, span_jst
from scripts.render_docs import ROOT
from storage.connect import open_pool
from storage.exclusions import Exclusion, exclude
from storage.runs import get_run
from tests.dashboards.page_data import write_drive

START = datetime(2026, 5, 1, 3, 0, 5, tzinfo=UTC)
HOLDING = Exclusion(
    exclusion_id=7, link="", started_at=START, ended_at=START + timedelta(seconds=1234.5), reason="工事",
    excluded_by="測定責任者", excluded_at=START + timedelta(hours=1), revoked_by=None, revoked_at=None,
    revoke_reason=None,
)  # fmt: skip
REVOKED = msgspec.structs.replace(
    HOLDING, link="l5g", revoked_by="site-lead", revoked_at=START + timedelta(hours=2), revoke_reason="走行の一部"
)


def test_an_exclusion_says_when_how_long_why_and_who():
    """Times are JST, and the number is the one that taking it back asks for."""
    (row,) = exclusion_rows([HOLDING], "ja")

    assert (row["state"], row["number"], row["link"]) == ("有効", 7, "すべて")
    assert (row["interval"], row["length"]) == ("2026-05-01 12:00:05.000 〜 12:20:39.500", "1,234.5 s")
    assert (row["reason"], row["decided"], row["revoked"]) == ("工事", "測定責任者\n2026-05-01 13:00:05", "–")


def test_one_that_was_taken_back_stays_with_who_when_and_why():
    """It is marked by a word, not by its colour alone."""
    (row,) = exclusion_rows([REVOKED], "en")

    assert (row["state"], row["state_class"], row["link"]) == ("revoked", "revoked", "l5g")
    assert row["revoked"] == "site-lead\n2026-05-01 14:00:05\n走行の一部"
    (silent,) = exclusion_rows([msgspec.structs.replace(REVOKED, revoke_reason="")], "en")
    assert silent["revoked"] == "site-lead\n2026-05-01 14:00:05"


def test_what_exclusions_mean_for_the_figures_is_always_said():
    """Also where there is none, and where none holds any more."""
    assert [exclusion_counts(each, "ja") for each in ([], [HOLDING, REVOKED])] == ["", "有効 1 · 取消 1"]
    assert "併記" in exclusion_rule([HOLDING, REVOKED], "ja")
    for none in ([], [REVOKED]):
        assert "有効な除外区間はありません" in exclusion_rule(none, "ja")
        assert "No exclusion is in force" in exclusion_rule(none, "en")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.5, "2026-05-01 12:00:05.000 〜 12:00:05.500"), (60, "2026-05-01 12:00:05 〜 12:01:05"),
     (86_400, "2026-05-01 12:00:05 〜 2026-05-02 12:00:05")],
)  # fmt: skip
def test_an_interval_has_as_much_of_date_and_fraction_as_it_needs(seconds, shown):
    """The day is that of Japan, and half a second never looks like none."""
    assert span_jst(START, START + timedelta(seconds=seconds)) == shown
    assert jst(datetime(2026, 5, 1, 15, tzinfo=UTC)) == "2026-05-02 00:00:00"


def test_definitions_are_the_rows_of_the_document():
    """All of them where nothing was computed: clause, revision and meaning as docs/kpi.md prints them."""
    document = (ROOT / "docs" / "kpi.md").read_text(encoding="utf-8")
    rows = definition_rows((), "ja")

    assert [row["id"] for row in rows] == [each.id for each in DEFINITIONS]
    for row in rows:
        ja, en = row["meaning"].split("\n")
        needs = BY_ID[row["id"]].needs_text("en")
        assert f"| {needs} | {row['clause']} | {row['revision']} |\n" in document
        assert row["needs"] == BY_ID[row["id"]].needs_text("ja")
        assert f"### `{row['id']}` {BY_ID[row['id']].name_ja}\n\n{ja}\n\n{en}\n" in document


def test_only_what_is_shown_is_defined_in_the_readers_language_first():
    """The order is the dictionary's."""
    loss, rsrp = definition_rows({"rsrp", "loss"}, "en")

    assert (loss["id"], loss["unit"], loss["better"]) == ("loss", "%", "smaller")
    assert loss["kpi"] == "Packet loss\nパケット損失率"
    assert (rsrp["id"], rsrp["unit"], rsrp["better"]) == ("rsrp", "dBm", "larger")


def test_every_column_has_a_label_and_a_value():
    """The rows have what the columns ask for, in both languages."""
    for language in ("ja", "en"):
        tables = [
            (exclusion_columns, exclusion_rows([REVOKED], language)),
            (definition_columns, definition_rows((), language)),
        ]
        for columns, rows in tables:
            for column in columns(language):
                assert column["label"]
                assert all(column["field"] in row for row in rows)


def test_a_run_has_its_exclusions_and_the_last_minutes_have_none(db):
    """What is live is nobody's decision yet."""
    writer = db.writer()
    drive = write_drive(writer)
    run = get_run(writer.connection, "drive-1")
    exclude(
        writer.connection, run, started_at=drive.started_at, ended_at=drive.ended_at, reason="試験", excluded_by="me"
    )
    with open_pool(db.url, size=1, name="jissho-test") as pool:
        snapshots = Snapshots(pool, None)
        found, live = snapshots.take("drive-1").exclusions, snapshots.take("").exclusions

    assert [each.reason for each in found] == ["試験"]
    assert live is None

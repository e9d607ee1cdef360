"""A run's report from the database: gathers what `analytics.report` lays out, and leaves the raw rows unread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import msgspec
import numpy as np
import psycopg

from analytics.compare_loader import compare_pair
from analytics.definitions import DEFINITIONS
from analytics.exclusions import outside
from analytics.loader import load_exclusions, run_window_us
from analytics.outage_loader import outages_of_run
from analytics.outage_rows import outage_list
from analytics.place_loader import conditions_of_run
from analytics.point_place_loader import located_points
from analytics.probes import DELAY_COLUMN
from analytics.report.model import (
    CompletenessFacts,
    EpochFacts,
    EventRow,
    ExclusionRow,
    NumberGap,
    OmittedStream,
    PairRow,
    RawStream,
    RunFacts,
    RunReport,
    TimeSpan,
    TruthRow,
)
from analytics.report.series import DelaySeries, SeriesBuilder, choose_interval_s
from analytics.requirements import load_requirements
from analytics.results import REFERENCE_ONLY, KpiResult
from analytics.run_loader import evaluate_run
from api.raw_series import count_rows, raw_stream, run_links
from api.run_interventions import run_interventions
from contract.streams import STREAMS
from storage.errors import NoDataError
from storage.exclusions import list_exclusions
from storage.explain import explained_completeness
from storage.gap_reasons import REASONS
from storage.pairs import get_pair, pairs_of_run
from storage.reader import iterate_columns
from storage.runs import RunRecord

RawChoice = Literal["auto", "all", "none"]
_NOT_REPORTED = {"run_id", "evidence"}
"""What the register needs for itself."""


def run_report(
    connection: psycopg.Connection,
    run: RunRecord,
    *,
    profile: str | None,
    made_at: datetime,
    raw: RawChoice = "auto",
    raw_rows: int = 200_000,
    truth: Sequence[TruthRow] | None = None,
) -> RunReport:
    """Return the report of a run.

    Its raw series are read from `connection` while the workbook is written, so keep it open until then. `raw` "auto"
    leaves all of them out where they have more than `raw_rows` rows together, and the report says so.
    """
    links = run_links(connection, run)
    counts = count_rows(connection, run, list(links))
    is_included = raw == "all" or (raw == "auto" and sum(counts.values()) <= raw_rows)
    present = [stream for name, stream in STREAMS.items() if counts.get(name)]
    why = (
        "指定により収録していない" if raw == "none" else f"全ストリームの合計が{raw_rows:,}行を超えるため収録していない"
    )
    kpis = evaluate_run(connection, run, profile)
    return RunReport(
        run=RunFacts(
            **{name: value for name, value in msgspec.structs.asdict(run).items() if name not in _NOT_REPORTED}
        ),
        kpis=kpis,
        definitions=DEFINITIONS,
        completeness=_completeness(connection, run),
        made_at=made_at,
        program=_program(),
        profile=_profile(profile),
        outages=[outage_list(each) for each in outages_of_run(connection, run, profile)],
        interventions=run_interventions(connection, run, profile),
        conditions=conditions_of_run(connection, run, profile=profile),
        points=located_points(connection, run, profile),
        pairs=[_pair(connection, name, profile) for name in pairs_of_run(connection, run)],
        events=_events(connection, run, links),
        exclusions=[
            ExclusionRow(
                **{name: value for name, value in msgspec.structs.asdict(each).items() if name != "exclusion_id"}
            )
            for each in list_exclusions(connection, run)
        ],
        series=_marked(delay_series(connection, run, links), kpis),
        truth=truth,
        raw=_raw(connection, run, links, [stream.name for stream in present]) if is_included else (),
        omitted=()
        if is_included
        else [OmittedStream(stream=stream, rows=counts[stream.name], reason=why) for stream in present],
    )


def _profile(name_or_path: str | None) -> str:
    if not name_or_path:
        return ""
    profile = load_requirements(name_or_path)
    return f"{profile.ja} [{profile.name}]{f' {profile.status}' if profile.status else ''}"


def _marked(series: Sequence[DelaySeries], kpis: Sequence[KpiResult]) -> list[DelaySeries]:
    """Mark the one-way series whose clocks are not known well enough, as the KPIs judged them."""
    doubtful = {
        (kpi.device, kpi.link, kpi.direction) for kpi in kpis if kpi.id == "owd" and REFERENCE_ONLY in kpi.reason
    }
    return [replace(one, is_reference=(one.device, one.link, one.direction) in doubtful) for one in series]


def _program() -> str:
    try:
        return f"jissho {version('jissho')}"
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "jissho"


def _completeness(connection: psycopg.Connection, run: RunRecord) -> CompletenessFacts:
    found = explained_completeness(connection, run)
    return CompletenessFacts(
        epochs=[EpochFacts(**msgspec.structs.asdict(epoch)) for epoch in found.epochs],
        as_of=found.as_of,
        foreign_rows=found.foreign_rows,
        number_gaps=[NumberGap(**msgspec.structs.asdict(gap) | _words(gap.reason)) for gap in found.batch_gaps],
        time_gaps=[TimeSpan(**msgspec.structs.asdict(gap) | _words(gap.reason)) for gap in found.time_gaps],
        late=[
            TimeSpan(
                device=late.device, link="", stream="", start=late.start, end=late.end, duration_s=late.duration_s,
                **_words(late.reason),
            )
            for late in found.late
        ],
    )  # fmt: skip


def _pair(connection: psycopg.Connection, name: str, profile: str | None) -> PairRow:
    """Compare a pair of runs; one of which nothing can be compared says why."""
    held = get_pair(connection, name)
    row = PairRow(
        name=name, condition=held[0].condition, repetitions=[(each.baseline, each.changed) for each in held]
    )  # fmt: skip
    try:
        return replace(row, comparisons=compare_pair(connection, name, profile=profile))
    except NoDataError as error:
        return replace(row, reason=str(error))


def _words(reason: str) -> dict[str, str]:
    return {"reason": REASONS[reason].ja, "todo": REASONS[reason].todo_ja}


def _raw(
    connection: psycopg.Connection, run: RunRecord, links: dict[int, tuple[str, str]], streams: Sequence[str]
) -> Iterator[RawStream]:
    for name in streams:
        yield raw_stream(connection, run, STREAMS[name], links)


def _events(connection: psycopg.Connection, run: RunRecord, links: dict[int, tuple[str, str]]) -> list[EventRow]:
    rows = connection.execute(
        "SELECT t, link_id, name, severity, message, detail::text FROM event"
        " WHERE link_id = ANY(%s) AND t >= %s AND t < %s ORDER BY t",
        (list(links), run.started_at, run.ended_at or datetime.now(tz=UTC)),
    )
    return [
        EventRow(
            at=at,
            device=links[link_id][0],
            link=links[link_id][1],
            name=name,
            severity=severity,
            message=message,
            detail=detail,
        )
        for at, link_id, name, severity, message, detail in rows
    ]


def _longest_us(connection: psycopg.Connection, run: RunRecord, links: Sequence[int]) -> int:
    """Return how long the longest of the links was probed: a run may have been left open for days afterwards."""
    start_us, end_us = run_window_us(run)
    spans = connection.execute(
        "SELECT (extract(epoch FROM min(t_first)) * 1e6)::int8, (extract(epoch FROM max(t_last)) * 1e6)::int8"
        " FROM batch WHERE stream = 'probe' AND link_id = ANY(%s) AND t_first < to_timestamp(%s / 1e6)"
        " AND t_last >= to_timestamp(%s / 1e6) GROUP BY link_id",
        (list(links), end_us, start_us),
    )
    return max((min(last, end_us) - max(first, start_us) for first, last in spans), default=0)


def delay_series(
    connection: psycopg.Connection, run: RunRecord, links: dict[int, tuple[str, str]]
) -> list[DelaySeries]:
    """Return delay and loss of each link and direction over the run, for charts; excluded intervals are left out."""
    exclusions = load_exclusions(connection, run)
    excluded = {link_id: exclusions.of(link) for link_id, (_, link) in links.items()}
    start_us, end_us = run_window_us(run)
    interval_s = choose_interval_s(_longest_us(connection, run, list(links)) / 1e6)
    builders = {
        (link_id, direction): SeriesBuilder(device=device, link=link, direction=direction, interval_s=interval_s)
        for link_id, (device, link) in links.items()
        if link
        for direction in DELAY_COLUMN
    }
    names = ("link_id", "copy", "lost", *DELAY_COLUMN.values())
    for chunk in iterate_columns(connection, "probe", names, link_ids=list(links), start_us=start_us, end_us=end_us):
        is_packet = chunk["copy"].values <= 1
        kept = {link_id: is_packet & outside(chunk["t_us"].values, spans) for link_id, spans in excluded.items()}
        for (link_id, direction), builder in builders.items():
            rows = np.flatnonzero(kept[link_id] & (chunk["link_id"].values == link_id))
            if rows.size:
                delay = chunk[DELAY_COLUMN[direction]]
                is_lost = chunk["lost"].values[rows] > 0
                builder.add(
                    chunk["t_us"].values[rows],
                    delay.values[rows],
                    has_delay=~is_lost if delay.valid is None else delay.valid[rows] & ~is_lost,
                    is_lost=is_lost,
                )
    series = [
        replace(one, excluded=tuple(excluded[link_id]))
        for (link_id, _), builder in builders.items()
        if (one := builder.finish()) is not None
    ]
    measured = {(one.device, one.link) for one in series if one.cdf_delay_us.size}
    # A link on which nothing arrived keeps one series, for its loss.
    return [
        one
        for one in series
        if one.cdf_delay_us.size or (one.direction == "round_trip" and (one.device, one.link) not in measured)
    ]

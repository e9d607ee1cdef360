"""What a report is made of: one plain record, filled by whoever may read the database.

`analytics` does not import `storage`, so the register's entry and the ledger's state are restated here in the few words
that a report needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.comparison import Comparison
from analytics.conditions import LinkConditions
from analytics.definitions import KpiDefinition
from analytics.interventions import Kind, Outcome
from analytics.outage_rows import OutageList
from analytics.points import PointRow
from analytics.probes import Values
from analytics.report.series import DelaySeries
from analytics.results import KpiResult
from contract.columns import Stream

Chunk = Mapping[str, Values]
"""A chunk of rows in columns: "t_us" (int64), "link_id" (int32) and the stream's columns, as the reader yields them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The register's entry of a run. Empty `devices` or `links` mean all of the site; `ended_at` None: it goes on."""

    name: str
    site: str
    devices: Sequence[str] = ()
    links: Sequence[str] = ()
    started_at: datetime
    ended_at: datetime | None
    purpose: str = ""
    weather: str = ""
    note: str = ""
    tags: Sequence[str] = ()
    valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFacts:
    """What one outbox life contributed to the run, counted in batches.

    `committed` + `quarantined` + `missing` make up `taken`, which is `first_seq` to `last_seq`. `missing_ranges` are
    inclusive. `pending` batches after `last_seq` were announced by the device and have not arrived. `deleted` of the
    committed ones have lost samples to retention since.
    """

    device: str
    epoch: str
    first_seq: int
    last_seq: int
    taken: int
    committed: int
    quarantined: int
    missing: int
    missing_ranges: Sequence[tuple[int, int]]
    pending: int
    rows: int
    deleted: int = 0

    @property
    def ratio(self) -> float | None:
        """Share of the taken batches that is committed; None where nothing was taken."""
        return self.committed / self.taken if self.taken else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberGap:
    """Consecutive numbers that are not in the database. `reason` and `todo` are the words to print.

    `edge`: they may lie before or after the run. Measured between `after` and `before`, where those are known.
    """

    device: str
    epoch: str
    first_seq: int
    last_seq: int
    reason: str
    todo: str
    edge: bool
    after: datetime | None
    before: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """A stretch without samples of a stream, or (`stream` empty) one that was delivered late. `reason`: the words."""

    device: str
    link: str
    stream: str
    start: datetime
    end: datetime
    duration_s: int
    reason: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletenessFacts:
    """The completeness of the run as the ledger stood at `as_of`, with its gaps explained.

    `foreign_rows` came from third parties' devices, which number nothing: they are in the database and no part of the
    proof.
    """

    epochs: Sequence[EpochFacts]
    as_of: datetime
    number_gaps: Sequence[NumberGap] = ()
    time_gaps: Sequence[TimeSpan] = ()
    late: Sequence[TimeSpan] = ()
    foreign_rows: int = 0

    @property
    def whole(self) -> EpochFacts:
        """All outbox lives together (device, epoch and the ranges are empty, the numbers are sums)."""
        sums = {
            name: sum(getattr(epoch, name) for epoch in self.epochs)
            for name in ("taken", "committed", "quarantined", "missing", "pending", "rows", "deleted")
        }
        return EpochFacts(device="", epoch="", first_seq=0, last_seq=0, missing_ranges=(), **sums)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBefore:
    """How a link stood just before something: radio, and the packets of the last seconds. None where not sampled."""

    link: str
    rsrp_dbm: float | None = None
    sinr_db: float | None = None
    rtt_ms: float | None = None
    sent: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionRow:
    """One intervention or minimal risk manoeuvre (`times` where the counter rose by more), as the KPIs count them."""

    at: datetime
    device: str
    kind: Kind
    cause: str
    outcome: Outcome = ""
    times: int = 1
    is_told_only: bool = False
    lat_deg: float | None = None
    lon_deg: float | None = None
    speed_mps: float | None = None
    links: Sequence[LinkBefore] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One row of the event stream. `detail` is JSON text or None."""

    at: datetime
    device: str
    link: str
    name: str
    severity: str
    message: str
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionRow:
    """One interval that the figures leave out, or once left out. Empty `link`: all links."""

    link: str
    started_at: datetime
    ended_at: datetime
    reason: str
    excluded_by: str
    excluded_at: datetime
    revoked_by: str | None = None
    revoked_at: datetime | None = None
    revoke_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """A pair of runs that the run belongs to: what differs, its repetitions (baseline, changed), and what came of it.

    `reason` says why there is no comparison, if there is none.
    """

    name: str
    condition: str
    repetitions: Sequence[tuple[str, str]]
    comparisons: Sequence[Comparison] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRow:
    """One KPI against the ground truth that a simulator wrote. `difference` is measured - truth, in `unit`.

    `reason` says why there is no difference where one of the values is None.
    """

    kpi: str
    link: str
    direction: str
    statistic: str
    unit: str
    measured: float | None
    truth: float | None
    difference: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawStream:
    """The raw series of one stream. `links`: link_id to (device, link). `chunks` is read once, in order."""

    stream: Stream
    links: Mapping[int, tuple[str, str]]
    chunks: Iterable[Chunk]


@dataclass(frozen=True, slots=True, kw_only=True)
class OmittedStream:
    """A stream whose raw series is not in the workbook, and where to get it instead."""

    stream: Stream
    rows: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Everything a workbook shows. Whatever is None or empty is named as absent, never left out silently.

    `profile` names the requirement values that the verdicts were made with; `truth` is None for real measurements,
    `interventions` where no vehicle was measured.
    """

    run: RunFacts
    kpis: Sequence[KpiResult]
    definitions: Sequence[KpiDefinition]
    completeness: CompletenessFacts
    made_at: datetime
    program: str
    profile: str = ""
    outages: Sequence[OutageList] = ()
    interventions: Sequence[InterventionRow] | None = None
    conditions: Sequence[LinkConditions] = ()
    points: Sequence[PointRow] = ()
    pairs: Sequence[PairRow] = ()
    events: Sequence[EventRow] = ()
    exclusions: Sequence[ExclusionRow] = ()
    series: Sequence[DelaySeries] = ()
    truth: Sequence[TruthRow] | None = None
    raw: Iterable[RawStream] = ()
    omitted: Sequence[OmittedStream] = ()

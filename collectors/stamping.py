"""The agent's side of measuring points: tests made during a stay get its point, and what the book says is sent.

A test belongs to a point by its time: the whole of it lies inside the stay. What was begun before the arrival, or ended
after leaving, was measured on the move and stays without a point.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from collectors.batcher import Batcher
from collectors.field_book import LONGEST_STAY_S, FieldBook, FieldBookError, FieldTest, Stay
from collectors.outbox import NewBatch
from contract.samples import Sample, sample_faults

log = logging.getLogger("jissho.collect")

MOVED_M = 100
"""A vehicle this far from where it first stood has left the point: a fix wanders by tens of metres at most."""
FAR_M = 300
"""Planned points lie some hundred metres apart (five in a mesh of 500 m): farther off it is likely another one."""
SAME_TEST_S = 0.2
"""Rows without a pause between them are parts of one test: a second connection takes longer on a radio link, and rows
of one test differ by the jitter of whoever writes them. Merged tests are one too few, never one too many."""
SOURCE = "point/1"

_METRES_PER_DEGREE = 111_320
_ENDED_BY = {
    "": "",
    "moved": f" ({MOVED_M} m以上の移動を検知 / moved more than {MOVED_M} m)",
    "time": f" ({LONGEST_STAY_S // 60}分で自動終了 / ended after {LONGEST_STAY_S // 60} minutes)",
}
_Key = tuple[str, str, str, str]


class _Counted(NamedTuple):
    stay: Stay
    link: str
    ended_ns: int
    sample: Sample
    trial: int


class Page(NamedTuple):
    """What the book says: the latest stays, the highest numbers so far, and what the outbox does not have yet."""

    stays: list[Stay]
    trials: dict[_Key, tuple[int, int]]
    untold: list[Stay]
    waiting: list[tuple[FieldTest, Stay]]


class Stamping:
    """Knows the latest stays.

    `stamp`, `seen` and `batches` belong to the event loop; `pull` and `done`, which wait for the disk, to one thread
    beside it, and one of them at a time.
    """

    def __init__(self, path: Path, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        """Nothing is opened: the book appears when a person first marks a point."""
        self._path, self._now_ns = path, now_ns
        self._book: FieldBook | None = None
        self._version = -1
        self._is_broken = False
        self._stays: list[Stay] = []
        self._trials: dict[_Key, tuple[int, int]] = {}
        self._counted: deque[_Counted] = deque()
        self._ended: dict[int, int] = {}
        self._anchor: tuple[int, float, float, int] | None = None
        self._numbered: dict[int, int] = {}

    def stamp(self, link: str, t_ns: int, sample: Sample) -> Sample:
        """Return a row of stream `throughput` with its point and number, where it was measured at one.

        A row that names its point itself is left as it is, and so is a number that it has.
        """
        if not self._stays or sample.get("point") is not None or sample_faults("throughput", sample):
            return sample
        began_ns = t_ns - round(float(sample["interval_s"] or 0) * 1e9)
        stay = next((stay for stay in reversed(self._stays) if self._holds(stay, began_ns, t_ns)), None)
        if stay is None:
            return sample
        key = (stay.point, link, str(sample["direction"]), str(sample["protocol"]))
        last, ended_ns = self._trials.get(key, (0, 0))
        given = sample.get("trial")
        follows = last and began_ns - ended_ns <= SAME_TEST_S * 1e9
        trial = int(given) if given is not None else last if follows else last + 1
        self._trials[key] = (max(last, trial), max(ended_ns, t_ns))
        found = _at(stay, sample, trial)
        self._counted.append(_Counted(stay, link, t_ns, found, trial))
        return found

    def _holds(self, stay: Stay, began_ns: int, ended_ns: int) -> bool:
        left_ns = self._ended.get(stay.number, stay.left_ns)
        return stay.arrived_ns <= began_ns and ended_ns <= (_latest_ns(stay) if left_ns is None else left_ns)

    def seen(self, t_ns: int, position: Sample) -> None:
        """Take a fix: a device that is far from where it first stood has left, whoever forgot to say so."""
        stay = self._stays[-1] if self._stays else None
        if stay is None or stay.left_ns is not None or stay.number in self._ended or t_ns < stay.arrived_ns:
            return
        lat, lon = position.get("lat_deg"), position.get("lon_deg")
        if not isinstance(lat, int | float) or not isinstance(lon, int | float):
            return
        if self._anchor is None or self._anchor[0] != stay.number:
            # After a restart the book knows where the stay began.
            if stay.fix_lat_deg is None or stay.fix_lon_deg is None:
                self._anchor = (stay.number, lat, lon, t_ns)
            else:
                self._anchor = (stay.number, stay.fix_lat_deg, stay.fix_lon_deg, stay.arrived_ns)
        _, first_lat, first_lon, last_ns = self._anchor
        if metres_between((first_lat, first_lon), (lat, lon)) > MOVED_M:
            self._ended[stay.number] = last_ns
        else:
            self._anchor = (stay.number, first_lat, first_lon, t_ns)

    def pull(self) -> Page | None:
        """Write to the book what was noticed, and read it; None where it says nothing new."""
        try:
            if self._book is None:
                if not self._path.exists():
                    return None
                self._book = FieldBook(self._path)
            return self._read(self._book)
        except (FieldBookError, sqlite3.Error) as error:
            if not self._is_broken:
                log.error("%s; tests are sent without their points", error)  # noqa: TRY400
            self._is_broken = True
            return None

    def _read(self, book: FieldBook) -> Page | None:
        while self._counted:
            each = self._counted[0]
            book.add_test(each.stay, each.link, each.ended_ns, each.sample, trial=each.trial)
            self._counted.popleft()
        now_ns, is_changed = self._now_ns(), False
        for stay in [stay for stay in self._stays if stay.left_ns is None]:
            moved_ns, reason = self._ended.get(stay.number), "moved"
            if moved_ns is None and now_ns > _latest_ns(stay):
                moved_ns, reason = _latest_ns(stay), "time"
            if moved_ns is not None:
                book.end(stay, moved_ns, reason)
                log.warning("point %s: nobody said that it was left%s", stay.point, _ENDED_BY[reason])
                is_changed = True
        anchor = self._anchor
        if anchor is not None and any(stay.number == anchor[0] and stay.fix_lat_deg is None for stay in self._stays):
            book.fixed(*anchor[:3])
            is_changed = True
        version = book.version()
        if version == self._version and not is_changed:
            return None
        waiting = book.waiting()
        stays = {stay.number: stay for stay in book.stays()} if waiting else {}
        page = Page(
            # Rows of a stay that is over may still be on their way.
            stays=book.stays(now_ns - 2 * LONGEST_STAY_S * 1_000_000_000), trials=book.last_trials(),
            untold=book.untold(), waiting=[(test, stays[test.stay]) for test in waiting],
        )  # fmt: skip
        # Last: after an error everything is looked at again.
        self._version, self._is_broken = version, False
        return page

    def batches(self, page: Page) -> tuple[list[NewBatch], list[FieldTest]]:
        """Take over what was pulled; return what the outbox shall store, and the numbered tests in it for `done`."""
        self._stays = page.stays
        for key, (trial, ended_ns) in page.trials.items():
            last, last_ns = self._trials.get(key, (0, 0))
            self._trials[key] = (max(last, trial), max(last_ns, ended_ns))
        batcher = Batcher(time.monotonic, self._now_ns)
        for stay in page.untold:
            _tell(batcher, stay)
        taken = []
        for test, stay in page.waiting:
            trial = self._number(test, stay)
            sample = msgspec.json.decode(test.sample or "{}")
            batcher.add("throughput", test.link, SOURCE, test.ended_ns, _at(stay, sample, trial))
            taken.append(test._replace(trial=trial))
        return batcher.due(everything=True), taken

    def _number(self, test: FieldTest, stay: Stay) -> int:
        """Each test that the command ran is one of its own; told twice, it has its number twice, and counts once."""
        if test.number not in self._numbered:
            key = (stay.point, test.link, test.direction, test.protocol)
            last, ended_ns = self._trials.get(key, (0, 0))
            self._trials[key] = (last + 1, max(ended_ns, test.ended_ns))
            self._numbered[test.number] = last + 1
        return self._numbered[test.number]

    def done(self, page: Page, tests: Sequence[FieldTest]) -> None:
        """Note in the book that the outbox has what `batches` returned."""
        if self._book is None:
            return
        try:
            for stay in page.untold:
                self._book.told(stay)
            for test in tests:
                self._book.taken(test)
        except (FieldBookError, sqlite3.Error) as error:
            log.error("%s", error)  # noqa: TRY400
            self._version = -1

    def close(self) -> None:
        """Close the book."""
        if self._book is not None:
            self._book.close()


def _latest_ns(stay: Stay) -> int:
    return stay.arrived_ns + LONGEST_STAY_S * 1_000_000_000


def _at(stay: Stay, sample: Sample, trial: int) -> Sample:
    found = dict(sample, point=stay.point, trial=trial)
    if stay.lat_deg is not None and sample.get("lat_deg") is None:
        found |= {"lat_deg": stay.lat_deg, "lon_deg": stay.lon_deg}
    return found


def _tell(batcher: Batcher, stay: Stay) -> None:
    point = {"point": stay.point, "lat_deg": stay.lat_deg, "lon_deg": stay.lon_deg}
    if stay.told < 1:
        _event(batcher, stay.arrived_ns, {
            "name": "point.arrived", "severity": "info", "detail": msgspec.json.encode(point).decode(),
            "message": f"測定点{stay.point}に到着 / arrived at measuring point {stay.point}",
        })  # fmt: skip
    if stay.left_ns is not None:
        detail = {**point, "ended_by": stay.ended_by or "person"}
        _event(batcher, stay.left_ns, {
            "name": "point.left", "severity": "warning" if stay.ended_by else "info",
            "detail": msgspec.json.encode(detail).decode(),
            "message": f"測定点{stay.point}を出発 / left measuring point {stay.point}{_ENDED_BY[stay.ended_by]}",
        })  # fmt: skip


def _event(batcher: Batcher, t_ns: int, sample: Sample) -> None:
    batcher.add("event", "", SOURCE, t_ns, sample)


def metres_from_plan(stay: Stay) -> float | None:
    """Return how far the device stood from the surveyed place of its point; None where either is not known."""
    if stay.lat_deg is None or stay.lon_deg is None or stay.fix_lat_deg is None or stay.fix_lon_deg is None:
        return None
    return metres_between((stay.lat_deg, stay.lon_deg), (stay.fix_lat_deg, stay.fix_lon_deg))


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two places given as latitude and longitude in degrees; for some kilometres."""
    north = (other[0] - one[0]) * _METRES_PER_DEGREE
    east = (other[1] - one[1]) * _METRES_PER_DEGREE * math.cos(math.radians(one[0]))
    return math.hypot(north, east)

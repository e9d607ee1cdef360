"""The agent: runs the sources, stores what they measure, and lets the publisher send it.

Nothing that a source, the broker or the disk does ends the agent: it reports, waits, and tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from collectors.batcher import Batcher
from collectors.config import CollectConfig
from collectors.field_book import book_path
from collectors.outbox import NewBatch, Outbox, OutboxError, OutboxStatistics
from collectors.outbox_record import StoredBatch
from collectors.publisher import Publisher
from collectors.registry import kind_of
from collectors.source import Emit, ReadsOutbox, SourceConfig
from collectors.stamping import Stamping
from contract.envelope import Refusal
from contract.samples import Sample

log = logging.getLogger("jissho.collect")

AGENT = "jissho/0.1.0"
FIRST_RESTART_S, LAST_RESTART_S = 1.0, 30.0
_FLUSH_EVERY_S = 0.1
_CANCEL_AGAIN_S = 1.0
_REPORT_DROPS_EVERY_S = 1.0
"""While the outbox is full every append drops something; an event for each would fill it with events."""
LOG_DROPS_EVERY_S = 60.0
"""A person reads the log: over a day with a full outbox 1,440 lines instead of 86,400."""
_DROPPED = {
    "quota": "送信待ちの上限により{0}バッチを破棄 / {0} batches dropped by quota",
    "damaged": "記録の損傷により{0}バッチを破棄 / {0} batches damaged on the disk and dropped",
}
"""What the event says, by the reason of the drop."""
_T = TypeVar("_T")


class _OutboxThread:
    """The outbox behind a thread of its own, so that an fsync never holds up the event loop."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.epoch = outbox.epoch
        self._may_owe_report = True
        self._reported_s = -_REPORT_DROPS_EVERY_S
        self._logged_s = -LOG_DROPS_EVERY_S
        before = outbox.statistics()
        self._logged_batches = before.dropped - before.damaged
        self._damaged = outbox.damaged
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jissho-outbox")

    async def _call(self, work: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def append(self, batches: Sequence[NewBatch]) -> list[StoredBatch]:
        """Store batches; what the quota costs is reported about once a second, in a batch of its own."""
        stored, drop = await self._call(self._outbox.append, batches)
        self._may_owe_report |= drop is not None
        if self._may_owe_report and time.monotonic() - self._reported_s >= _REPORT_DROPS_EVERY_S:
            # The batches are stored: an error here would have them stored once more. What is not told is owed on.
            with contextlib.suppress(OutboxError):
                stored += await self.report_drops()
        return stored

    async def log_drops(self) -> None:
        """Say in the log what the quota cost so far, if it grew since that was said."""
        statistics = await self.statistics()
        total = statistics.dropped - statistics.damaged
        if total > self._logged_batches:
            log.error("outbox is full: %d batches dropped so far; raise [outbox] max_bytes or mend the link", total)
            self._logged_s, self._logged_batches = time.monotonic(), total

    async def report_drops(self) -> list[StoredBatch]:
        """Tell of every drop that no batch tells of: also those of a life that ended before it could."""
        self._reported_s = time.monotonic()
        # First of all: what is dropped or found damaged from here on is owed again.
        self._may_owe_report = False
        drops = await self._call(self._outbox.unreported)
        if not drops:
            return []
        if time.monotonic() - self._logged_s >= LOG_DROPS_EVERY_S:
            await self.log_drops()
        notice = Batcher(time.monotonic, time.time_ns)
        last = {drop.reason: drop for drop in drops}
        for drop in drops:
            detail: dict[str, object] = {**drop._asdict()}
            if last[drop.reason] is drop:
                # All ranges so far, since an outage long enough to drop drops its earlier reports as well. Not with
                # each: of a thousand damaged batches the report would be too large to be taken.
                detail["ranges"] = await self._call(self._outbox.dropped_ranges, drop.reason)
            notice.event("outbox.dropped", "error", _DROPPED[drop.reason].format(drop.batches), detail)
        append = partial(self._outbox.append, reporting=drops)
        try:
            stored, more = await self._call(append, notice.due(everything=True))
        except OutboxError:
            self._may_owe_report = True
            raise
        self._may_owe_report |= more is not None
        return stored

    async def newest_before(self, seq: int, limit: int) -> list[StoredBatch]:
        """See `Outbox.newest_before`; what is damaged is said in the log, and in an event with the next batches."""
        found = await self._call(self._outbox.newest_before, seq, limit)
        damaged = self._outbox.damaged
        if damaged > self._damaged:
            log.error("outbox %s: %d batches are not as they were written and are not sent; check the disk",
                      self._outbox.path, damaged - self._damaged)  # fmt: skip
            self._damaged, self._may_owe_report = damaged, True
        return found

    async def delete(self, ranges: Sequence[tuple[int, int]]) -> None:
        """See `Outbox.delete`."""
        await self._call(self._outbox.delete, ranges)

    async def statistics(self) -> OutboxStatistics:
        """See `Outbox.statistics`."""
        return await self._call(self._outbox.statistics)

    async def close(self) -> None:
        """Close the outbox and end the thread."""
        await self._call(self._outbox.close)
        self._thread.shutdown()


class Agent:
    """One device: its sources, its outbox, its publisher."""

    def __init__(self, config: CollectConfig) -> None:
        """Open the outbox. Raises OutboxError."""
        self.config = config
        self._file = Outbox(
            Path(config.outbox.path), site=config.site, device=config.device, max_bytes=config.outbox.max_bytes,
            payload_format=config.outbox.payload_format,
        )  # fmt: skip
        self._outbox = _OutboxThread(self._file)
        self._folder = Path(config.outbox.path).absolute().parent
        self._stamping = Stamping(book_path(Path(config.outbox.path)))
        self._stopping = asyncio.Event()
        self.batcher = Batcher(time.monotonic, time.time_ns, max_age_s=config.max_age_s, max_rows=config.max_rows)
        names = [f"{kind_of(source).name}{':' + source.link if source.link else ''}" for source in config.source]
        self.publisher = Publisher(
            config.mqtt, self._outbox, site=config.site, device=config.device, agent=AGENT, sources=names,
            on_refused=self._refused,
        )  # fmt: skip
        if self._file.moved_aside is not None:
            log.error(
                "outbox %s was unreadable and moved to %s; a new one begins", self._file.path, self._file.moved_aside
            )
            self.batcher.event(
                "outbox.reset",
                "error",
                "送信待ちファイルが壊れていたため新しく開始 / the outbox was unreadable, a new epoch begins",
                {"moved_to": str(self._file.moved_aside)},
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Measure until `stop` is set, or all sources have finished and the configuration says to exit then."""
        sources = [
            asyncio.create_task(self._supervise(source), name=f"source {kind_of(source).name} {source.link}")
            for source in self.config.source
        ]
        flush = asyncio.create_task(self._flush_forever(), name="jissho flush")
        publish = asyncio.create_task(self._publish_forever(), name="jissho publish")
        ending: list[asyncio.Future[Any]] = [asyncio.create_task(stop.wait(), name="jissho stop")]
        if self.config.exit_when_finished:
            ending.append(asyncio.gather(*sources))
        await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(*sources, *ending)
        self._stopping.set()
        await flush
        await self._store(self.batcher.due(everything=True))
        await self._turn_page()
        await asyncio.to_thread(self._stamping.close)
        await self._report_drops()
        await self._outbox.log_drops()
        await self._drain()
        # Sending may have found damaged ones.
        if await self._report_drops():
            await self._drain()
        await _cancel(publish)
        statistics = await self._outbox.statistics()
        await self.publisher.goodbye(statistics)
        log.info("stopped: %d batches taken, %d still in the outbox", statistics.taken, statistics.batches)
        await self._outbox.close()

    async def _report_drops(self) -> bool:
        with contextlib.suppress(OutboxError):  # said when the samples could not be stored
            stored = await self._outbox.report_drops()
            self.publisher.offer(stored)
            return bool(stored)
        return False

    async def _drain(self) -> None:
        if (await self._outbox.statistics()).batches and self.publisher.is_connected:
            try:
                async with asyncio.timeout(self.config.drain_s):
                    await self.publisher.emptied.wait()
            except TimeoutError:
                log.warning("not everything could be sent; the rest stays in the outbox for the next start")

    async def _supervise(self, config: SourceConfig) -> None:
        """Run one source for ever; when it fails, say so and start it again after a growing pause."""
        kind = kind_of(config)
        label = f"{kind.name}/{kind.version}"
        pause_s = FIRST_RESTART_S
        while True:
            began_s = time.monotonic()
            try:
                source = kind.build(config)
                if isinstance(source, ReadsOutbox):
                    source.attach_outbox(self._outbox.statistics, self._folder)
                self.batcher.event("source.started", "info", f"{label} started", link=config.link)
                await source.run(self._emit(config.link, label))
            except OSError as error:
                self._failed(label, config, f"{label}: {error}", pause_s, None)
            except Exception as error:  # noqa: BLE001 - one source must not take the others with it
                self._failed(label, config, f"{label}: {error!r}", pause_s, traceback.format_exc(limit=-8))
            else:
                self.batcher.event("source.finished", "info", f"{label} finished", link=config.link)
                return
            await asyncio.sleep(pause_s)
            is_stable = time.monotonic() - began_s > 2 * LAST_RESTART_S
            pause_s = FIRST_RESTART_S if is_stable else min(pause_s * 2, LAST_RESTART_S)

    def _failed(self, label: str, config: SourceConfig, message: str, pause_s: float, trace: str | None) -> None:
        log.warning(
            "source %s%s: trying again in %.0f s", message, f" on {config.link}" if config.link else "", pause_s
        )
        detail = {"source": label, "again_in_s": pause_s, **({"traceback": trace} if trace else {})}
        self.batcher.event("source.failed", "error", message, detail, link=config.link)

    def _emit(self, configured: str, label: str) -> Emit:
        def emit(stream: str, t_ns: int, sample: Sample, *, link: str | None = None) -> None:
            of = configured if link is None else link
            if stream == "throughput":
                sample = self._stamping.stamp(of, t_ns, sample)
            elif stream == "position":
                self._stamping.seen(t_ns, sample)
            self.batcher.add(stream, of, label, t_ns, sample)

        return emit

    async def _publish_forever(self) -> None:
        while True:
            try:
                await self.publisher.run()
            except Exception:  # a fault of ours must not end the measurement: the outbox keeps everything meanwhile
                log.exception("publisher failed; starting it again")
                self.publisher.is_connected = False
                await asyncio.sleep(FIRST_RESTART_S)

    async def _flush_forever(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_EVERY_S):
                    await self._stopping.wait()
            await self._turn_page()
            await self._store(self.batcher.due())

    async def _turn_page(self) -> None:
        """Put into the outbox what the person at the site wrote into the field book."""
        page = await asyncio.to_thread(self._stamping.pull)
        if page is not None:
            batches, tests = self._stamping.batches(page)
            if await self._store(batches):
                await asyncio.to_thread(self._stamping.done, page, tests)

    async def _store(self, batches: list[NewBatch]) -> bool:
        """Store batches; while the disk refuses, keep them in memory and try again, but not when stopping.

        Returns whether they are stored.
        """
        pause_s = FIRST_RESTART_S
        while batches:
            try:
                self.publisher.offer(await self._outbox.append(batches))
            except OutboxError as error:
                if self._stopping.is_set():
                    log.critical("%s; %d batches are lost with this stop", error, len(batches))
                    return False
                log.error("%s; %d batches are held in memory, trying again in %.0f s", error, len(batches), pause_s)  # noqa: TRY400
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LAST_RESTART_S)
            else:
                return True
        return True

    def _refused(self, refusal: Refusal) -> None:
        log.warning("batch %d went to quarantine: %s", refusal.seq, refusal.reason)
        self.batcher.event(
            "batch.quarantined", "warning", f"batch {refusal.seq}: {refusal.reason}", {"seq": refusal.seq}
        )


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel until it is done: a library that waits with `asyncio.wait_for` may forget one (Python 3.11)."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


async def run_agent(config: CollectConfig, *, stop: asyncio.Event) -> None:
    """Run an agent until `stop` is set. Raises OutboxError if the outbox cannot be opened."""
    await Agent(config).run(stop)

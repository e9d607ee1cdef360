"""`jissho ingest`: from the broker into the database."""

from __future__ import annotations

import signal
import threading


def ingest() -> None:
    """Subscribe to the broker, commit every batch exactly once, and answer with receipts."""
    from ingest.foreign_service import ForeignService  # noqa: PLC0415 - commands load what they need
    from ingest.service import IngestService  # noqa: PLC0415 - commands load what they need
    from jissho.settings import Settings, database  # noqa: PLC0415

    settings = Settings()
    profiles = settings.foreign()
    with database(settings, is_service=True) as url:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        service = IngestService(settings.ingest(url))
        service.start()
        print(f"ingest: {settings.text('JISSHO_MQTT_HOST')}:{settings.port('JISSHO_MQTT_PORT')}", flush=True)
        foreign = ForeignService(settings.ingest(url), profiles) if profiles else None
        if foreign is not None:
            foreign.start()
            print(f"ingest: foreign devices on {', '.join(profiles.subscriptions)}", flush=True)
        stop.wait()
        service.stop()
        if foreign is not None:
            foreign.stop()
            print(
                f"ingest: {foreign.counts.messages} messages of foreign devices, {foreign.counts.rows} rows committed, "
                f"{foreign.counts.duplicates} duplicates, {foreign.counts.refused} in quarantine"
            )
        counts = service.counts
        print(
            f"ingest: {counts.rows} rows in {counts.batches} batches committed, {counts.duplicates} duplicates, "
            f"{counts.refused} in quarantine"
        )

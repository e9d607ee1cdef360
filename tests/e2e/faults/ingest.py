"""The ingest as a child: the real service with named points around COPY, COMMIT and receipt.

`python -m tests.e2e.faults.ingest DATABASE_PORT_URL MQTT_PORT`
"""

import logging
import signal
import sys
import threading
from typing import Any

from ingest.service import IngestService, IngestSettings
from storage.writer import Writer
from tests.e2e.faults.points import passing

WHO = "ingest"


def wrap() -> None:
    """Put the points into the writer and the service."""
    insert, answer = Writer._insert, IngestService._answer

    def pointed_insert(self: Writer, cursor: Any, fresh: Any, epoch_ids: Any) -> None:
        insert(self, cursor, fresh, epoch_ids)
        if fresh:
            passing(WHO, "copied")

    def pointed_answer(self: IngestService, processed: Any) -> None:
        if processed.outcome.committed:
            passing(WHO, "committed")
        answer(self, processed)
        if processed.outcome.committed:
            passing(WHO, "answered")

    Writer._insert = pointed_insert  # type: ignore[method-assign]
    IngestService._answer = pointed_answer  # type: ignore[method-assign]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    wrap()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    service = IngestService(IngestSettings(database_url=sys.argv[1], mqtt_port=int(sys.argv[2])))
    service.start()
    stop.wait()
    service.stop()

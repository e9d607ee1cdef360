"""What several KPIs need, by name: groups of sources of which any one will do, and directions (`KpiDefinition`)."""

from __future__ import annotations

from analytics.dictionary.definition import Way

WAYS: tuple[Way, ...] = ("round_trip", "up", "down")
ROUND_TRIP: tuple[Way, ...] = ("round_trip",)
UP_DOWN: tuple[Way, ...] = ("up", "down")
WITH_UP: tuple[Way, ...] = ("round_trip", "up")

DELAY = ("probe.rtt_us", "probe.ul_us", "probe.dl_us")
ONE_WAY = ("probe.ul_us", "probe.dl_us")
LOST = ("probe.lost",)
CLOCK_BOUND = "clock.bound_us+synced"
PLACE = ("position.lat_deg+lon_deg+mode",)
SPEED = (*PLACE, "vehicle.speed_mps")
CELL = ("radio.cell_id", "radio.pci")
RATE = ("throughput.rate_bps", "throughput.bytes+interval_s")
VOLUME = ("traffic.bytes+interval_s",)
TREATED = ("traffic.treatment",)
ORDERED = (("probe.seq",), ("probe.rtt_us", "probe.ul_us"))

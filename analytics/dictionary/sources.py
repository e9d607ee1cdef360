"""Sources that several KPIs need, by name: groups of which any one will do (`KpiDefinition.needs`)."""

from __future__ import annotations

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

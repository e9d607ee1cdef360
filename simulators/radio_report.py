"""What a terminal says about its radio: the columns of the stream `radio`, and the events of a link."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.streams import STREAMS
from simulators.path_loss import Floats
from simulators.radio import RadioSeries, channel_quality
from simulators.series import integers_or_null, texts
from simulators.vehicle import Event

# Open-loop power control of TS 38.213 7.1.1: target per block, share of the path loss, 20 blocks in dB.
_TX_MAX_DBM, _TX_TARGET_DBM, _TX_ALPHA, _TX_BLOCKS_DB = 23.0, -84.0, 0.8, 13.0
_SECOND_LAYER_DB, _THIRD_LAYER_DB, _FOURTH_LAYER_DB = 8.0, 18.0, 24.0  # SINR from which 4x4 MIMO gains a layer


def radio_columns(rng: np.random.Generator, radio: RadioSeries, every: slice) -> dict[str, NDArray[Any]]:
    """Return the columns of the stream `radio` at the ticks of `every`; a failed link has CQI 0 and no transmission."""
    system = radio.system
    serving, down = radio.serving[every], radio.down[every]
    sinr = radio.reported_sinr_db[every]
    n = len(serving)
    cqi = np.where(down, 0, channel_quality(sinr))
    mcs = np.clip(2 * cqi - 2 + rng.integers(0, 2, n), 0, 27)
    rank = 1 + sum((sinr > level).astype(np.int64) for level in (_SECOND_LAYER_DB, _THIRD_LAYER_DB, _FOURTH_LAYER_DB))
    tx_power = _TX_TARGET_DBM + _TX_ALPHA * radio.path_loss_db[every] + _TX_BLOCKS_DB
    cells = system.cells
    silent = down | (cqi == 0)
    return {
        "rat": texts([system.rat] * n),
        "pci": np.array([cell.pci for cell in cells])[serving],
        "arfcn": np.full(n, system.arfcn),
        "band": texts([system.band] * n),
        "bandwidth_mhz": np.full(n, system.bandwidth_mhz),
        "cell_id": np.array([cell.cell_id for cell in cells])[serving],
        "rsrp_dbm": _reported("rsrp_dbm", radio.reported_rsrp_dbm[every]),
        "rsrq_db": _reported("rsrq_db", radio.rsrq_db[every]),
        "sinr_db": _reported("sinr_db", sinr),
        "rssi_dbm": _reported("rssi_dbm", radio.rssi_dbm[every]),
        "rx_power_dbm": _reported("rx_power_dbm", radio.rx_power_dbm[every]),
        "cqi": cqi,
        "mcs": integers_or_null(mcs, null=silent),
        "rank": integers_or_null(np.minimum(rank, 4 if system.rat != "LTE" else 2), null=silent),
        "bler_ratio": np.where(silent, np.nan, np.clip(rng.normal(0.09, 0.03, n) - sinr / 600.0, 0.0, 1.0).round(4)),
        "tx_power_dbm": np.where(down, np.nan, np.clip(tx_power, -40.0, _TX_MAX_DBM).round(1)),
    }


def _reported(name: str, values: Floats) -> Floats:
    """Return levels as a terminal states them: in steps of 0.1 dB, and not outside the range of the contract."""
    low, high = STREAMS["radio"].column(name).bounds
    return np.clip(values, low, high).round(1)


def radio_events(radio: dict[str, RadioSeries], tick_s: float) -> list[Event]:
    """Return handovers, failures and recoveries of each link; the series have one entry every `tick_s`."""
    events = []
    for link, series in radio.items():
        cells = series.system.cells
        for tick, length_s in zip(series.handover_tick.tolist(), series.handover_s.tolist(), strict=True):
            old, new = cells[series.serving[tick - 1]].pci, cells[series.serving[tick]].pci
            detail = {"from_pci": old, "to_pci": new, "interruption_ms": round(length_s * 1e3, 1)}
            text = f"Handover from PCI {old} to PCI {new}"
            events.append(Event(round(tick * tick_s, 3), link, "radio.handover", "info", text, dict(detail)))
        edges = np.diff(series.down.astype(np.int8), prepend=0)
        for tick in np.flatnonzero(edges).tolist():
            fails = edges[tick] > 0
            name, severity = ("link.down", "error") if fails else ("link.up", "info")
            text = "Radio link failure" if fails else "Radio link is back"
            detail = {"pci": cells[series.serving[tick]].pci, "sinr_db": round(float(series.sinr_db[tick]), 1)}
            events.append(Event(round(tick * tick_s, 3), link, name, severity, text, detail))
    return events

"""The profile of a drive-test log as tests of real ones read it (G-NetTrack Pro, of which Cork published 83 traces)."""

DRIVE = """
format = "csv"
stream = "radio"
[time]
from = "Timestamp"
format = "%Y.%m.%d_%H.%M.%S"
timezone = "Europe/Dublin"
[columns]
rat = { from = "NetworkMode" }
cell_id = { from = "RAWCELLID" }
rsrp_dbm = { from = "RSRP", unit = "dBm" }
rsrq_db = { from = "RSRQ", unit = "dB" }
sinr_db = { from = "SNR", unit = "dB" }
cqi = { from = "CQI" }
rssi_dbm = { from = "RSSI", unit = "dBm" }
"""

"""Device doubles on real interfaces, with the ground truth beside what they say.

Two families: a UDP path that delays, loses, reorders and copies packets as a radio link does (`udp_path`), and a
vehicle on a road inside a radio world (`world`), heard through the protocols of a GNSS daemon and of a vehicle
computer (`gpsd_double`, `feed_double`). Nothing here imports the collectors: both sides meet in bytes only.
"""

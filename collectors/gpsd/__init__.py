"""Source `gpsd`: position from gpsd's JSON over TCP."""

"""Source `gpsd`: position by GNSS, from gpsd's JSON protocol."""

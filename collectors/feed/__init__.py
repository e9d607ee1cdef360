"""Source `feed`: samples from programs on board, as lines of JSON over TCP."""

"""Source `feed`: samples from any program on board, one JSON object a line."""

"""`jissho demo`: the whole line on one machine, on loopback, from real UDP packets to a workbook."""

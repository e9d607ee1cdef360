"""Tables as people fill them in: tests at measuring points, and glass-to-glass trials."""

BOX_MBPS = [27.0, 97.0, 126.0, 162.0, 238.0]
"""Minimum, 25 %, median, 75 % and maximum that an operator published for 2016 by MIC's guideline (Android, down)."""
_POINTS = {"P-01": 97, "P-02": 238, "P-03": 27, "P-04": 162, "P-05": 126}
_READ_MS = [171, 162, 178, 167, 180, 164, 173, 169, 176, 161, 172, 166, 179, 163, 175, 168, 177, 165, 174, 170]


def points_csv():
    """Return three tests a point around BOX_MBPS, a sixth point with two, and a row with a wrong direction."""
    lines = ["測定点,試行,日時,方向,プロトコル,スループット[Mbps],測定時間[s],緯度,経度"]
    for point, mean in _POINTS.items():
        lines += [
            f"{point},{trial},2026/6/1 13:{len(lines) + trial - 1:02},下り,TCP,{mean + off},30,35.4{point[-1]},139.6"
            for trial, off in enumerate((-1, -2, 3), start=1)
        ]
    lines += [f"P-06,{trial},2026/6/1 14:0{trial},下り,TCP,{59 + trial},30,," for trial in (1, 2)]
    lines.append("P-06,3,2026/6/1 14:03,横,TCP,60,30,,")
    return "\r\n".join([*lines, ",,,,,,,,", ""])


def g2g_csv():
    """Return twenty trials in milliseconds, and one in seconds by mistake."""
    lines = ["日時,遅延[ms]", *(f"2026/6/1 10:{minute:02},{delay}" for minute, delay in enumerate(_READ_MS))]
    return "\r\n".join([*lines, "2026/6/1 10:30,0.17", ""])

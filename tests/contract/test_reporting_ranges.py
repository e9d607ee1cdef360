"""The reporting ranges of TS 38.133 as input validation, with what real modems and phones said outside them."""

import pytest

from contract.samples import sample_faults
from contract.streams import STREAMS


@pytest.mark.parametrize(
    ("column", "bounds"), [("rsrp_dbm", (-156, -31)), ("rsrq_db", (-43, 20)), ("sinr_db", (-23, 40))]
)  # fmt: skip
def test_the_ranges_are_those_of_ts_38_133(column, bounds):
    """10.1.6, 10.1.11 and 10.1.16: both ends are reported, half a step beyond them is not."""
    assert bounds == STREAMS["radio"].column(column).bounds
    assert [0, 0] == [len(sample_faults("radio", {column: float(end)})) for end in bounds]
    assert [1, 1] == [len(sample_faults("radio", {column: end})) for end in (bounds[0] - 0.25, bounds[1] + 0.25)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rsrp_dbm", -200.0),  # UCC drive tests, 73 rows
        ("rsrp_dbm", -29.0),  # INFOCOM 2023
        ("rsrq_db", 2147483647.0),  # Android UNAVAILABLE, 1,096 rows
        ("rsrq_db", -225.0),
        ("sinr_db", -30.0),
        ("rsrp_dbm", -32768.0),  # Quectel
        ("rsrp_dbm", "--"),  # mmcli
        ("rsrp_dbm", "-85.0"),  # mmcli: numbers are strings
    ],
)  # fmt: skip
def test_what_real_devices_said_outside_them_is_refused(column, value):
    """Each is a fault that names the column; none becomes a level."""
    (fault,) = sample_faults("radio", {column: value})
    assert column in fault

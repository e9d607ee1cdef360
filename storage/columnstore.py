"""Rows that are columns from the start: TimescaleDB's columnstore without the row store before it.

Measured on two cores with TimescaleDB 2.29.2 and the probe table with its aggregates (bench `columnstore_copy`), rows/s
straight into columns against row store, and in brackets with the compression that follows:

    transactions of 1,000 rows      360,000 against   382,000   (319,000 against 317,000)
    transactions of 10,000 rows   1,001,000 against 1,167,000   (737,000 against 700,000)
    transactions of 100,000 rows  1,231,000 against 1,374,000   (854,000 against 784,000)

and 7 to 8 bytes a row at once instead of 81. So live data go into rows, which costs them less, and are compressed when
nothing late comes any more; what is imported is written once, read at once for a report, and mostly lies in chunks that
are compressed already: it goes straight into columns.
"""

from __future__ import annotations

import psycopg

_SETTINGS = ["timescaledb.enable_direct_compress_copy", "timescaledb.enable_direct_compress_copy_sort_batches"]
_SWITCH_ON = "SELECT set_config(name, 'on', false) FROM pg_settings WHERE name = ANY(%s)"


def copy_into_columns(connection: psycopg.Connection) -> None:
    """Have what this connection copies stored as columns at once; a server that cannot goes on storing rows."""
    connection.execute(_SWITCH_ON, (_SETTINGS,))

-- Rendered by `make docs`. Chunks of a day hold what two sites probe at 1,000 packets/s in
-- memory's reach (86 M rows took 746 MB compressed); the slow streams would make too many small chunks.

SELECT create_hypertable('probe', by_range('t', interval '1 day'), create_default_indexes => false);
SELECT create_hypertable('radio', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('throughput', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('position', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('vehicle', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('command', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('video', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('event', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('clock', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('host', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('traffic', by_range('t', interval '7 days'), create_default_indexes => false);
SELECT create_hypertable('metric', by_range('t', interval '7 days'), create_default_indexes => false);

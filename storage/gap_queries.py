"""The statements that read what the gaps of a run are judged by.

Parameters: `links`, `own` (the devices' own links), `devices` as ids, `start` and `end` of the run; some take more.
Seconds are Unix seconds, rounded down.
"""

from __future__ import annotations

LEDGERS = """
WITH span AS (
    SELECT epoch_id, min(seq) AS first_seq, max(seq) AS last_seq FROM batch
    WHERE link_id = ANY(%(links)s) AND t_first < %(end)s AND t_last >= %(start)s GROUP BY epoch_id),
silent AS (
    -- In contact during the run, and nothing of this life has arrived yet.
    SELECT epoch_id FROM ledger JOIN device_status AS status USING (device_id, epoch)
    WHERE device_id = ANY(%(devices)s) AND announced > 0 AND committed = '{}'
      AND first_at < %(end)s AND status.received_at >= %(start)s)
SELECT epoch_id, device_id, device, ledger.epoch, first_seq, last_seq,
       int8multirange(int8range(1, 1 + greatest(announced, upper(committed) - 1, upper(quarantined) - 1))) - committed,
       quarantined, status.taken, status.pending, floor(extract(epoch FROM status.at))::int8
FROM ledger JOIN device USING (device_id) LEFT JOIN span USING (epoch_id)
LEFT JOIN device_status AS status USING (device_id, epoch)
WHERE epoch_id IN (SELECT epoch_id FROM span UNION SELECT epoch_id FROM silent)
ORDER BY device, epoch_id
"""
DROPPED = """
SELECT batch_id >> 40, detail FROM event
WHERE name = 'outbox.dropped' AND link_id = ANY(%(own)s) AND t >= %(start)s
"""
BOUNDS = """
SELECT (SELECT floor(extract(epoch FROM max(t_last)))::int8 FROM (
            SELECT t_last FROM batch WHERE batch_id < gap.low AND batch_id >= (gap.low >> 40) << 40
            ORDER BY batch_id DESC LIMIT %(neighbours)s) AS before),
       (SELECT floor(extract(epoch FROM max(t_last)))::int8 FROM (
            SELECT t_last FROM batch WHERE batch_id > gap.high AND batch_id < ((gap.high >> 40) + 1) << 40
            ORDER BY batch_id LIMIT %(neighbours)s) AS after)
FROM unnest(%(low)s::int8[], %(high)s::int8[]) WITH ORDINALITY AS gap(low, high, number) ORDER BY number
"""
NEXT_LIFE = """
SELECT floor(extract(epoch FROM min(t_first)))::int8 FROM batch
WHERE epoch_id = (SELECT min(epoch_id) FROM ledger WHERE device_id = %s AND epoch_id > %s AND committed <> '{}'
                  -- Those that the server numbers are no life of an outbox.
                  AND epoch <> 'foreign' AND NOT starts_with(epoch, 'conflict-'))
"""
SECONDS = """
SELECT link_id, extract(epoch FROM date_trunc('second', t))::int8 AS second, count(*)
FROM {stream} WHERE link_id = ANY(%(links)s) AND t >= %(start)s AND t < %(end)s GROUP BY 1, 2 ORDER BY 1, 2
"""
ALIVE = """
SELECT device_id, extract(epoch FROM date_trunc('second', t_last))::int8 AS second
FROM batch JOIN link USING (link_id)
WHERE device_id = ANY(%(devices)s) AND t_first < %(end)s AND t_last >= %(start)s GROUP BY 1, 2 ORDER BY 1, 2
"""
HEARD = """
SELECT device_id, greatest(floor(extract(epoch FROM status.at))::int8, (
           SELECT floor(extract(epoch FROM max(t_last)))::int8 FROM batch JOIN link USING (link_id)
           WHERE link.device_id = status.device_id AND t_last >= %(start)s))
FROM device_status AS status WHERE device_id = ANY(%(devices)s)
"""
STATES = """
SELECT device_id, state, floor(extract(epoch FROM at))::int8 FROM device_status_log
WHERE device_id = ANY(%(devices)s) ORDER BY change_id
"""
SOURCES = """
SELECT link_id, floor(extract(epoch FROM t))::int8, name, detail FROM event
WHERE link_id = ANY(%(links)s) AND t >= %(start)s - interval '1 hour' AND t < %(end)s
  AND name IN ('source.started', 'source.failed', 'source.finished', 'probe.pending')
ORDER BY link_id, t
"""
LATE = """
WITH told AS (
    SELECT device_id, epoch FROM device_status UNION SELECT device_id, epoch FROM device_status_log),
waiting AS (
    SELECT coalesce(max((detail->'timeout_s')::float8), %(timeout)s) AS probe_s FROM event
    WHERE name = 'probe.session' AND jsonb_typeof(detail->'timeout_s') = 'number'
      AND link_id = ANY(%(links)s) AND t >= %(start)s - interval '1 day' AND t < %(end)s),
arrival AS (
    SELECT device_id, t_last, extract(epoch FROM received_at - t_last) AS after_s,
           CASE stream WHEN 'probe' THEN greatest(probe_s, %(timeout)s) ELSE 0 END AS allowed_s
    FROM waiting, batch JOIN ledger USING (epoch_id) JOIN told USING (device_id, epoch)
    WHERE link_id = ANY(%(links)s) AND t_first < %(end)s AND t_last >= %(start)s),
-- A device whose clock is behind delivers nothing late: the least delay is its clock's.
clock AS (SELECT device_id, least(greatest(min(after_s), 0), 60) AS error_s FROM arrival GROUP BY device_id)
SELECT device_id, extract(epoch FROM date_trunc('second', t_last))::int8 AS second, count(*),
       max(after_s - error_s)::float8, min(extract(epoch FROM t_last) + after_s - error_s)::float8
FROM arrival JOIN clock USING (device_id) WHERE after_s - error_s > allowed_s + %(late)s
GROUP BY 1, 2 ORDER BY 1, 2
"""

-- Rendered by `make docs`. Old chunks become columns, one segment a link in the order of time: packets took
-- 8.6 bytes a row instead of 68, and were read at 2.9 M rows/s instead of 1.2 M.

ALTER TABLE probe SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('probe', after => interval '7 days');
ALTER TABLE radio SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('radio', after => interval '7 days');
ALTER TABLE throughput SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('throughput', after => interval '7 days');
ALTER TABLE position SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('position', after => interval '7 days');
ALTER TABLE vehicle SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('vehicle', after => interval '7 days');
ALTER TABLE command SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('command', after => interval '7 days');
ALTER TABLE video SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id, camera');
CALL add_columnstore_policy('video', after => interval '7 days');
ALTER TABLE event SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('event', after => interval '7 days');
ALTER TABLE clock SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('clock', after => interval '7 days');
ALTER TABLE host SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('host', after => interval '7 days');
ALTER TABLE traffic SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id');
CALL add_columnstore_policy('traffic', after => interval '7 days');
ALTER TABLE metric SET (timescaledb.enable_columnstore, timescaledb.orderby = 't', timescaledb.segmentby = 'link_id, name');
CALL add_columnstore_policy('metric', after => interval '7 days');

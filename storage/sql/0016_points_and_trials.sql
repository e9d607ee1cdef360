-- Columns of contract revision 2: measuring points with their tests, and how a metric was measured. Nullable and without
-- a default, so that no row is rewritten and compressed chunks stay as they are; one column a statement, since a
-- hypertable with columnstore takes no more.
ALTER TABLE throughput ADD COLUMN point text;
ALTER TABLE throughput ADD COLUMN trial integer;
ALTER TABLE throughput ADD COLUMN lat_deg double precision;
ALTER TABLE throughput ADD COLUMN lon_deg double precision;
ALTER TABLE metric ADD COLUMN detail jsonb;
COMMENT ON COLUMN throughput.point IS '測定点 / Measuring point at which a test was made standing still; null on the move';
COMMENT ON COLUMN throughput.trial IS '試行番号 / Which test at this point; rows of one number are parts of one test [1]';
COMMENT ON COLUMN throughput.lat_deg IS '緯度 / Latitude of the point, as surveyed [deg]';
COMMENT ON COLUMN throughput.lon_deg IS '経度 / Longitude of the point, as surveyed [deg]';
COMMENT ON COLUMN metric.detail IS '測定条件 / How it was measured, a JSON object';

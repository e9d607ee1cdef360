-- TimescaleDB's time_bucket for plain PostgreSQL, so that every query and panel runs on both.
-- The origin is TimescaleDB's: 2000-01-03, a Monday.
CREATE FUNCTION time_bucket(bucket_width interval, ts timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN date_bin(bucket_width, ts, timestamptz '2000-01-03 00:00:00+00');

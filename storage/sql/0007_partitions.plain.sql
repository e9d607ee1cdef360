-- Rendered from contract/streams.py by `make docs`. The stream tables become partitioned by time, with their rows.
-- A late batch of two years ago gets a partition of its own when it comes (jissho_cover). What a wrong clock stamps
-- outside 2000 to 2100, and what comes while a partition cannot be made, goes to the DEFAULT partition: nothing is
-- refused and nothing waits. Rows in DEFAULT move as soon as their partition is made.

CREATE TABLE partition_width (
    stream text PRIMARY KEY,
    days   integer NOT NULL CHECK (days > 0)
);
INSERT INTO partition_width VALUES
    ('probe', 7),
    ('radio', 28),
    ('throughput', 28),
    ('position', 28),
    ('vehicle', 28),
    ('command', 28),
    ('video', 28),
    ('event', 28),
    ('clock', 28),
    ('host', 28),
    ('traffic', 28),
    ('metric', 28);

CREATE FUNCTION jissho_cover(stream_name text, at timestamptz) RETURNS tstzrange
LANGUAGE plpgsql SET lock_timeout = '1s' SET timezone = 'UTC' AS $$
DECLARE
    first_day constant timestamptz := '2000-01-03 00:00:00+00';
    last_day  constant timestamptz := '2100-01-04 00:00:00+00';
    width     interval;
    low       timestamptz;
    high      timestamptz;
    part      text;
BEGIN
    IF at < first_day THEN
        RETURN tstzrange(NULL, first_day);
    ELSIF at >= last_day THEN
        RETURN tstzrange(last_day, NULL);
    END IF;
    SELECT make_interval(hours => 24 * days) INTO STRICT width FROM partition_width WHERE stream = stream_name;
    low := date_bin(width, at, first_day);
    high := least(low + width, last_day);
    part := stream_name || to_char(low, '"_p"YYYYMMDD');
    IF to_regclass(part) IS NOT NULL THEN
        RETURN tstzrange(low, high);
    END IF;
    -- This lock keeps a second maker out, and lets others write and read on, as ATTACH does and CREATE ... PARTITION OF
    -- does not. A lock of the table, since the session sees what the first maker made only after one.
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', stream_name);
    IF to_regclass(part) IS NOT NULL THEN
        RETURN tstzrange(low, high);
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', stream_name || '_default');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, stream_name);
    EXECUTE format('WITH moved AS (DELETE FROM %I WHERE t >= $1 AND t < $2 RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', stream_name || '_default', part) USING low, high;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', stream_name, part, low, high);
    RETURN tstzrange(low, high);
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;
COMMENT ON FUNCTION jissho_cover(text, timestamptz) IS
    'make the partition that holds `at`; returns the time for which nothing more is to be made, NULL: not now';

CREATE FUNCTION jissho_make_partitions(until timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    entry  record;
    at     timestamptz;
    span   tstzrange;
    before integer := (SELECT count(*) FROM pg_inherits);
BEGIN
    FOR entry IN SELECT stream FROM partition_width ORDER BY stream LOOP
        at := now();
        WHILE at <= until LOOP
            span := jissho_cover(entry.stream, at);
            EXIT WHEN span IS NULL OR upper_inf(span);
            at := upper(span);
        END LOOP;
        -- What waits in DEFAULT because its partition could not be made when it came.
        at := '2000-01-03 00:00:00+00';
        LOOP
            EXECUTE format('SELECT min(t) FROM %I WHERE t >= $1', entry.stream || '_default') INTO at USING at;
            EXIT WHEN at IS NULL;
            span := jissho_cover(entry.stream, at);
            EXIT WHEN span IS NULL OR upper_inf(span);
            at := upper(span);
        END LOOP;
    END LOOP;
    RETURN (SELECT count(*) FROM pg_inherits) - before;
END $$;
COMMENT ON FUNCTION jissho_make_partitions(timestamptz) IS
    'make the partitions from now to `until` and those that rows in DEFAULT wait for; returns how many relations';

CREATE FUNCTION pg_temp.convert(stream_name text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    before text := stream_name || '_before';
    at     timestamptz;
    span   tstzrange;
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO %I', stream_name, before);
    EXECUTE format('DROP INDEX %I', stream_name || '_t');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (t)', stream_name, before);
    EXECUTE format('CREATE INDEX %I ON %I USING brin (t, date_bin(interval ''1 second'', t, timestamptz ''2000-01-03 00:00:00+00''), date_bin(interval ''1 minute'', t, timestamptz ''2000-01-03 00:00:00+00''))'
                   ' WITH (pages_per_range = 32)', stream_name || '_t', stream_name);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', stream_name || '_default', stream_name);
    at := '-infinity';
    LOOP
        EXECUTE format('SELECT min(t) FROM %I WHERE t >= $1', before) INTO at USING at;
        EXIT WHEN at IS NULL;
        span := jissho_cover(stream_name, at);
        EXIT WHEN upper_inf(span);
        at := upper(span);
    END LOOP;
    EXECUTE format('INSERT INTO %I SELECT * FROM %I', stream_name, before);
    EXECUTE format('DROP TABLE %I', before);
END $$;

SELECT pg_temp.convert('probe');
SELECT pg_temp.convert('radio');
SELECT pg_temp.convert('throughput');
SELECT pg_temp.convert('position');
SELECT pg_temp.convert('vehicle');
SELECT pg_temp.convert('command');
SELECT pg_temp.convert('video');
SELECT pg_temp.convert('event');
SELECT pg_temp.convert('clock');
SELECT pg_temp.convert('host');
SELECT pg_temp.convert('traffic');
SELECT pg_temp.convert('metric');
DROP FUNCTION pg_temp.convert(text);

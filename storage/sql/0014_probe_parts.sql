-- Partial results of the probe KPIs by minute, hour and day (analytics/partials.py), and what has to be computed anew.

-- Which transaction brought a batch: commits become visible in another order than their numbers, so "what is new since I
-- last looked" is a question to a snapshot, not to a clock. Batches older than this column have none.
ALTER TABLE batch ADD COLUMN xid xid8;
ALTER TABLE batch ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
CREATE INDEX batch_probe_xid ON batch (xid) WHERE stream = 'probe' AND xid IS NOT NULL;
COMMENT ON COLUMN batch.xid IS 'the transaction that committed it; NULL before migration 14';

CREATE TABLE probe_part (
    link_id    integer NOT NULL,
    level      smallint NOT NULL CHECK (level BETWEEN 0 AND 2),
    start      timestamptz NOT NULL,
    head       bytea NOT NULL,
    round_trip bytea,
    up         bytea,
    down       bytea,
    PRIMARY KEY (link_id, level, start)
);
-- Packed already: compressing again saves little and costs every reader.
ALTER TABLE probe_part ALTER COLUMN head SET STORAGE EXTERNAL, ALTER COLUMN round_trip SET STORAGE EXTERNAL,
    ALTER COLUMN up SET STORAGE EXTERNAL, ALTER COLUMN down SET STORAGE EXTERNAL;
COMMENT ON COLUMN probe_part.level IS '0 minute, 1 hour, 2 day (UTC)';
COMMENT ON COLUMN probe_part.head IS 'counts and open ends, packed by analytics/part_codec.py; no row: nothing was sent';
COMMENT ON COLUMN probe_part.round_trip IS 'histogram of the delays of one direction; NULL: none was measured';

-- Minutes whose packets changed after their part was made.
CREATE TABLE probe_part_due (
    link_id integer NOT NULL,
    start   timestamptz NOT NULL,
    PRIMARY KEY (link_id, start)
);

-- One row. `seen`: every batch visible in this snapshot is in a part or its minute is due; NULL: none is.
CREATE TABLE probe_part_state (
    is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    seen        pg_snapshot,
    version     integer NOT NULL,
    t_max_us    bigint NOT NULL,
    survival_us bigint NOT NULL
);

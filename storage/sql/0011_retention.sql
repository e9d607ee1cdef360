-- How long raw samples are kept, and what was deleted. The ledger and the batch register are never touched, so that
-- what retention deleted can be told from what never arrived.
CREATE TABLE retention_policy (
    stream     text PRIMARY KEY,
    older_than interval NOT NULL CHECK (older_than > interval '0'),
    set_at     timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz
);
COMMENT ON COLUMN retention_policy.stream IS 'empty: every stream without a policy of its own';
COMMENT ON COLUMN retention_policy.applied_at IS 'when it was last applied to the end';

CREATE TABLE retention_log (
    retention_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deleted_at   timestamptz NOT NULL DEFAULT now(),
    stream       text NOT NULL,
    link_id      integer NOT NULL,
    before       timestamptz NOT NULL,
    deleted      tstzmultirange NOT NULL,
    rows         bigint NOT NULL,
    cause        text NOT NULL CHECK (cause IN ('command', 'policy'))
);
COMMENT ON COLUMN retention_log.deleted IS 'the times of which every sample of the link was deleted';
CREATE INDEX retention_log_link ON retention_log (stream, link_id);

CREATE VIEW deleted_period AS
SELECT stream, link_id, range_agg(period) AS deleted
FROM retention_log, unnest(deleted) AS period
GROUP BY stream, link_id;

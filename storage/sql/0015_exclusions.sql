-- Intervals of a run that its figures leave out, with who, when and why. Rows are never deleted: a revoked exclusion
-- stays as the trail of what the figures once were.
CREATE TABLE exclusion (
    exclusion_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id        integer NOT NULL REFERENCES run,
    link          text NOT NULL DEFAULT '',
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz NOT NULL,
    reason        text NOT NULL CHECK (btrim(reason) <> ''),
    excluded_by   text NOT NULL CHECK (btrim(excluded_by) <> ''),
    excluded_at   timestamptz NOT NULL DEFAULT now(),
    revoked_by    text,
    revoked_at    timestamptz,
    revoke_reason text,
    CHECK (started_at < ended_at),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX exclusion_run ON exclusion (run_id);
COMMENT ON COLUMN exclusion.link IS 'empty: all links of the run';

-- Runs that differ in one thing, the baseline first (A/B): rows of one name are repetitions of the same change. Rows are
-- never deleted: a pair that was taken back stays as the trail of what was once compared.
CREATE TABLE run_pair (
    pair_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CHECK (btrim(name) <> ''),
    condition     text NOT NULL DEFAULT '',
    baseline_id   integer NOT NULL REFERENCES run,
    changed_id    integer NOT NULL REFERENCES run,
    link          text NOT NULL DEFAULT '',
    other_link    text NOT NULL DEFAULT '',
    paired_by     text NOT NULL DEFAULT '',
    paired_at     timestamptz NOT NULL DEFAULT now(),
    revoked_by    text,
    revoked_at    timestamptz,
    revoke_reason text,
    CHECK (baseline_id <> changed_id OR link <> other_link),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE UNIQUE INDEX run_pair_baseline ON run_pair (name, baseline_id) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX run_pair_changed ON run_pair (name, changed_id) WHERE revoked_at IS NULL;
COMMENT ON COLUMN run_pair.condition IS 'what differs, e.g. AI off/on, antenna, operator';
COMMENT ON COLUMN run_pair.link IS 'empty: all links that both runs have';
COMMENT ON COLUMN run_pair.other_link IS 'link of the changed run, empty: the same';

-- Runs that are evidence for a report: retention leaves their raw samples alone.
ALTER TABLE run ADD COLUMN evidence boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN run.evidence IS 'retention keeps the raw samples of this run';

-- What is kept of each link. The device's own samples (link "") belong to every run of the device. The quality of the
-- clocks is judged from a minute before the run to a minute after it: ten keep that, and leave room.
CREATE VIEW evidence_period AS
SELECT link_name.link_id,
       range_agg(tstzrange(run.started_at - interval '10 min',
                           coalesce(run.ended_at, 'infinity') + interval '10 min', '[]')) AS kept
FROM run JOIN link_name ON link_name.site = run.site
    AND (run.devices = '{}' OR link_name.device = ANY (run.devices))
    AND (run.links = '{}' OR link_name.link = '' OR link_name.link = ANY (run.links))
WHERE run.evidence
GROUP BY link_name.link_id;

-- When a payload of the quarantine was decoded again and taken; NULL: it is still refused.
ALTER TABLE quarantine ADD COLUMN replayed_at timestamptz;
COMMENT ON COLUMN quarantine.replayed_at IS 'when it was taken after all, by jissho quarantine replay';

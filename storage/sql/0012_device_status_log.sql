-- Every change of a device's state, in the order in which they came; device_status keeps the last life sign only.
-- Grows by changes, not by life signs: two rows for each connection that breaks and returns.
CREATE TABLE device_status_log (
    change_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id   integer NOT NULL REFERENCES device,
    state       text NOT NULL,
    at          timestamptz NOT NULL,
    epoch       text NOT NULL,
    taken       bigint NOT NULL,
    pending     bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX device_status_log_device ON device_status_log (device_id, change_id);
COMMENT ON COLUMN device_status_log.at IS
    'by the device''s clock; for "lost" its last life sign, since the will was written when the connection began';

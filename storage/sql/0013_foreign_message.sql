-- Messages of foreign devices, which number nothing: what was taken, by content. One row a message, in the transaction
-- that stores its rows; a redelivery finds it here, whichever process it comes by.
CREATE TABLE foreign_message (
    sha256      bytea PRIMARY KEY,
    received_at timestamptz NOT NULL,
    source      text NOT NULL
);
COMMENT ON COLUMN foreign_message.sha256 IS 'of topic and payload; with the second of arrival where the payload has no time';
COMMENT ON COLUMN foreign_message.source IS 'the profile that read it, as in batch.source';

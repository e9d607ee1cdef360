-- Who measures (device, link), what was taken exactly once (ledger, batch), what was refused (quarantine),
-- what people call a run, and the life signs of the devices.

CREATE TABLE device (
    device_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site       text NOT NULL,
    device     text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    UNIQUE (site, device)
);

CREATE TABLE link (
    link_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id integer NOT NULL REFERENCES device,
    link      text NOT NULL,
    UNIQUE (device_id, link)
);

-- One row for each life of an outbox. The gaps of `committed` are the missing batches.
CREATE TABLE ledger (
    epoch_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id   integer NOT NULL REFERENCES device,
    epoch       text NOT NULL,
    committed   int8multirange NOT NULL DEFAULT '{}',
    quarantined int8multirange NOT NULL DEFAULT '{}',
    announced   bigint NOT NULL DEFAULT 0,
    first_at    timestamptz NOT NULL DEFAULT now(),
    last_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (device_id, epoch),
    CHECK (epoch_id < 8388608)
);
COMMENT ON COLUMN ledger.announced IS 'highest seq that the outbox says it has taken';

-- batch_id = (epoch_id << 40) + seq, so every sample can be followed to the batch that brought it.
CREATE TABLE batch (
    batch_id    bigint PRIMARY KEY,
    epoch_id    integer NOT NULL,
    seq         bigint NOT NULL,
    link_id     integer NOT NULL,
    stream      text NOT NULL,
    source      text NOT NULL,
    n           integer NOT NULL,
    t_first     timestamptz NOT NULL,
    t_last      timestamptz NOT NULL,
    received_at timestamptz NOT NULL
);
-- BRIN, since batches come almost in the order of time and a B-tree would be paid for by every insert.
CREATE INDEX batch_t_first ON batch USING brin (t_first);
CREATE INDEX batch_received_at ON batch USING brin (received_at);

CREATE TABLE quarantine (
    quarantine_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at    timestamptz NOT NULL,
    topic          text NOT NULL,
    site           text,
    device         text,
    epoch          text,
    seq            bigint,
    reason         text NOT NULL,
    detail         text NOT NULL,
    payload        bytea NOT NULL,
    payload_sha256 bytea NOT NULL,
    seen           integer NOT NULL DEFAULT 1,
    UNIQUE (payload_sha256, topic)
);
COMMENT ON COLUMN quarantine.seen IS 'how often the same bytes came';

CREATE TABLE device_status (
    device_id   integer PRIMARY KEY REFERENCES device,
    state       text NOT NULL,
    at          timestamptz NOT NULL,
    epoch       text NOT NULL,
    taken       bigint NOT NULL,
    pending     bigint NOT NULL,
    agent       text NOT NULL,
    sources     text[] NOT NULL,
    received_at timestamptz NOT NULL
);

CREATE TABLE run (
    run_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    site       text NOT NULL,
    devices    text[] NOT NULL DEFAULT '{}',
    links      text[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    purpose    text NOT NULL DEFAULT '',
    weather    text NOT NULL DEFAULT '',
    note       text NOT NULL DEFAULT '',
    tags       text[] NOT NULL DEFAULT '{}',
    valid      boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (ended_at IS NULL OR ended_at >= started_at)
);
COMMENT ON COLUMN run.devices IS 'empty: every device of the site';
COMMENT ON COLUMN run.links IS 'empty: every link of the devices';

CREATE VIEW link_name AS
SELECT link.link_id, device.device_id, device.site, device.device, link.link
FROM link JOIN device USING (device_id);

-- Where the operator's own systems want to be told of what happens.
CREATE TABLE webhooks (
    id BLOB NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- a JSON list of what it is told of
    kinds TEXT NOT NULL,
    -- its secret, encrypted, and the one before, which signs too until its end
    sealed BLOB NOT NULL,
    old_sealed BLOB,
    old_until INTEGER,
    -- since when nothing is sent there, and why; what happens meanwhile waits
    disabled_at INTEGER,
    disabled_because TEXT,
    -- since when every try has failed
    failing_since INTEGER,
    version INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is sent to whom, in the order in which it happened. There is no key to the endpoint: when one is deleted, what was sent
-- there goes with the retention, not all at once.
CREATE TABLE webhook_deliveries (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    webhook_id BLOB NOT NULL,
    -- the same at every endpoint and at every try
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    -- the id of what it is about: what is about the same is sent in order
    subject TEXT NOT NULL,
    -- what is sent: JSON of ids and states, nothing that a person wrote
    body TEXT NOT NULL,
    -- waiting, delivered or failed
    state TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- when it was tried first since it was last asked for, and last
    first_try_at INTEGER,
    last_try_at INTEGER,
    -- the status of the last answer, and why the last try failed
    http_status INTEGER,
    failure TEXT,
    finished_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (webhook_id, id)
) STRICT;
CREATE INDEX webhook_deliveries_state ON webhook_deliveries (webhook_id, state, id);
CREATE INDEX webhook_deliveries_next ON webhook_deliveries (subject, webhook_id, seq) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_at ON webhook_deliveries (created_at);

-- What something waits of: when the first of it is to be sent. Whoever sends moves that time on first, so that nobody else does.
CREATE TABLE webhook_queues (
    webhook_id BLOB NOT NULL,
    subject TEXT NOT NULL,
    next_at INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_queues_due ON webhook_queues (webhook_id, next_at);
CREATE INDEX webhook_queues_old ON webhook_queues (next_at);

CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    thread_id BLOB NOT NULL REFERENCES threads (id),
    service_id BLOB NOT NULL REFERENCES services (id),
    client_id BLOB NOT NULL REFERENCES users (id),
    worker_id BLOB NOT NULL REFERENCES users (id),
    status TEXT NOT NULL,
    -- the newest offer, and who made it
    revision INTEGER NOT NULL,
    offered_by TEXT NOT NULL,
    price_amount INTEGER NOT NULL,
    price_currency TEXT NOT NULL,
    -- how often the client asked for changes
    change_requests INTEGER NOT NULL,
    -- the newest entry of the history
    entries INTEGER NOT NULL,
    -- when the system acts on it, if nobody does before
    due_at INTEGER,
    finalized_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX jobs_one_live ON jobs (thread_id) WHERE status IN ('negotiating', 'accepted', 'completed');
CREATE INDEX jobs_thread ON jobs (thread_id, created_at DESC, id DESC);
CREATE INDEX jobs_client ON jobs (client_id, created_at DESC, id DESC);
CREATE INDEX jobs_worker ON jobs (worker_id, created_at DESC, id DESC);
CREATE INDEX jobs_newest ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_status ON jobs (status, created_at DESC, id DESC);
CREATE INDEX jobs_service ON jobs (service_id);
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE job_offers (
    job_id BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    offered_by TEXT NOT NULL,
    price_amount INTEGER NOT NULL,
    price_currency TEXT NOT NULL,
    schedule TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, revision)
) STRICT, WITHOUT ROWID;

-- append-only: the job's state is the fold of it
CREATE TABLE job_history (
    job_id BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    entry INTEGER NOT NULL,
    action TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT NOT NULL,
    -- client, worker, staff or system; and who exactly
    side TEXT NOT NULL,
    actor TEXT NOT NULL,
    revision INTEGER NOT NULL,
    reason TEXT,
    comment TEXT,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (job_id, entry)
) STRICT, WITHOUT ROWID;

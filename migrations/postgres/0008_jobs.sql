CREATE TABLE jobs (
    id UUID NOT NULL PRIMARY KEY,
    thread_id UUID NOT NULL REFERENCES threads (id),
    service_id UUID NOT NULL REFERENCES services (id),
    client_id UUID NOT NULL REFERENCES users (id),
    worker_id UUID NOT NULL REFERENCES users (id),
    status TEXT NOT NULL,
    -- the newest offer, and who made it
    revision BIGINT NOT NULL,
    offered_by TEXT NOT NULL,
    price_amount BIGINT NOT NULL,
    price_currency TEXT NOT NULL,
    -- how often the client asked for changes
    change_requests BIGINT NOT NULL,
    -- the newest entry of the history
    entries BIGINT NOT NULL,
    -- when the system acts on it, if nobody does before
    due_at TIMESTAMPTZ,
    finalized_at TIMESTAMPTZ,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX jobs_one_live ON jobs (thread_id) WHERE status IN ('negotiating', 'accepted', 'completed');
CREATE INDEX jobs_thread ON jobs (thread_id, created_at DESC, id DESC);
CREATE INDEX jobs_client ON jobs (client_id, created_at DESC, id DESC);
CREATE INDEX jobs_worker ON jobs (worker_id, created_at DESC, id DESC);
CREATE INDEX jobs_newest ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_status ON jobs (status, created_at DESC, id DESC);
CREATE INDEX jobs_service ON jobs (service_id);
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE job_offers (
    job_id UUID NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    offered_by TEXT NOT NULL,
    price_amount BIGINT NOT NULL,
    price_currency TEXT NOT NULL,
    schedule TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (job_id, revision)
);

-- append-only: the job's state is the fold of it
CREATE TABLE job_history (
    job_id UUID NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    entry BIGINT NOT NULL,
    action TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT NOT NULL,
    -- client, worker, staff or system; and who exactly
    side TEXT NOT NULL,
    actor TEXT NOT NULL,
    revision BIGINT NOT NULL,
    reason TEXT,
    comment TEXT,
    version BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (job_id, entry)
);

CREATE TABLE threads (
    id UUID NOT NULL PRIMARY KEY,
    service_id UUID NOT NULL REFERENCES services (id),
    client_id UUID NOT NULL REFERENCES users (id),
    worker_id UUID NOT NULL REFERENCES users (id),
    status TEXT NOT NULL,
    closed_reason TEXT,
    -- what staff wrote when they last closed or reopened it
    note TEXT,
    -- the newest message's number: gapless, assigned in the sending transaction
    last_seq BIGINT NOT NULL,
    last_at TIMESTAMPTZ NOT NULL,
    -- how far each side has read, and what it has not read of the other's
    client_read BIGINT NOT NULL,
    worker_read BIGINT NOT NULL,
    client_unread BIGINT NOT NULL,
    worker_unread BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (client_id, service_id)
);
CREATE INDEX threads_client ON threads (client_id, last_at DESC, id DESC);
CREATE INDEX threads_worker ON threads (worker_id, last_at DESC, id DESC);
CREATE INDEX threads_newest ON threads (last_at DESC, id DESC);
CREATE INDEX threads_status ON threads (status, last_at DESC, id DESC);
CREATE INDEX threads_service ON threads (service_id);

CREATE TABLE messages (
    thread_id UUID NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    id UUID NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    -- NULL for notices
    sender_id UUID REFERENCES users (id),
    content TEXT NOT NULL,
    -- the sender's own name for it: sending it again is harmless
    client_msg_id TEXT,
    -- of what was sent, to tell the same from another
    fingerprint BYTEA,
    -- JSON: what a notice is about, and the attachments
    data TEXT,
    removed_reason TEXT,
    removed_note TEXT,
    removed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (thread_id, seq)
);
CREATE UNIQUE INDEX messages_sent ON messages (sender_id, client_msg_id) WHERE client_msg_id IS NOT NULL;
CREATE INDEX messages_newest ON messages (created_at);

CREATE TABLE attachments (
    id UUID NOT NULL PRIMARY KEY,
    thread_id UUID NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id),
    -- NULL until a message carries it
    message_seq BIGINT,
    object_key TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    width BIGINT,
    height BIGINT,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX attachments_object ON attachments (object_key);
CREATE INDEX attachments_user ON attachments (user_id) WHERE message_seq IS NULL;
CREATE INDEX attachments_thread ON attachments (thread_id);
CREATE INDEX attachments_loose ON attachments (created_at) WHERE message_seq IS NULL;

-- who of the staff reads a thread's content, and why; one row of the audit log stands for each
CREATE TABLE thread_reads (
    principal TEXT NOT NULL,
    thread_id UUID NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (principal, thread_id, reason)
);
CREATE INDEX thread_reads_at ON thread_reads (at);

-- one-use tickets of browsers' sockets
CREATE TABLE socket_tickets (
    hash BYTEA NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id UUID NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX socket_tickets_expiry ON socket_tickets (expires_at);

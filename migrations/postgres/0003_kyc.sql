CREATE TABLE kyc_attempts (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    document_type TEXT NOT NULL,
    -- pending while it waits, claimed or not
    status TEXT NOT NULL,
    submitted_at TIMESTAMPTZ NOT NULL,
    -- the files' key, encrypted with the master key; NULL once erased
    wrapped_key BYTEA,
    claim_holder TEXT,
    claim_label TEXT,
    claim_expires_at TIMESTAMPTZ,
    -- counts claims; a decision must carry the newest
    fence BIGINT NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMPTZ,
    effective_at TIMESTAMPTZ,
    -- JSON array of codes
    reasons TEXT,
    comment TEXT,
    note TEXT,
    -- JSON: what an undo restores
    undo TEXT,
    version BIGINT NOT NULL,
    UNIQUE (user_id, number)
);
CREATE INDEX kyc_attempts_queue ON kyc_attempts (status, submitted_at, id);
CREATE INDEX kyc_attempts_decided ON kyc_attempts (status, decided_at DESC, id DESC);
CREATE INDEX kyc_attempts_recent ON kyc_attempts (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX kyc_attempts_claims ON kyc_attempts (claim_expires_at) WHERE claim_expires_at IS NOT NULL;

CREATE TABLE kyc_files (
    attempt_id UUID NOT NULL REFERENCES kyc_attempts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    object_key TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    width BIGINT,
    height BIGINT,
    PRIMARY KEY (attempt_id, kind)
);
CREATE INDEX kyc_files_object ON kyc_files (object_key);

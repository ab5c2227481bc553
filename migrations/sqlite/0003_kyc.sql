CREATE TABLE kyc_attempts (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    document_type TEXT NOT NULL,
    -- pending while it waits, claimed or not
    status TEXT NOT NULL,
    submitted_at INTEGER NOT NULL,
    -- the files' key, encrypted with the master key; NULL once erased
    wrapped_key BLOB,
    claim_holder TEXT,
    claim_label TEXT,
    claim_expires_at INTEGER,
    -- counts claims; a decision must carry the newest
    fence INTEGER NOT NULL,
    decided_by TEXT,
    decided_at INTEGER,
    effective_at INTEGER,
    -- JSON array of codes
    reasons TEXT,
    comment TEXT,
    note TEXT,
    -- JSON: what an undo restores
    undo TEXT,
    version INTEGER NOT NULL,
    UNIQUE (user_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX kyc_attempts_queue ON kyc_attempts (status, submitted_at, id);
CREATE INDEX kyc_attempts_decided ON kyc_attempts (status, decided_at DESC, id DESC);
CREATE INDEX kyc_attempts_recent ON kyc_attempts (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX kyc_attempts_claims ON kyc_attempts (claim_expires_at) WHERE claim_expires_at IS NOT NULL;

CREATE TABLE kyc_files (
    attempt_id BLOB NOT NULL REFERENCES kyc_attempts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    object_key TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    PRIMARY KEY (attempt_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX kyc_files_object ON kyc_files (object_key);

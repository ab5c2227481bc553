-- Tokens for scripts: each belongs to a member of staff, and may do what it names of what its owner may. Only a hash is kept.
CREATE TABLE api_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    -- names of permissions, separated by blanks
    scopes TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- to about ten minutes
    last_used_at INTEGER,
    revoked_at INTEGER,
    revoked_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_created ON api_tokens (created_at DESC, id DESC);
CREATE INDEX api_tokens_user ON api_tokens (user_id, created_at DESC, id DESC);
CREATE INDEX api_tokens_expiry ON api_tokens (expires_at);

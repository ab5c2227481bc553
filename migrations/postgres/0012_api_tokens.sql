-- Tokens for scripts: each belongs to a member of staff, and may do what it names of what its owner may. Only a hash is kept.
CREATE TABLE api_tokens (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    -- names of permissions, separated by blanks
    scopes TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    -- to about ten minutes
    last_used_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoked_by TEXT
);
CREATE INDEX api_tokens_created ON api_tokens (created_at DESC, id DESC);
CREATE INDEX api_tokens_user ON api_tokens (user_id, created_at DESC, id DESC);
CREATE INDEX api_tokens_expiry ON api_tokens (expires_at);

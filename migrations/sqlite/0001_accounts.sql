CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    status TEXT NOT NULL,
    email TEXT NOT NULL,
    -- trimmed and lower case; NULL once erased
    email_norm TEXT UNIQUE,
    email_verified INTEGER NOT NULL,
    name TEXT NOT NULL,
    phone TEXT UNIQUE,
    -- NULL until the owner of a staff-made account sets one, and once erased
    password_hash TEXT,
    kyc_status TEXT NOT NULL,
    kyc_prior TEXT NOT NULL,
    kyc_effective_at INTEGER,
    kyc_expires_at INTEGER,
    restriction_reason TEXT,
    restriction_by TEXT,
    restriction_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_created ON users (created_at DESC, id DESC);
CREATE INDEX users_status ON users (status, created_at DESC, id DESC);
CREATE INDEX users_role ON users (role, created_at DESC, id DESC);
CREATE INDEX users_role_status ON users (role, status, created_at DESC, id DESC);
CREATE INDEX users_kyc_expiry ON users (kyc_expires_at) WHERE kyc_expires_at IS NOT NULL;

-- what a user can be found by: folded words of the name, the address, the number
CREATE TABLE user_terms (
    term TEXT NOT NULL,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (term, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_terms_user ON user_terms (user_id, term);

CREATE TABLE user_notes (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    author TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX user_notes_user ON user_notes (user_id, created_at DESC, id DESC);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_agent TEXT NOT NULL,
    ip TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    -- counts refreshes; the newest refresh token carries it
    generation INTEGER NOT NULL,
    -- the newest access token, and whether it was ever used: until then the previous refresh token still answers
    access_jti BLOB NOT NULL,
    access_used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, created_at DESC, id DESC);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE one_time_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    -- what the token confirms: the new address
    payload TEXT,
    expires_at INTEGER NOT NULL,
    UNIQUE (user_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at);

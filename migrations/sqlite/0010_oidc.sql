-- who logs in through which provider: by its issuer and the name it has for somebody, never by address
CREATE TABLE identities (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_user ON identities (user_id, created_at DESC, id DESC);

-- logins under way at a provider: hashes of what only the browser has
CREATE TABLE oidc_logins (
    state_hash BLOB NOT NULL PRIMARY KEY,
    browser_hash BLOB NOT NULL,
    provider TEXT NOT NULL,
    -- of the account, if this login makes one
    role TEXT NOT NULL,
    -- where the browser goes afterwards, and the hash of what its page will show; both NULL for apps
    redirect TEXT,
    challenge TEXT,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX oidc_logins_expiry ON oidc_logins (expires_at);

-- one-use codes that pages exchange for a session
CREATE TABLE oidc_codes (
    hash BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    challenge TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX oidc_codes_user ON oidc_codes (user_id);
CREATE INDEX oidc_codes_expiry ON oidc_codes (expires_at);

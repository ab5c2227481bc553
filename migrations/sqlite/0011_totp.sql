-- Second factors: codes by time (RFC 6238), and recovery codes for when the device is lost.
CREATE TABLE totp (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- encrypted by the master key, for this account only
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    -- NULL until a first code has shown that the device has the secret
    enabled_at INTEGER,
    -- the newest time step of which a code was taken; none up to it is taken again
    last_step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- each works once, and goes with its use
CREATE TABLE recovery_codes (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

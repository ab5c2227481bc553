-- The keys of keys_dir that this database was written with: so that a folder that lacks them, or has others, is noticed.
CREATE TABLE key_check (
    -- the file in keys_dir
    file TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- names the key and tells nothing of it
    key_id TEXT NOT NULL,
    -- HMAC of the two under a key that comes of the master key: whoever has the database alone makes no other key pass
    mac BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- From which row on the audit log is tagged under which key; rows before the first are linked by plain SHA-256, as ever
CREATE TABLE audit_keys (
    first_seq BIGINT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    -- the tag of the row before the first, which the key vouches for with all that is before it
    previous TEXT NOT NULL,
    mac BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

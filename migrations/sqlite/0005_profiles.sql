CREATE TABLE pictures (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- re-encoded without metadata: the whole, and a square thumbnail
    full_key TEXT NOT NULL,
    thumb_key TEXT NOT NULL,
    media_type TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pictures_user ON pictures (user_id);
CREATE INDEX pictures_full ON pictures (full_key);
CREATE INDEX pictures_thumb ON pictures (thumb_key);

-- a client or worker without a row has the defaults
CREATE TABLE client_profiles (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    about TEXT NOT NULL,
    location TEXT NOT NULL,
    picture_id BLOB,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE worker_profiles (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    headline TEXT NOT NULL,
    about TEXT NOT NULL,
    location TEXT NOT NULL,
    latitude REAL,
    longitude REAL,
    rate_amount INTEGER,
    rate_currency TEXT,
    -- JSON arrays of texts
    skills TEXT NOT NULL,
    languages TEXT NOT NULL,
    available INTEGER NOT NULL,
    away_until INTEGER,
    picture_id BLOB,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- kept by reviews: published and unremoved ones, by stars
CREATE TABLE worker_ratings (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    stars_1 INTEGER NOT NULL,
    stars_2 INTEGER NOT NULL,
    stars_3 INTEGER NOT NULL,
    stars_4 INTEGER NOT NULL,
    stars_5 INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE favorites (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    worker_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, worker_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX favorites_newest ON favorites (user_id, created_at DESC, worker_id DESC);
CREATE INDEX favorites_worker ON favorites (worker_id);

CREATE TABLE blocks (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    blocked_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_blocked ON blocks (blocked_id);

CREATE TABLE pictures (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- re-encoded without metadata: the whole, and a square thumbnail
    full_key TEXT NOT NULL,
    thumb_key TEXT NOT NULL,
    media_type TEXT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX pictures_user ON pictures (user_id);
CREATE INDEX pictures_full ON pictures (full_key);
CREATE INDEX pictures_thumb ON pictures (thumb_key);

-- a client or worker without a row has the defaults
CREATE TABLE client_profiles (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    about TEXT NOT NULL,
    location TEXT NOT NULL,
    picture_id UUID,
    version BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE worker_profiles (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    headline TEXT NOT NULL,
    about TEXT NOT NULL,
    location TEXT NOT NULL,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    rate_amount BIGINT,
    rate_currency TEXT,
    -- JSON arrays of texts
    skills TEXT NOT NULL,
    languages TEXT NOT NULL,
    available BOOLEAN NOT NULL,
    away_until TIMESTAMPTZ,
    picture_id UUID,
    version BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- kept by reviews: published and unremoved ones, by stars
CREATE TABLE worker_ratings (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    stars_1 BIGINT NOT NULL,
    stars_2 BIGINT NOT NULL,
    stars_3 BIGINT NOT NULL,
    stars_4 BIGINT NOT NULL,
    stars_5 BIGINT NOT NULL
);

CREATE TABLE favorites (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    worker_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, worker_id)
);
CREATE INDEX favorites_newest ON favorites (user_id, created_at DESC, worker_id DESC);
CREATE INDEX favorites_worker ON favorites (worker_id);

CREATE TABLE blocks (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    blocked_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
);
CREATE INDEX blocks_blocked ON blocks (blocked_id);

CREATE TABLE services (
    id BLOB NOT NULL PRIMARY KEY,
    worker_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    location TEXT NOT NULL,
    latitude REAL,
    longitude REAL,
    price_amount INTEGER,
    price_currency TEXT,
    -- JSON array of texts
    tags TEXT NOT NULL,
    -- published, by a worker who is active and approved: what searches look at; each row is checked again when it is shown
    visible INTEGER NOT NULL,
    -- folded words of title, tags, description and the worker's name
    search_text TEXT NOT NULL,
    -- the worker's average in thousandths of a star, 0 without reviews
    rating INTEGER NOT NULL,
    published_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX services_worker ON services (worker_id, created_at DESC, id DESC);
CREATE INDEX services_newest ON services (published_at DESC, id DESC) WHERE visible = 1;
CREATE INDEX services_rating ON services (rating DESC, id DESC) WHERE visible = 1;
CREATE INDEX services_category ON services (category, published_at DESC, id DESC) WHERE visible = 1;
CREATE INDEX services_place ON services (latitude, longitude) WHERE visible = 1 AND latitude IS NOT NULL;

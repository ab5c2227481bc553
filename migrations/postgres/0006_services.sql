CREATE TABLE services (
    id UUID NOT NULL PRIMARY KEY,
    worker_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    location TEXT NOT NULL,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    price_amount BIGINT,
    price_currency TEXT,
    -- JSON array of texts
    tags TEXT NOT NULL,
    -- published, by a worker who is active and approved: what searches look at; each row is checked again when it is shown
    visible BOOLEAN NOT NULL,
    -- folded words of title, tags, description and the worker's name
    search_text TEXT NOT NULL,
    -- the worker's average in thousandths of a star, 0 without reviews
    rating BIGINT NOT NULL,
    published_at TIMESTAMPTZ,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX services_worker ON services (worker_id, created_at DESC, id DESC);
CREATE INDEX services_newest ON services (published_at DESC, id DESC) WHERE visible;
CREATE INDEX services_rating ON services (rating DESC, id DESC) WHERE visible;
CREATE INDEX services_category ON services (category, published_at DESC, id DESC) WHERE visible;
CREATE INDEX services_place ON services (latitude, longitude) WHERE visible AND latitude IS NOT NULL;

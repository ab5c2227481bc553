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
    -- published, by a worker who is active and approved or about to be: what searches look at; each row is checked again
    -- when it is shown
    visible BOOLEAN NOT NULL,
    -- counts publications: a service gets the next number each time it is published, so newest first is by number
    number BIGINT,
    -- words of title, tags, description and the worker's name, of place and category, each marked with where it stands
    search_text TEXT NOT NULL,
    -- the worker's average in thousandths of a star, 0 without reviews
    rating BIGINT NOT NULL,
    published_at TIMESTAMPTZ,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX services_worker ON services (worker_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX services_number ON services (number);
CREATE INDEX services_newest ON services (number DESC) WHERE visible;
CREATE INDEX services_rating ON services (rating DESC, number DESC) WHERE visible;
CREATE INDEX services_category ON services (category, number DESC) WHERE visible;
CREATE INDEX services_place ON services (latitude, longitude) WHERE visible AND latitude IS NOT NULL;

-- our own words, so split at blanks only; a short list of what is not yet sorted in, as every search reads it
CREATE INDEX services_search ON services USING gin (array_to_tsvector(string_to_array(search_text, ' ')))
    WITH (gin_pending_list_limit = 512) WHERE visible;

-- the words that searches tolerate typos of, and what is left of their beginnings when letters are left out
CREATE TABLE search_words (
    word TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

CREATE TABLE search_parts (
    part TEXT COLLATE "C" NOT NULL,
    word TEXT COLLATE "C" NOT NULL REFERENCES search_words (word) ON DELETE CASCADE,
    PRIMARY KEY (part, word)
);
CREATE INDEX search_parts_word ON search_parts (word);

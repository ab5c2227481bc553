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
    -- published, by a worker who is active and approved or about to be: what searches look at; each row is checked again
    -- when it is shown
    visible INTEGER NOT NULL,
    -- counts publications: a service gets the next number each time it is published, so newest first is by number
    number INTEGER,
    -- words of title, tags, description and the worker's name, of place and category, each marked with where it stands
    search_text TEXT NOT NULL,
    -- the worker's average in thousandths of a star, 0 without reviews
    rating INTEGER NOT NULL,
    published_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX services_worker ON services (worker_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX services_number ON services (number);
CREATE INDEX services_newest ON services (number DESC) WHERE visible = 1;
CREATE INDEX services_rating ON services (rating DESC, number DESC) WHERE visible = 1;
CREATE INDEX services_category ON services (category, number DESC) WHERE visible = 1;
CREATE INDEX services_place ON services (latitude, longitude) WHERE visible = 1 AND latitude IS NOT NULL;

-- the words of what can be found, by number; our own words, so split at blanks only. It holds no text of its own.
CREATE VIRTUAL TABLE services_fts USING fts5 (
    search_text, content = '', contentless_delete = 1, detail = none, prefix = '2 3 4 5',
    tokenize = "ascii tokenchars '=+@#$'"
);
CREATE TRIGGER services_fts_insert AFTER INSERT ON services WHEN new.visible = 1 BEGIN
    INSERT INTO services_fts (rowid, search_text) VALUES (new.number, new.search_text);
END;
CREATE TRIGGER services_fts_update AFTER UPDATE OF visible, number, search_text ON services
WHEN old.visible <> new.visible OR old.number IS NOT new.number OR old.search_text <> new.search_text BEGIN
    DELETE FROM services_fts WHERE old.visible = 1 AND rowid = old.number;
    INSERT INTO services_fts (rowid, search_text) SELECT new.number, new.search_text WHERE new.visible = 1;
END;
CREATE TRIGGER services_fts_delete AFTER DELETE ON services WHEN old.visible = 1 BEGIN
    DELETE FROM services_fts WHERE rowid = old.number;
END;

-- the words that searches tolerate typos of, and what is left of their beginnings when letters are left out
CREATE TABLE search_words (
    word TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE search_parts (
    part TEXT NOT NULL,
    word TEXT NOT NULL REFERENCES search_words (word) ON DELETE CASCADE,
    PRIMARY KEY (part, word)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_parts_word ON search_parts (word);

-- Wide rows in a table without row ids are in the inner pages of its tree too, of which each then leads to few others: finding one of a
-- million services took ten pages, now four. So only tables of narrow rows are without. Of services, what is long is last, where
-- reading the rest does not touch it.
--
-- The program runs this without foreign keys, and checks them afterwards.
PRAGMA legacy_alter_table = ON;

CREATE TABLE users_with_rowid (
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
    updated_at INTEGER NOT NULL,
    phone_wanted TEXT
) STRICT;
INSERT INTO users_with_rowid (id, role, status, email, email_norm, email_verified, name, phone, password_hash, kyc_status, kyc_prior,
    kyc_effective_at, kyc_expires_at, restriction_reason, restriction_by, restriction_at, version, created_at,
    updated_at, phone_wanted)
SELECT id, role, status, email, email_norm, email_verified, name, phone, password_hash, kyc_status, kyc_prior,
    kyc_effective_at, kyc_expires_at, restriction_reason, restriction_by, restriction_at, version, created_at,
    updated_at, phone_wanted
FROM users;
DROP TABLE users;
ALTER TABLE users_with_rowid RENAME TO users;
CREATE INDEX users_created ON users (created_at DESC, id DESC);
CREATE INDEX users_status ON users (status, created_at DESC, id DESC);
CREATE INDEX users_role ON users (role, created_at DESC, id DESC);
CREATE INDEX users_role_status ON users (role, status, created_at DESC, id DESC);
CREATE INDEX users_kyc_expiry ON users (kyc_expires_at) WHERE kyc_expires_at IS NOT NULL;

CREATE TABLE worker_profiles_with_rowid (
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
) STRICT;
INSERT INTO worker_profiles_with_rowid (user_id, headline, about, location, latitude, longitude, rate_amount, rate_currency, skills, languages, available,
    away_until, picture_id, version, updated_at)
SELECT user_id, headline, about, location, latitude, longitude, rate_amount, rate_currency, skills, languages, available,
    away_until, picture_id, version, updated_at
FROM worker_profiles;
DROP TABLE worker_profiles;
ALTER TABLE worker_profiles_with_rowid RENAME TO worker_profiles;

CREATE TABLE kyc_attempts_with_rowid (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    document_type TEXT NOT NULL,
    -- pending while it waits, claimed or not
    status TEXT NOT NULL,
    submitted_at INTEGER NOT NULL,
    -- the files' key, encrypted with the master key; NULL once erased
    wrapped_key BLOB,
    claim_holder TEXT,
    claim_label TEXT,
    claim_expires_at INTEGER,
    -- counts claims; a decision must carry the newest
    fence INTEGER NOT NULL,
    decided_by TEXT,
    decided_at INTEGER,
    effective_at INTEGER,
    -- JSON array of codes
    reasons TEXT,
    comment TEXT,
    note TEXT,
    -- JSON: what an undo restores
    undo TEXT,
    version INTEGER NOT NULL,
    files_deleted_at INTEGER,
    UNIQUE (user_id, number)
) STRICT;
INSERT INTO kyc_attempts_with_rowid (id, user_id, number, document_type, status, submitted_at, wrapped_key, claim_holder, claim_label, claim_expires_at,
    fence, decided_by, decided_at, effective_at, reasons, comment, note, undo, version, files_deleted_at)
SELECT id, user_id, number, document_type, status, submitted_at, wrapped_key, claim_holder, claim_label, claim_expires_at,
    fence, decided_by, decided_at, effective_at, reasons, comment, note, undo, version, files_deleted_at
FROM kyc_attempts;
DROP TABLE kyc_attempts;
ALTER TABLE kyc_attempts_with_rowid RENAME TO kyc_attempts;
CREATE INDEX kyc_attempts_queue ON kyc_attempts (status, submitted_at, id);
CREATE INDEX kyc_attempts_decided ON kyc_attempts (status, decided_at DESC, id DESC);
CREATE INDEX kyc_attempts_recent ON kyc_attempts (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX kyc_attempts_claims ON kyc_attempts (claim_expires_at) WHERE claim_expires_at IS NOT NULL;
CREATE INDEX kyc_attempts_files ON kyc_attempts (status, decided_at) WHERE wrapped_key IS NOT NULL AND decided_at IS NOT NULL;

CREATE TABLE services_with_rowid (
    id BLOB NOT NULL PRIMARY KEY,
    worker_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    title TEXT NOT NULL,
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
    -- the worker's average in thousandths of a star, 0 without reviews
    rating INTEGER NOT NULL,
    published_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    tile INTEGER,
    description TEXT NOT NULL,
    -- words of title, tags, description and the worker's name, of place and category, each marked with where it stands
    search_text TEXT NOT NULL
) STRICT;
INSERT INTO services_with_rowid (id, worker_id, status, title, category, location, latitude, longitude, price_amount, price_currency, tags, visible,
    number, rating, published_at, version, created_at, updated_at, tile, description, search_text)
SELECT id, worker_id, status, title, category, location, latitude, longitude, price_amount, price_currency, tags, visible,
    number, rating, published_at, version, created_at, updated_at, tile, description, search_text
FROM services;
DROP TABLE services;
ALTER TABLE services_with_rowid RENAME TO services;
CREATE INDEX services_worker ON services (worker_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX services_number ON services (number);
CREATE INDEX services_newest ON services (number DESC) WHERE visible = 1;
CREATE INDEX services_rating ON services (rating DESC, number DESC) WHERE visible = 1;
CREATE INDEX services_category ON services (category, number DESC) WHERE visible = 1;
CREATE INDEX services_place ON services (latitude, longitude) WHERE visible = 1 AND latitude IS NOT NULL;
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
CREATE INDEX services_tile ON services (tile) WHERE visible = 1 AND tile IS NOT NULL;
CREATE INDEX services_price ON services ((-coalesce(price_amount, 9223372036854775807)) DESC, number DESC) WHERE visible = 1;

CREATE TABLE jobs_with_rowid (
    id BLOB NOT NULL PRIMARY KEY,
    thread_id BLOB NOT NULL REFERENCES threads (id),
    service_id BLOB NOT NULL REFERENCES services (id),
    client_id BLOB NOT NULL REFERENCES users (id),
    worker_id BLOB NOT NULL REFERENCES users (id),
    status TEXT NOT NULL,
    -- the newest offer, and who made it
    revision INTEGER NOT NULL,
    offered_by TEXT NOT NULL,
    price_amount INTEGER NOT NULL,
    price_currency TEXT NOT NULL,
    -- how often the client asked for changes
    change_requests INTEGER NOT NULL,
    -- the newest entry of the history
    entries INTEGER NOT NULL,
    -- when the system acts on it, if nobody does before
    due_at INTEGER,
    finalized_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO jobs_with_rowid (id, thread_id, service_id, client_id, worker_id, status, revision, offered_by, price_amount, price_currency,
    change_requests, entries, due_at, finalized_at, version, created_at, updated_at)
SELECT id, thread_id, service_id, client_id, worker_id, status, revision, offered_by, price_amount, price_currency,
    change_requests, entries, due_at, finalized_at, version, created_at, updated_at
FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_with_rowid RENAME TO jobs;
CREATE UNIQUE INDEX jobs_one_live ON jobs (thread_id) WHERE status IN ('negotiating', 'accepted', 'completed');
CREATE INDEX jobs_thread ON jobs (thread_id, created_at DESC, id DESC);
CREATE INDEX jobs_client ON jobs (client_id, created_at DESC, id DESC);
CREATE INDEX jobs_worker ON jobs (worker_id, created_at DESC, id DESC);
CREATE INDEX jobs_newest ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_status ON jobs (status, created_at DESC, id DESC);
CREATE INDEX jobs_service ON jobs (service_id);
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE job_offers_with_rowid (
    job_id BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    offered_by TEXT NOT NULL,
    price_amount INTEGER NOT NULL,
    price_currency TEXT NOT NULL,
    schedule TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, revision)
) STRICT;
INSERT INTO job_offers_with_rowid (job_id, revision, offered_by, price_amount, price_currency, schedule, scope, created_at)
SELECT job_id, revision, offered_by, price_amount, price_currency, schedule, scope, created_at
FROM job_offers;
DROP TABLE job_offers;
ALTER TABLE job_offers_with_rowid RENAME TO job_offers;

CREATE TABLE reviews_with_rowid (
    id BLOB NOT NULL PRIMARY KEY,
    job_id BLOB NOT NULL REFERENCES jobs (id),
    -- client: the client's review of the worker; worker: the other way round
    side TEXT NOT NULL,
    author_id BLOB NOT NULL REFERENCES users (id),
    subject_id BLOB NOT NULL REFERENCES users (id),
    rating INTEGER NOT NULL,
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    -- the end of the job's window, when what is still hidden shows
    closes_at INTEGER NOT NULL,
    published_at INTEGER,
    reply TEXT,
    replied_at INTEGER,
    removed_reason TEXT,
    -- what staff wrote when they last acted on it
    note TEXT,
    -- flags that staff have not dismissed
    flags INTEGER NOT NULL,
    flagged_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (job_id, side)
) STRICT;
INSERT INTO reviews_with_rowid (id, job_id, side, author_id, subject_id, rating, content, status, closes_at, published_at, reply, replied_at,
    removed_reason, note, flags, flagged_at, version, created_at, updated_at)
SELECT id, job_id, side, author_id, subject_id, rating, content, status, closes_at, published_at, reply, replied_at,
    removed_reason, note, flags, flagged_at, version, created_at, updated_at
FROM reviews;
DROP TABLE reviews;
ALTER TABLE reviews_with_rowid RENAME TO reviews;
CREATE INDEX reviews_of ON reviews (subject_id, status, published_at DESC, id DESC);
CREATE INDEX reviews_received ON reviews (subject_id, published_at DESC, id DESC) WHERE published_at IS NOT NULL;
CREATE INDEX reviews_about ON reviews (subject_id, created_at DESC, id DESC);
CREATE INDEX reviews_by ON reviews (author_id, created_at DESC, id DESC);
CREATE INDEX reviews_newest ON reviews (created_at DESC, id DESC);
CREATE INDEX reviews_status ON reviews (status, created_at DESC, id DESC);
CREATE INDEX reviews_flagged ON reviews (flagged_at, id) WHERE flags > 0;
CREATE INDEX reviews_due ON reviews (closes_at) WHERE status = 'hidden';

PRAGMA legacy_alter_table = OFF;

-- words of the titles of services and of what reviews say, for the searches of staff: each with when that was written, newest found first
CREATE TABLE content_terms (
    kind TEXT NOT NULL,
    term TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (kind, term, created_at, id)
) STRICT, WITHOUT ROWID;

-- what was written before there were words of it. The program adds them, some at a time, and this is empty from then on.
CREATE TABLE unindexed_contents (
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO unindexed_contents (kind, id) SELECT 'service', id FROM services;
INSERT INTO unindexed_contents (kind, id) SELECT 'review', id FROM reviews;

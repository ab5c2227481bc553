-- words of the titles of services and of what reviews say, for the searches of staff: each with when that was written, newest found first
CREATE TABLE content_terms (
    kind TEXT COLLATE "C" NOT NULL,
    term TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    id UUID NOT NULL,
    PRIMARY KEY (kind, term, created_at, id)
);

-- what was written before there were words of it. The program adds them, some at a time, and this is empty from then on.
CREATE TABLE unindexed_contents (
    kind TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    PRIMARY KEY (kind, id)
);
INSERT INTO unindexed_contents (kind, id) SELECT 'service', id FROM services;
INSERT INTO unindexed_contents (kind, id) SELECT 'review', id FROM reviews;

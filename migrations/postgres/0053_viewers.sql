-- what each member of staff has open, as their console said last; a row counts for some seconds
CREATE TABLE viewers (
    viewer TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX viewers_subject ON viewers (subject, kind, since, viewer);
CREATE INDEX viewers_seen ON viewers (seen_at);

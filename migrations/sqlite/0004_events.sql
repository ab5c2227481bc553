-- the second user whom an event concerns, the thread it happened in, and the number it brought: a message's, a pointer's
ALTER TABLE events ADD COLUMN peer_id BLOB;
ALTER TABLE events ADD COLUMN thread_id BLOB;
ALTER TABLE events ADD COLUMN n INTEGER;
CREATE INDEX events_user ON events (user_id, tx, seq) WHERE user_id IS NOT NULL;
CREATE INDEX events_peer ON events (peer_id, tx, seq) WHERE peer_id IS NOT NULL;

-- up to where the log was forgotten: whoever stands before it has missed something. No row before the first time
CREATE TABLE event_marks (
    id INTEGER NOT NULL PRIMARY KEY,
    tx INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;

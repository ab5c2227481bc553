-- An event is published a moment after its transaction was committed: then `tx` gets the number of the batch in which that
-- happened; until then it is -1. Batches follow each other, so that nothing appears before what was read already, whatever
-- other transactions do. Numbers begin where no transaction's number was, which stood there before.
CREATE SEQUENCE event_batches;
SELECT setval('event_batches', (extract(epoch FROM now()) * 1000000)::bigint);
ALTER TABLE events ALTER COLUMN tx SET DEFAULT -1;
CREATE INDEX events_unpublished ON events (seq) WHERE tx < 0;
-- only what is published is looked for there
DROP INDEX events_order;
CREATE INDEX events_order ON events (tx, seq) WHERE tx >= 0;
DROP INDEX events_user;
CREATE INDEX events_user ON events (user_id, tx, seq) WHERE user_id IS NOT NULL AND tx >= 0;
DROP INDEX events_peer;
CREATE INDEX events_peer ON events (peer_id, tx, seq) WHERE peer_id IS NOT NULL AND tx >= 0;
-- each row is written twice: what is left of the first time goes soon
ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02);

-- in which database the log was written: after a restore, in a copy and after a failover it is another, and the log begins anew
ALTER TABLE event_marks ADD COLUMN place TEXT NOT NULL DEFAULT '';

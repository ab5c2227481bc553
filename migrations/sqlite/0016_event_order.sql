-- One writer: events are published when they are written. PostgreSQL needs this index; here it is empty.
CREATE INDEX events_unpublished ON events (seq) WHERE tx < 0;

-- in which file the log was written: after a restore and in a copy it is another, and the log begins anew
ALTER TABLE event_marks ADD COLUMN place TEXT NOT NULL DEFAULT '';

-- Photos of services. Their order, the texts that stand for them and their sizes are with the service, which is read far more
-- often than it changes: a JSON array of {"id", "alt", "width", "height"}, the first shown in lists.
ALTER TABLE services ADD COLUMN photos TEXT NOT NULL DEFAULT '[]';

CREATE TABLE service_photos (
    id BLOB NOT NULL PRIMARY KEY,
    worker_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- NULL once it is none of the service's any more, and kept because it was reported
    service_id BLOB REFERENCES services (id),
    -- each key names an object in the store; the three are sealed with one key, encrypted with the master key
    full_key TEXT NOT NULL,
    medium_key TEXT NOT NULL,
    thumb_key TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    -- whether a report has it among what was reported: then it stays until the person is erased
    reported INTEGER NOT NULL DEFAULT FALSE,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX service_photos_service ON service_photos (service_id);
CREATE INDEX service_photos_worker ON service_photos (worker_id, id);
CREATE INDEX service_photos_full ON service_photos (full_key);
CREATE INDEX service_photos_medium ON service_photos (medium_key);
CREATE INDEX service_photos_thumb ON service_photos (thumb_key);

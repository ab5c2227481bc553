-- when its recipient's sockets are to be told of one that is to come; NULL once they were, and for those that were told at once
ALTER TABLE notifications ADD COLUMN announce_at TIMESTAMPTZ;
CREATE INDEX notifications_announce ON notifications (announce_at) WHERE announce_at IS NOT NULL;

-- when a freeze ends by itself
ALTER TABLE users ADD COLUMN restriction_until INTEGER;
CREATE INDEX users_restriction_until ON users (restriction_until, id) WHERE restriction_until IS NOT NULL;

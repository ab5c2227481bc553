-- Refresh tokens are made from these and a key that is not in the database, so a rotated one needs no row: what a token says
-- of itself (session, generation) is enough to tell it from one that was made up. NULL in a session of before, whose token is
-- the last one with a row in refresh_tokens.
ALTER TABLE sessions ADD COLUMN refresh_secret BLOB;
-- when its latest generations were first used, newest last: a JSON list of microseconds since 1970
ALTER TABLE sessions ADD COLUMN refresh_uses TEXT;

-- what somebody created for others ends together with what is theirs: they have seen the secrets
CREATE INDEX api_tokens_maker ON api_tokens (created_by);

-- tickets go with their owner's sessions
CREATE INDEX socket_tickets_user ON socket_tickets (user_id);

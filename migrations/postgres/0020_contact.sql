-- addresses whose compared form may be another since domains are compared in ASCII: the program rewrites them when it opens the
-- database, and this is empty from then on
CREATE TABLE unnormalised_emails (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO unnormalised_emails (user_id) SELECT id FROM users WHERE email_norm ~ '[^ -~]';

-- the number that somebody gave who has not confirmed their address yet: nobody else is asked whether it is theirs
ALTER TABLE users ADD COLUMN phone_wanted TEXT;

-- users are found by address through users.email_norm; what is left are names and numbers
DELETE FROM user_terms WHERE strpos(term, '@') > 0;

-- whom a kept answer is about, so that an erasure finds them by index. Answers of before are not listed: they are looked through,
-- until the last of them is a day old.
CREATE TABLE idempotency_users (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (user_id, principal, key),
    FOREIGN KEY (principal, key) REFERENCES idempotency_keys (principal, key) ON DELETE CASCADE
);
CREATE INDEX idempotency_users_key ON idempotency_users (principal, key);
ALTER TABLE idempotency_keys ADD COLUMN users_listed BOOLEAN;
CREATE INDEX idempotency_keys_unlisted ON idempotency_keys (created_at) WHERE body IS NOT NULL AND users_listed IS NULL;

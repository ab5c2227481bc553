-- a mail that could not be sent stays for a while, with the reason; staff can have it tried again
ALTER TABLE mail_outbox ADD COLUMN failed_at TIMESTAMPTZ;
-- why the last try failed, without addresses
ALTER TABLE mail_outbox ADD COLUMN failure TEXT;
-- when staff last had it tried again: its three days begin anew
ALTER TABLE mail_outbox ADD COLUMN retried_at TIMESTAMPTZ;
DROP INDEX mail_outbox_due;
CREATE INDEX mail_outbox_due ON mail_outbox (not_before) WHERE failed_at IS NULL;
CREATE INDEX mail_outbox_failed ON mail_outbox (id) WHERE failed_at IS NOT NULL;

-- each object is deleted by itself: one that cannot be is tried again after pauses that grow
ALTER TABLE file_deletions ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE file_deletions ADD COLUMN not_before TIMESTAMPTZ NOT NULL DEFAULT TIMESTAMPTZ '1970-01-01 00:00:00+00';
CREATE INDEX file_deletions_due ON file_deletions (not_before);

-- how each kind of due work went, written down by servers every minute
CREATE TABLE timers (
    timer TEXT NOT NULL PRIMARY KEY,
    last_success_at TIMESTAMPTZ NOT NULL,
    last_failure_at TIMESTAMPTZ NOT NULL,
    failure TEXT
);

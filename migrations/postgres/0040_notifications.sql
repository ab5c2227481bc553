-- What concerns a person, newest last by its id, a UUIDv7 of `at`. One whose time is to come is not shown before it.
CREATE TABLE notifications (
    user_id UUID NOT NULL REFERENCES users (id),
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    -- the id of the thread, job, review, attempt or account
    target TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    -- when a mail is to be made of it; NULL once that is done, and where there is none
    mail_at TIMESTAMPTZ,
    read_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, id)
);
-- one of a thread's messages at a time, until it is read
CREATE UNIQUE INDEX notifications_message ON notifications (user_id, target) WHERE kind = 'message' AND read_at IS NULL;
CREATE INDEX notifications_mail ON notifications (mail_at) WHERE mail_at IS NOT NULL;
CREATE INDEX notifications_unread ON notifications (user_id, id) WHERE read_at IS NULL;
CREATE INDEX notifications_at ON notifications (at);

-- how a person wants to be told; without a row, in English and of everything
CREATE TABLE notification_settings (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id),
    language TEXT NOT NULL,
    -- a JSON list of the kinds that no mail is sent of
    muted TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Of use on PostgreSQL only: here the one writer puts a row on the log at once.
CREATE TABLE audit_unsealed (
    n INTEGER NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT,
    metadata TEXT NOT NULL,
    hash TEXT NOT NULL,
    written_at INTEGER NOT NULL
) STRICT;
ALTER TABLE audit_log ADD COLUMN entry TEXT;
CREATE UNIQUE INDEX audit_log_entry ON audit_log (entry) WHERE entry IS NOT NULL;

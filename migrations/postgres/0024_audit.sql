-- What was done is put here by the transaction that did it, so that nobody waits for anybody else's turn at the end of the
-- log; a moment after the commit it moves to the log, many rows at a time. Its tag says that this program wrote it.
CREATE TABLE audit_unsealed (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry TEXT COLLATE "C" NOT NULL UNIQUE,
    at TIMESTAMPTZ NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    reason TEXT,
    metadata TEXT NOT NULL,
    hash TEXT NOT NULL,
    written_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
-- every row goes soon after it came
ALTER TABLE audit_unsealed SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- the entry that a row was, by which nothing is sealed twice; the tag of such a row covers it
ALTER TABLE audit_log ADD COLUMN entry TEXT COLLATE "C";
CREATE UNIQUE INDEX audit_log_entry ON audit_log (entry) WHERE entry IS NOT NULL;

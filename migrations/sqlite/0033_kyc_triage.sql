-- what staff set aside: until a time, for a colleague, or for admins; and since when the claim is held
ALTER TABLE kyc_attempts ADD COLUMN snoozed_until INTEGER;
ALTER TABLE kyc_attempts ADD COLUMN assigned_to BLOB REFERENCES users (id);
ALTER TABLE kyc_attempts ADD COLUMN escalated_at INTEGER;
ALTER TABLE kyc_attempts ADD COLUMN claimed_at INTEGER;
-- whose queue it is in: open, escalated, snoozed, or user:<id>; follows from the columns above, so that one index serves all
ALTER TABLE kyc_attempts ADD COLUMN lane TEXT NOT NULL DEFAULT 'open';
CREATE INDEX kyc_attempts_lane ON kyc_attempts (status, lane, submitted_at, id);
CREATE INDEX kyc_attempts_assigned ON kyc_attempts (assigned_to) WHERE assigned_to IS NOT NULL;
CREATE INDEX kyc_attempts_snoozed ON kyc_attempts (snoozed_until, id) WHERE snoozed_until IS NOT NULL;

-- who has put which case behind the others
CREATE TABLE kyc_skips (
    attempt_id BLOB NOT NULL REFERENCES kyc_attempts (id) ON DELETE CASCADE,
    reviewer TEXT NOT NULL,
    -- the order in which a reviewer skipped
    number INTEGER NOT NULL,
    PRIMARY KEY (attempt_id, reviewer)
) STRICT, WITHOUT ROWID;
CREATE INDEX kyc_skips_reviewer ON kyc_skips (reviewer, number, attempt_id);

-- what was done with a case before its decision, numbered for each case
CREATE TABLE kyc_history (
    attempt_id BLOB NOT NULL REFERENCES kyc_attempts (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    until INTEGER,
    assigned_to BLOB,
    note TEXT,
    PRIMARY KEY (attempt_id, number)
) STRICT, WITHOUT ROWID;

-- everything that was reported about one thing of one person, until it is decided; a later report begins another case
CREATE TABLE report_cases (
    id BLOB NOT NULL PRIMARY KEY,
    target_kind TEXT NOT NULL,
    -- of the kind's own table; what it names may be gone
    target_id BLOB NOT NULL,
    thread_id BLOB,
    -- whose it is: they are told what was decided
    subject_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- open and appealed while they wait, claimed or not
    status TEXT NOT NULL,
    -- JSON array: what the reports say
    reasons TEXT NOT NULL,
    reports INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    -- the place in the queue; in the future while it is put off; NULL once decided
    queued_at INTEGER,
    claim_holder TEXT,
    claim_label TEXT,
    claim_expires_at INTEGER,
    -- counts claims; a decision must carry the newest
    fence INTEGER NOT NULL,
    assignee TEXT,
    assignee_label TEXT,
    escalated_at INTEGER,
    decided_by TEXT,
    -- the account behind decided_by, also when a token was used
    decided_user BLOB,
    decided_at INTEGER,
    effective_at INTEGER,
    -- JSON arrays: codes, and what was done
    decision_reasons TEXT,
    actions TEXT,
    comment_to_reporter TEXT,
    comment_to_subject TEXT,
    note TEXT,
    -- the place in the queue that an undo restores
    undo_queued_at INTEGER,
    appeal_text TEXT,
    appealed_at INTEGER,
    appeal_by TEXT,
    appeal_decided_at INTEGER,
    appeal_comment TEXT,
    appeal_note TEXT,
    -- the newest decision, of the appeal too; NULL while it waits
    closed_at INTEGER,
    version INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX report_cases_open ON report_cases (target_kind, target_id, subject_id) WHERE decided_at IS NULL;
CREATE INDEX report_cases_queue ON report_cases (queued_at, id) WHERE queued_at IS NOT NULL;
CREATE INDEX report_cases_assigned ON report_cases (assignee, queued_at, id) WHERE assignee IS NOT NULL AND queued_at IS NOT NULL;
CREATE INDEX report_cases_closed ON report_cases (status, closed_at DESC, id DESC) WHERE closed_at IS NOT NULL;
CREATE INDEX report_cases_recent ON report_cases (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX report_cases_subject ON report_cases (subject_id, opened_at DESC, id DESC);
CREATE INDEX report_cases_claims ON report_cases (claim_expires_at) WHERE claim_expires_at IS NOT NULL;

CREATE TABLE reports (
    id BLOB NOT NULL PRIMARY KEY,
    case_id BLOB NOT NULL REFERENCES report_cases (id) ON DELETE CASCADE,
    -- NULL for the system
    reporter_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    -- NULL once erased
    text TEXT,
    -- JSON: what was reported, as it stood; NULL once erased, and where the report before it has the same
    content TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (case_id, reporter_id)
) STRICT;
CREATE INDEX reports_reporter ON reports (reporter_id, created_at DESC, id DESC);

-- what happened to a case, with what staff wrote
CREATE TABLE report_history (
    case_id BLOB NOT NULL REFERENCES report_cases (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    note TEXT,
    until INTEGER,
    PRIMARY KEY (case_id, n)
) STRICT;

-- who would rather take another case first
CREATE TABLE report_skips (
    case_id BLOB NOT NULL REFERENCES report_cases (id) ON DELETE CASCADE,
    principal TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (case_id, principal)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_skips_of ON report_skips (principal, at);

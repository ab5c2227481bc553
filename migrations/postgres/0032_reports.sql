-- everything that was reported about one thing of one person, until it is decided; a later report begins another case
CREATE TABLE report_cases (
    id UUID NOT NULL PRIMARY KEY,
    target_kind TEXT NOT NULL,
    -- of the kind's own table; what it names may be gone
    target_id UUID NOT NULL,
    thread_id UUID,
    -- whose it is: they are told what was decided
    subject_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- open and appealed while they wait, claimed or not
    status TEXT NOT NULL,
    -- JSON array: what the reports say
    reasons TEXT NOT NULL,
    reports BIGINT NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    -- the place in the queue; in the future while it is put off; NULL once decided
    queued_at TIMESTAMPTZ,
    claim_holder TEXT,
    claim_label TEXT,
    claim_expires_at TIMESTAMPTZ,
    -- counts claims; a decision must carry the newest
    fence BIGINT NOT NULL,
    assignee TEXT,
    assignee_label TEXT,
    escalated_at TIMESTAMPTZ,
    decided_by TEXT,
    -- the account behind decided_by, also when a token was used
    decided_user UUID,
    decided_at TIMESTAMPTZ,
    effective_at TIMESTAMPTZ,
    -- JSON arrays: codes, and what was done
    decision_reasons TEXT,
    actions TEXT,
    comment_to_reporter TEXT,
    comment_to_subject TEXT,
    note TEXT,
    -- the place in the queue that an undo restores
    undo_queued_at TIMESTAMPTZ,
    appeal_text TEXT,
    appealed_at TIMESTAMPTZ,
    appeal_by TEXT,
    appeal_decided_at TIMESTAMPTZ,
    appeal_comment TEXT,
    appeal_note TEXT,
    -- the newest decision, of the appeal too; NULL while it waits
    closed_at TIMESTAMPTZ,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX report_cases_open ON report_cases (target_kind, target_id, subject_id) WHERE decided_at IS NULL;
CREATE INDEX report_cases_queue ON report_cases (queued_at, id) WHERE queued_at IS NOT NULL;
CREATE INDEX report_cases_assigned ON report_cases (assignee, queued_at, id) WHERE assignee IS NOT NULL AND queued_at IS NOT NULL;
CREATE INDEX report_cases_closed ON report_cases (status, closed_at DESC, id DESC) WHERE closed_at IS NOT NULL;
CREATE INDEX report_cases_recent ON report_cases (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX report_cases_subject ON report_cases (subject_id, opened_at DESC, id DESC);
CREATE INDEX report_cases_claims ON report_cases (claim_expires_at) WHERE claim_expires_at IS NOT NULL;

CREATE TABLE reports (
    id UUID NOT NULL PRIMARY KEY,
    case_id UUID NOT NULL REFERENCES report_cases (id) ON DELETE CASCADE,
    -- NULL for the system
    reporter_id UUID REFERENCES users (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    -- NULL once erased
    text TEXT,
    -- JSON: what was reported, as it stood; NULL once erased, and where the report before it has the same
    content TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (case_id, reporter_id)
);
CREATE INDEX reports_reporter ON reports (reporter_id, created_at DESC, id DESC);

-- what happened to a case, with what staff wrote
CREATE TABLE report_history (
    case_id UUID NOT NULL REFERENCES report_cases (id) ON DELETE CASCADE,
    n BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    note TEXT,
    until TIMESTAMPTZ,
    PRIMARY KEY (case_id, n)
);

-- who would rather take another case first
CREATE TABLE report_skips (
    case_id UUID NOT NULL REFERENCES report_cases (id) ON DELETE CASCADE,
    principal TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (case_id, principal)
);
CREATE INDEX report_skips_of ON report_skips (principal, at);

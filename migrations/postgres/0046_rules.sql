-- what a rule does, in which texts (a JSON array), as which of the reasons of reports, and what staff wrote about it
ALTER TABLE rules ADD COLUMN action TEXT NOT NULL DEFAULT 'refuse';
ALTER TABLE rules ADD COLUMN places TEXT NOT NULL DEFAULT '[]';
ALTER TABLE rules ADD COLUMN reason TEXT NOT NULL DEFAULT 'spam';
ALTER TABLE rules ADD COLUMN enabled BOOLEAN NOT NULL DEFAULT true;
ALTER TABLE rules ADD COLUMN note TEXT;
ALTER TABLE rules ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- counts changes of rules, so that each server knows when those that it has are out of date
CREATE TABLE rules_version (
    one BIGINT NOT NULL PRIMARY KEY,
    n BIGINT NOT NULL
);

-- what rules caught, written with it; each becomes a report under the same id within a second
CREATE TABLE rule_hits (
    id UUID NOT NULL PRIMARY KEY,
    rule_id UUID NOT NULL,
    target_kind TEXT NOT NULL,
    target_id UUID NOT NULL,
    thread_id UUID,
    subject_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    -- which rule it was, in words
    text TEXT NOT NULL,
    -- JSON: what was caught, as it stood
    content TEXT NOT NULL
);
CREATE INDEX rule_hits_subject ON rule_hits (subject_id);

-- of the system, the rule that it stands for
ALTER TABLE reports ADD COLUMN rule_id UUID;
-- what waits about one side of a thread
CREATE INDEX report_cases_thread ON report_cases (thread_id, subject_id) WHERE thread_id IS NOT NULL AND decided_at IS NULL;
-- all that a colleague was given, decided or not, for when they are erased
CREATE INDEX report_cases_assignee ON report_cases (assignee) WHERE assignee IS NOT NULL;

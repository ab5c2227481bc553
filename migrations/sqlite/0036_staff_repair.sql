-- services as staff list them, newest first: of all, and of a state
CREATE INDEX services_created ON services (created_at DESC, id DESC);
CREATE INDEX services_status ON services (status, created_at DESC, id DESC);
-- why staff closed it: its worker cannot publish it again until staff take that back
ALTER TABLE services ADD COLUMN closed_reason TEXT;

-- what staff do not let in
CREATE TABLE rules (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_newest ON rules (created_at DESC, id DESC);

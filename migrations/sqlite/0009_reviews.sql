CREATE TABLE reviews (
    id BLOB NOT NULL PRIMARY KEY,
    job_id BLOB NOT NULL REFERENCES jobs (id),
    -- client: the client's review of the worker; worker: the other way round
    side TEXT NOT NULL,
    author_id BLOB NOT NULL REFERENCES users (id),
    subject_id BLOB NOT NULL REFERENCES users (id),
    rating INTEGER NOT NULL,
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    -- the end of the job's window, when what is still hidden shows
    closes_at INTEGER NOT NULL,
    published_at INTEGER,
    reply TEXT,
    replied_at INTEGER,
    removed_reason TEXT,
    -- what staff wrote when they last acted on it
    note TEXT,
    -- flags that staff have not dismissed
    flags INTEGER NOT NULL,
    flagged_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (job_id, side)
) STRICT, WITHOUT ROWID;
CREATE INDEX reviews_of ON reviews (subject_id, status, published_at DESC, id DESC);
CREATE INDEX reviews_received ON reviews (subject_id, published_at DESC, id DESC) WHERE published_at IS NOT NULL;
CREATE INDEX reviews_about ON reviews (subject_id, created_at DESC, id DESC);
CREATE INDEX reviews_by ON reviews (author_id, created_at DESC, id DESC);
CREATE INDEX reviews_newest ON reviews (created_at DESC, id DESC);
CREATE INDEX reviews_status ON reviews (status, created_at DESC, id DESC);
CREATE INDEX reviews_flagged ON reviews (flagged_at, id) WHERE flags > 0;
CREATE INDEX reviews_due ON reviews (closes_at) WHERE status = 'hidden';

CREATE TABLE review_flags (
    review_id BLOB NOT NULL REFERENCES reviews (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    comment TEXT,
    dismissed_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (review_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX review_flags_user ON review_flags (user_id);

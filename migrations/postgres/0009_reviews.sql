CREATE TABLE reviews (
    id UUID NOT NULL PRIMARY KEY,
    job_id UUID NOT NULL REFERENCES jobs (id),
    -- client: the client's review of the worker; worker: the other way round
    side TEXT NOT NULL,
    author_id UUID NOT NULL REFERENCES users (id),
    subject_id UUID NOT NULL REFERENCES users (id),
    rating BIGINT NOT NULL,
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    -- the end of the job's window, when what is still hidden shows
    closes_at TIMESTAMPTZ NOT NULL,
    published_at TIMESTAMPTZ,
    reply TEXT,
    replied_at TIMESTAMPTZ,
    removed_reason TEXT,
    -- what staff wrote when they last acted on it
    note TEXT,
    -- flags that staff have not dismissed
    flags BIGINT NOT NULL,
    flagged_at TIMESTAMPTZ,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (job_id, side)
);
CREATE INDEX reviews_of ON reviews (subject_id, status, published_at DESC, id DESC);
CREATE INDEX reviews_received ON reviews (subject_id, published_at DESC, id DESC) WHERE published_at IS NOT NULL;
CREATE INDEX reviews_about ON reviews (subject_id, created_at DESC, id DESC);
CREATE INDEX reviews_by ON reviews (author_id, created_at DESC, id DESC);
CREATE INDEX reviews_newest ON reviews (created_at DESC, id DESC);
CREATE INDEX reviews_status ON reviews (status, created_at DESC, id DESC);
CREATE INDEX reviews_flagged ON reviews (flagged_at, id) WHERE flags > 0;
CREATE INDEX reviews_due ON reviews (closes_at) WHERE status = 'hidden';

CREATE TABLE review_flags (
    review_id UUID NOT NULL REFERENCES reviews (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    comment TEXT,
    dismissed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (review_id, user_id)
);
CREATE INDEX review_flags_user ON review_flags (user_id);

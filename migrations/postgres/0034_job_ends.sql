-- staff find jobs by the last letters of their ids
CREATE INDEX jobs_end ON jobs (right(id::text, 8));

-- staff find jobs by the last letters of their ids
CREATE INDEX jobs_end ON jobs (substr(hex(id), -8));

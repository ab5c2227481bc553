-- a message moves its thread in each index by activity: in three and not in four, as no thread is open and closed
DROP INDEX threads_newest;
DROP INDEX threads_status;
CREATE INDEX threads_open ON threads (last_at DESC, id DESC) WHERE status = 'open';
CREATE INDEX threads_closed ON threads (last_at DESC, id DESC) WHERE status = 'closed';

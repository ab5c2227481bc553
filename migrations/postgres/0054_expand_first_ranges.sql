-- `events`, `audit_log` and `job_history` are divided into ranges by 0056. Each table as it is becomes the first of its ranges,
-- which takes proof that none of its rows is beyond; 0055 finds it while servers write. Until 0056 nothing reaches these bounds:
-- batches of events are numbered from a time long ago on, and ids of jobs begin with the time. For the first two weeks events stay in one
-- range: servers of the release before do not know that publishing may move a row.
DO $$
DECLARE
    day CONSTANT BIGINT := 86400000000;
    now_micros CONSTANT BIGINT := (extract(epoch FROM now()) * 1000000)::bigint;
    month_millis CONSTANT BIGINT := (extract(epoch FROM date_trunc('month', now() + interval '2 months')) * 1000)::bigint;
    month TEXT := lpad(to_hex(month_millis), 12, '0');
BEGIN
    EXECUTE format('ALTER TABLE events ADD CONSTRAINT events_first CHECK (tx < %L) NOT VALID',
        (greatest(now_micros, (SELECT last_value FROM event_batches)) / day + 14) * day);
    EXECUTE format('ALTER TABLE audit_log ADD CONSTRAINT audit_log_first CHECK (seq < %L) NOT VALID',
        ((SELECT least(coalesce(max(seq), 0), 9000000000000000000) FROM audit_log) / 10000000 + 2) * 10000000);
    month := format('%s-%s-7000-8000-000000000000', left(month, 8), right(month, 4));
    -- ids that are none of a time: then there is but one range
    IF EXISTS (SELECT FROM job_history WHERE job_id >= month::uuid) THEN
        month := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    END IF;
    EXECUTE format('ALTER TABLE job_history ADD CONSTRAINT job_history_first CHECK (job_id < %L) NOT VALID', month);
END $$;

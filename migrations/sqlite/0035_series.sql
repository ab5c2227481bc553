-- what is counted for each hour (hours since the epoch): who did it, where that counts, and for times in which of the buckets
-- of records/series.rs; spread over shards, so that those who count at the same moment do not wait for each other
CREATE TABLE series (
    kind TEXT NOT NULL,
    hour INTEGER NOT NULL,
    who TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (kind, hour, who, bucket, shard)
) STRICT, WITHOUT ROWID;

INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'signups', created_at / 3600000000, '', 0, 0, count(*) FROM users GROUP BY 2;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'kyc_submitted', submitted_at / 3600000000, '', 0, 0, count(*) FROM kyc_attempts GROUP BY 2;
-- the last decision on each attempt is known; the one before it is not
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'kyc_' || CASE status WHEN 'expired' THEN 'approved' ELSE status END, decided_at / 3600000000, decided_by, 0, 0, count(*) FROM kyc_attempts
WHERE decided_at IS NOT NULL AND decided_by IS NOT NULL GROUP BY 1, 2, 3;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'kyc_waited', decided_at / 3600000000, decided_by,
    (SELECT count(*) FROM json_each('[5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10800, 14400,
     21600, 28800, 43200, 57600, 86400, 129600, 172800, 259200, 345600, 604800, 1209600, 2592000]')
     WHERE value <= (decided_at - submitted_at) / 1000000), 0, count(*) FROM kyc_attempts
WHERE decided_at IS NOT NULL AND decided_by IS NOT NULL AND status <> 'revoked' GROUP BY 2, 3, 4;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'jobs_begun', created_at / 3600000000, '', 0, 0, count(*) FROM jobs GROUP BY 2;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT CASE to_status WHEN 'finalized' THEN 'jobs_finalized' ELSE 'jobs_cancelled' END, at / 3600000000, '', 0, 0, count(*) FROM job_history
WHERE to_status IN ('finalized', 'cancelled', 'rejected') GROUP BY 1, 2;
-- whole hours only: those to come are counted when they are over
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'messages', created_at / 3600000000, '', 0, 0, count(*) FROM messages
WHERE created_at / 3600000000 < (SELECT max(created_at / 3600000000) FROM messages) GROUP BY 2;

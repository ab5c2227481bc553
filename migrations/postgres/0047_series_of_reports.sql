-- what reports there were before they were counted; times in the buckets of 0035
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'reports_opened', floor(extract(epoch FROM opened_at) / 3600)::bigint, '', 0, 0, count(*) FROM report_cases GROUP BY 2;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT CASE status WHEN 'dismissed' THEN 'reports_dismissed' ELSE 'reports_resolved' END, floor(extract(epoch FROM decided_at) / 3600)::bigint, decided_by, 0, 0, count(*) FROM report_cases
WHERE decided_at IS NOT NULL AND decided_by <> 'system' GROUP BY 1, 2, 3;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'reports_appealed', floor(extract(epoch FROM appealed_at) / 3600)::bigint, '', 0, 0, count(*) FROM report_cases WHERE appealed_at IS NOT NULL GROUP BY 2;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'reports_' || status, floor(extract(epoch FROM appeal_decided_at) / 3600)::bigint, appeal_by, 0, 0, count(*) FROM report_cases
WHERE appeal_decided_at IS NOT NULL AND appeal_by <> 'system' AND status IN ('upheld', 'reversed') GROUP BY 1, 2, 3;
INSERT INTO series (kind, hour, who, bucket, shard, n)
SELECT 'reports_waited', floor(extract(epoch FROM decided_at) / 3600)::bigint, decided_by,
    (SELECT count(*) FROM unnest(ARRAY[5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10800, 14400,
     21600, 28800, 43200, 57600, 86400, 129600, 172800, 259200, 345600, 604800, 1209600, 2592000]) AS ends (s)
     WHERE s <= extract(epoch FROM decided_at - opened_at)), 0, count(*) FROM report_cases
WHERE decided_at IS NOT NULL AND decided_by <> 'system' GROUP BY 2, 3, 4;

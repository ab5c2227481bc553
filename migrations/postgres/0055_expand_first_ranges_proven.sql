-- reads the tables once, while others read and write
ALTER TABLE events VALIDATE CONSTRAINT events_first;
ALTER TABLE audit_log VALIDATE CONSTRAINT audit_log_first;
ALTER TABLE job_history VALIDATE CONSTRAINT job_history_first;

-- when the files of a decided attempt were deleted because their time was over
ALTER TABLE kyc_attempts ADD COLUMN files_deleted_at INTEGER;
CREATE INDEX kyc_attempts_files ON kyc_attempts (status, decided_at) WHERE wrapped_key IS NOT NULL AND decided_at IS NOT NULL;

-- erasures whose last traces are still to be swept: what a deleted row leaves in the write-ahead log and the search index,
-- and mails in the folder
CREATE TABLE erasures (
    user_id BLOB NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The file's key, encrypted with the master key, as for identity checks; NULL for files that lie in the clear from before
ALTER TABLE attachments ADD COLUMN wrapped_key BLOB;
CREATE INDEX attachments_clear ON attachments (id) WHERE wrapped_key IS NULL;
ALTER TABLE pictures ADD COLUMN wrapped_key BLOB;
CREATE INDEX pictures_clear ON pictures (id) WHERE wrapped_key IS NULL;

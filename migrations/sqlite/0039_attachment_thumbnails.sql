-- where a picture's small rendering lies, under the file's own key; NULL for what is no picture, and for pictures before
ALTER TABLE attachments ADD COLUMN thumb_key TEXT;
CREATE INDEX attachments_thumb ON attachments (thumb_key) WHERE thumb_key IS NOT NULL;

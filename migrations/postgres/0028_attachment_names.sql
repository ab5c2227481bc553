-- as its sender's machine had it, without what cannot stand in a name; NULL for those before, and where there was none
ALTER TABLE attachments ADD COLUMN name TEXT;

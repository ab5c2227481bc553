-- Nothing to do: only SQLite has tables without row ids.
SELECT 1;

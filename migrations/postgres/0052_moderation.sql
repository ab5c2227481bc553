-- the key of the category that this one was merged into, and stands for; never one that was merged itself
ALTER TABLE categories ADD COLUMN merged_into TEXT COLLATE "C";
-- whether services of it are still to be moved there
ALTER TABLE categories ADD COLUMN moving BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX categories_merged ON categories (merged_into) WHERE merged_into IS NOT NULL;
-- the services of a category, in any state
CREATE INDEX services_of_category ON services (category, id);

-- what is needed to put a photo back that a decision about reports removed: a JSON object with the photo and its place
ALTER TABLE service_photos ADD COLUMN removed TEXT;

-- the reports that a rule opened
CREATE INDEX reports_rule ON reports (rule_id) WHERE rule_id IS NOT NULL;

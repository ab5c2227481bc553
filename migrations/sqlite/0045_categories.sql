-- the kinds of services, which admins manage; a key never changes its meaning
CREATE TABLE categories (
    key TEXT NOT NULL PRIMARY KEY,
    -- JSON object: names by language, English always
    names TEXT NOT NULL,
    -- the key of the one that it is part of
    parent TEXT,
    position INTEGER NOT NULL,
    -- whether new services can be of it
    active INTEGER NOT NULL DEFAULT TRUE,
    -- whether admins wrote its names: searches know those of the beginning by other means
    named INTEGER NOT NULL DEFAULT FALSE,
    version INTEGER NOT NULL DEFAULT 1,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX categories_named ON categories (key) WHERE named;
INSERT INTO categories (key, names, position, updated_at) VALUES
    ('cleaning', '{"en":"Cleaning"}', 10, 0),
    ('handyman', '{"en":"Handyman"}', 20, 0),
    ('plumbing', '{"en":"Plumbing and heating"}', 30, 0),
    ('electrical', '{"en":"Electrical work"}', 40, 0),
    ('painting', '{"en":"Painting and decorating"}', 50, 0),
    ('carpentry', '{"en":"Carpentry and furniture"}', 60, 0),
    ('gardening', '{"en":"Gardens and outdoors"}', 70, 0),
    ('moving', '{"en":"Moving and transport"}', 80, 0),
    ('vehicles', '{"en":"Cars and bicycles"}', 90, 0),
    ('computing', '{"en":"Computers and phones"}', 100, 0),
    ('lessons', '{"en":"Lessons and tutoring"}', 110, 0),
    ('music', '{"en":"Music and performance"}', 120, 0),
    ('languages', '{"en":"Languages and translation"}', 130, 0),
    ('photography', '{"en":"Photography and video"}', 140, 0),
    ('design', '{"en":"Design and writing"}', 150, 0),
    ('childcare', '{"en":"Childcare"}', 160, 0),
    ('care', '{"en":"Care of the elderly and the ill"}', 170, 0),
    ('pets', '{"en":"Pets"}', 180, 0),
    ('beauty', '{"en":"Beauty and wellbeing"}', 190, 0),
    ('fitness', '{"en":"Sport and fitness"}', 200, 0),
    ('events', '{"en":"Cooking and events"}', 210, 0),
    ('crafts', '{"en":"Tailoring and crafts"}', 220, 0),
    ('office', '{"en":"Accounts, law and offices"}', 230, 0),
    ('other', '{"en":"Anything else"}', 240, 0);

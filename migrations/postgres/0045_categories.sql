-- the kinds of services, which admins manage; a key never changes its meaning
CREATE TABLE categories (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- JSON object: names by language, English always
    names TEXT NOT NULL,
    -- the key of the one that it is part of
    parent TEXT,
    position BIGINT NOT NULL,
    -- whether new services can be of it
    active BOOLEAN NOT NULL DEFAULT TRUE,
    -- whether admins wrote its names: searches know those of the beginning by other means
    named BOOLEAN NOT NULL DEFAULT FALSE,
    version BIGINT NOT NULL DEFAULT 1,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX categories_named ON categories (key) WHERE named;
INSERT INTO categories (key, names, position, updated_at) VALUES
    ('cleaning', '{"en":"Cleaning"}', 10, 'epoch'),
    ('handyman', '{"en":"Handyman"}', 20, 'epoch'),
    ('plumbing', '{"en":"Plumbing and heating"}', 30, 'epoch'),
    ('electrical', '{"en":"Electrical work"}', 40, 'epoch'),
    ('painting', '{"en":"Painting and decorating"}', 50, 'epoch'),
    ('carpentry', '{"en":"Carpentry and furniture"}', 60, 'epoch'),
    ('gardening', '{"en":"Gardens and outdoors"}', 70, 'epoch'),
    ('moving', '{"en":"Moving and transport"}', 80, 'epoch'),
    ('vehicles', '{"en":"Cars and bicycles"}', 90, 'epoch'),
    ('computing', '{"en":"Computers and phones"}', 100, 'epoch'),
    ('lessons', '{"en":"Lessons and tutoring"}', 110, 'epoch'),
    ('music', '{"en":"Music and performance"}', 120, 'epoch'),
    ('languages', '{"en":"Languages and translation"}', 130, 'epoch'),
    ('photography', '{"en":"Photography and video"}', 140, 'epoch'),
    ('design', '{"en":"Design and writing"}', 150, 'epoch'),
    ('childcare', '{"en":"Childcare"}', 160, 'epoch'),
    ('care', '{"en":"Care of the elderly and the ill"}', 170, 'epoch'),
    ('pets', '{"en":"Pets"}', 180, 'epoch'),
    ('beauty', '{"en":"Beauty and wellbeing"}', 190, 'epoch'),
    ('fitness', '{"en":"Sport and fitness"}', 200, 'epoch'),
    ('events', '{"en":"Cooking and events"}', 210, 'epoch'),
    ('crafts', '{"en":"Tailoring and crafts"}', 220, 'epoch'),
    ('office', '{"en":"Accounts, law and offices"}', 230, 'epoch'),
    ('other', '{"en":"Anything else"}', 240, 'epoch');

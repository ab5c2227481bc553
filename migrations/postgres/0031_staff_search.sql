-- staff find people by the end of a number, as it is written in its country, and by the beginning of an address's domain
CREATE INDEX users_phone_end ON users (right(phone, 4), (phone COLLATE "C"), id) WHERE phone IS NOT NULL;
CREATE INDEX users_domain ON users ((split_part(email_norm, '@', 2) COLLATE "C"), id) WHERE email_norm IS NOT NULL;

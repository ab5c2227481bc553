-- staff find people by the end of a number, as it is written in its country, and by the beginning of an address's domain
CREATE INDEX users_phone_end ON users (substr(phone, -4), phone, id) WHERE phone IS NOT NULL;
CREATE INDEX users_domain ON users (substr(email_norm, instr(email_norm, '@') + 1), id) WHERE email_norm IS NOT NULL;

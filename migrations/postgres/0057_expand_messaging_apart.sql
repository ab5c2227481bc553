-- Messaging refers to people by their ids alone, so that it can be distributed by thread (docs/scaling.md), and so that sending a
-- message locks no account. Accounts are erased, and their rows stay.
ALTER TABLE threads DROP CONSTRAINT threads_client_id_fkey;
ALTER TABLE threads DROP CONSTRAINT threads_worker_id_fkey;
ALTER TABLE messages DROP CONSTRAINT messages_sender_id_fkey;
ALTER TABLE attachments DROP CONSTRAINT attachments_user_id_fkey;

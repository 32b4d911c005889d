-- What the application's login may do: rows of its tables, nothing else. It owns nothing and makes no tables.
-- Run by: a superuser. The polling login `opsportal_poll` may see how far the sequences are, and read the columns that plans of
-- the usual statements need, but no message's text. pg_monitor, granted where it is made, is all else it has.

DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), current_user); END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;
REVOKE INSERT, UPDATE, DELETE ON api_key FROM app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO opsportal_poll;
GRANT SELECT ON conversation, message_queue TO opsportal_poll;
GRANT SELECT (
    id, conversation_id, api_key_id, sender_id, direction, channel, content_type, status, error_code, segments, cost_micros,
    sent_at, delivered_at, read_at, created_at, updated_at
) ON conversation_message TO opsportal_poll;
GRANT SELECT (id, api_key_id, channel, recipient_count, created_at) ON message TO opsportal_poll;
GRANT SELECT (id, message_id, status, error_code, delivered_at, created_at) ON message_recipient TO opsportal_poll;

-- Bounds that hold through PgBouncer too, which passes no start-up options on.
ALTER ROLE app SET statement_timeout = '5s';
ALTER ROLE app SET lock_timeout = '3s';
ALTER ROLE app SET idle_in_transaction_session_timeout = '30s';

-- What the application's login may do: rows of its tables, nothing else. It owns nothing and makes no tables.
-- Run by: a superuser. The polling login `opsportal_poll` may see how far the sequences are, and read the tables that hold no
-- secrets: plans and estimates of bloat need it. pg_monitor, granted where it is made, is all else it has.

DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), current_user); END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;
REVOKE INSERT, UPDATE, DELETE ON api_key FROM app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO opsportal_poll;
GRANT SELECT ON conversation, conversation_message, message, message_recipient, message_queue TO opsportal_poll;

-- Bounds that hold through PgBouncer too, which passes no start-up options on.
ALTER ROLE app SET statement_timeout = '5s';
ALTER ROLE app SET lock_timeout = '3s';
ALTER ROLE app SET idle_in_transaction_session_timeout = '30s';

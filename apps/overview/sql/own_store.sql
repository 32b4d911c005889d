-- Purpose: the portal's own store as the login that serves finds it: version, whether that login could rewrite the ledger.
-- Privilege: the serving login.
-- Columns: version; number (such as 150004); login; superuser; owner (whether it owns the ledger, or is a member of who does); rewrites (tables of
--   the ledger with what it may do to their rows, separated by commas).
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::int AS number,
    current_user::text AS login,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
    (SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'ledger_entry'::regclass) AS owner,
    (
        SELECT string_agg(lower(deed) || ' ' || "table", ', ' ORDER BY deed, "table")
        FROM unnest(ARRAY['ledger_entry', 'ledger_head', 'ledger_tile', 'ledger_checkpoint', 'ledger_finding']) AS "table",
            unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS deed
        WHERE has_table_privilege("table", deed)
    ) AS rewrites

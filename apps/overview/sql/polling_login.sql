-- Purpose: what the polling login is and may on this server, besides its rights on tables (writable.sql).
-- Privilege: none; preloaded is seen with pg_read_all_settings (in pg_monitor).
-- Columns: login; database; attributes (those that let it change more than rows, separated by blanks; empty: none); monitor (whether pg_monitor's
--   rights count), monitor_granted (whether it is a member at all); statements, statements_newest (versions of pg_stat_statements: in this
--   database, and installed on the server; NULL: none); statements_loaded (with the server); preloaded (shared_preload_libraries; NULL where it
--   may not be seen); tls (of this connection; NULL: none); sequences_closed (how many may not be read), sequences_in (their schemas, quoted).
SELECT
    session_user::text AS login,
    current_database()::text AS database,
    concat_ws(' ',
        CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END) AS attributes,
    pg_has_role(session_user, 'pg_monitor', 'USAGE') AS monitor,
    pg_has_role(session_user, 'pg_monitor', 'MEMBER') AS monitor_granted,
    (SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements') AS statements,
    (SELECT default_version FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS statements_newest,
    EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS statements_loaded,
    (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries') AS preloaded,
    (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls,
    closed.*
FROM pg_roles, LATERAL (
    SELECT count(*) AS sequences_closed, string_agg(DISTINCT quote_ident(nspname), ', ') AS sequences_in
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relpersistence = 'p' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
        -- One CASE, because the planner may ask for the privilege first, which of what is no sequence is an error.
        AND CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(pg_class.oid, 'SELECT, USAGE') END
) AS closed
WHERE rolname = session_user

-- Purpose: who answers, in which role, and what time it is there. Asked first at every poll.
-- Privilege: none.
-- Columns: now; role (primary, replica); version; identity (system identifier); extensions (of this database: name and version, separated by commas);
--   sees_all (whether it is told of other logins' sessions and statements, and of replication: the views show its own alone, without a word)
SELECT
    clock_timestamp() AS now,
    CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END AS role,
    current_setting('server_version') AS version,
    (SELECT system_identifier::text FROM pg_control_system()) AS identity,
    (SELECT string_agg(extname || ' ' || extversion, ',') FROM pg_extension) AS extensions,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all

-- Purpose: the sessions that do something or hold a transaction, the longest first.
-- Privilege: pg_read_all_stats (in pg_monitor), to see other logins' sessions and statements.
-- Columns: object (process id), login, application, state, waits_for (event type and event), seconds (since the transaction or the
--   statement began), blocked_by (process ids that hold the lock it waits for), query (first 500 characters;
--   literals are left out before it is kept: they may be secrets or personal).
SELECT
    pid::text AS object,
    usename AS login,
    application_name AS application,
    state,
    CASE WHEN wait_event_type IS NOT NULL THEN wait_event_type || ': ' || wait_event END AS waits_for,
    extract(epoch FROM clock_timestamp() - coalesce(xact_start, query_start)) AS seconds,
    CASE WHEN wait_event_type = 'Lock' THEN array_to_string(pg_blocking_pids(pid), ', ') END AS blocked_by,
    left(query, 500) AS query
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
ORDER BY seconds DESC NULLS LAST
LIMIT 50

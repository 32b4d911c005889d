-- Purpose: what the sessions that are at work wait for at this moment.
-- Privilege: pg_read_all_stats (in pg_monitor), to see other logins' sessions.
-- Columns: object (type of the wait, or CPU where a session runs: PostgreSQL reports no wait then), event, sessions (of clients, and workers of
--   parallel queries, without our own), longest (s, since its statement began).
SELECT
    coalesce(wait_event_type, 'CPU') AS object,
    coalesce(wait_event, 'running') AS event,
    count(*) AS sessions,
    max(extract(epoch FROM clock_timestamp() - query_start))::float8 AS longest
FROM pg_stat_activity
WHERE state = 'active' AND backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()
GROUP BY 1, 2
ORDER BY sessions DESC, longest DESC
LIMIT 40

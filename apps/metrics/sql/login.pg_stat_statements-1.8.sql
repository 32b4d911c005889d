-- Purpose: what the polling login costs this server: its sessions, and what its statements took.
-- Privilege: none beyond the extension pg_stat_statements, 1.8 or newer, in this database: a login sees its own statements.
-- Columns: sessions (of this login), calls, total_ms (planning and execution, since the counters were reset)
SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user) AS sessions,
    coalesce(sum(calls), 0)::bigint AS calls,
    coalesce(sum(total_exec_time + total_plan_time), 0) AS total_ms
FROM pg_stat_statements(false) WHERE userid = current_user::regrole

-- Purpose: what the polling login costs this server: its sessions. What its statements took is told where pg_stat_statements is.
-- Privilege: none.
-- Columns: sessions (of this login), calls, total_ms (NULL: not counted here)
SELECT count(*) AS sessions, NULL::bigint AS calls, NULL::float8 AS total_ms
FROM pg_stat_activity WHERE usename = current_user

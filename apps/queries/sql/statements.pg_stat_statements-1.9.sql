-- Purpose: what the statements have cost since the counters were reset, without their texts (`texts` reads those seldom).
-- Privilege: pg_read_all_stats (in pg_monitor); the extension pg_stat_statements, 1.9 or newer, in this database.
-- Columns: object (the statement's queryid; empty for the total of all), calls, total_ms (execution), rows (returned or changed);
--   in the row of the total also entries (statements counted), stats_reset, and dealloc: how often the
--   list was full and dropped the least used twentieth of its statements.
-- Listed are the 100 statements with the most time and the 20 most called of those whose mean is 100 ms or more; the total holds all.
-- Not counted: our own login's statements, those that never touched a block nor gave a row (BEGIN, COMMIT, SET), and with track = 'all' those
--   within functions (toplevel false): their calls and time are in the calling statement's.
WITH statement AS MATERIALIZED (
    SELECT
        queryid,
        sum(calls)::bigint AS calls,
        sum(total_exec_time) AS total_ms,
        sum(rows)::bigint AS rows
    FROM pg_stat_statements(false)
    WHERE userid <> current_user::regrole AND toplevel
    GROUP BY queryid
    HAVING sum(rows + shared_blks_hit + shared_blks_read + local_blks_hit + local_blks_read + temp_blks_written) > 0
), listed AS (
    (SELECT * FROM statement ORDER BY total_ms DESC LIMIT 100)
    UNION
    (SELECT * FROM statement WHERE total_ms >= 100 * calls ORDER BY calls DESC LIMIT 20)
)
SELECT
    '' AS object,
    coalesce(sum(calls), 0)::bigint AS calls,
    coalesce(sum(total_ms), 0) AS total_ms,
    coalesce(sum(rows), 0)::bigint AS rows,
    count(*) AS entries,
    (SELECT dealloc FROM pg_stat_statements_info) AS dealloc,
    (SELECT stats_reset FROM pg_stat_statements_info) AS stats_reset
FROM statement
UNION ALL
SELECT queryid::text, calls, total_ms, rows, NULL, NULL, NULL FROM listed

-- Purpose: what the statements have cost since the counters were reset, without their texts, as the extension's version 1.8 tells it.
-- Privilege: pg_read_all_stats (in pg_monitor); the extension pg_stat_statements, 1.8, in this database; ALTER EXTENSION pg_stat_statements UPDATE brings the newest.
-- Columns: object (the statement's queryid; empty for the total of all), calls, total_ms (execution), rows (returned or changed);
--   in the row of the total also entries (statements counted); 1.8 does not tell when it was reset, nor that it dropped statements.
-- Listed are the 100 statements with the most time and the 20 most called of those whose mean is 100 ms or more; the total holds all.
-- Not counted: our own login's statements, and those that never touched a block nor gave a row (BEGIN, COMMIT, SET).
WITH statement AS MATERIALIZED (
    SELECT
        queryid,
        sum(calls)::bigint AS calls,
        sum(total_exec_time) AS total_ms,
        sum(rows)::bigint AS rows
    FROM pg_stat_statements(false)
    WHERE userid <> current_user::regrole
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
    NULL::bigint AS dealloc,
    NULL::timestamptz AS stats_reset
FROM statement
UNION ALL
SELECT queryid::text, calls, total_ms, rows, NULL, NULL, NULL FROM listed

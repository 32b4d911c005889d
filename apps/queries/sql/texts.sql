-- Purpose: the texts of the statements that `statements` lists. Reading texts costs ten times the counters, so this is asked only for statements not seen before.
-- Privilege: pg_read_all_stats (in pg_monitor); the extension pg_stat_statements, 1.8, in this database.
-- Columns: object (queryid), query (its first 4000 characters, constants replaced by $1, $2 …; NULL when the server has lost it).
--   PostgreSQL keeps constants of utility statements (CREATE ROLE … PASSWORD '…'): they are left out before anything is kept.
WITH statement AS MATERIALIZED (
    SELECT
        queryid,
        sum(calls)::bigint AS calls,
        sum(total_exec_time) AS total_ms,
        left(min(query), 4000) AS query
    FROM pg_stat_statements(true)
    WHERE userid <> current_user::regrole
    GROUP BY queryid
    HAVING sum(rows + shared_blks_hit + shared_blks_read + local_blks_hit + local_blks_read + temp_blks_written) > 0
), listed AS (
    (SELECT * FROM statement ORDER BY total_ms DESC LIMIT 100)
    UNION
    (SELECT * FROM statement WHERE total_ms >= 100 * calls ORDER BY calls DESC LIMIT 20)
)
SELECT queryid::text AS object, query FROM listed

-- Purpose: each partition's bounds and statistics. From PostgreSQL 14.
-- Privilege: none. A partition that DDL has locked, or waits to lock, is told by `locked` instead of being waited for.
-- Columns: object (schema and partition), parent (schema and table), bound (as PostgreSQL prints it, times in UTC; NULL while locked), locked,
--   detach_pending, live_rows (statistics' estimate, NULL when unknown), last_analysed.
WITH locked AS MATERIALIZED (
    SELECT DISTINCT relation
    FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT
    cn.nspname || '.' || c.relname AS object,
    pn.nspname || '.' || p.relname AS parent,
    CASE WHEN locked.relation IS NULL THEN pg_get_expr(c.relpartbound, c.oid) END AS bound,
    locked.relation IS NOT NULL AS locked,
    i.inhdetachpending AS detach_pending,
    CASE
        WHEN pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_live_tuples(c.oid) + pg_stat_get_dead_tuples(c.oid) > 0
            THEN pg_stat_get_live_tuples(c.oid)
        WHEN c.reltuples >= 0 THEN c.reltuples::bigint
        WHEN c.relpages = 0 THEN 0
    END AS live_rows,
    greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) AS last_analysed
FROM pg_inherits AS i
JOIN pg_partitioned_table AS pt ON pt.partrelid = i.inhparent
JOIN pg_class AS p ON p.oid = i.inhparent
JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS cn ON cn.oid = c.relnamespace
LEFT JOIN locked ON locked.relation = c.oid
ORDER BY parent, object
LIMIT 2000

-- Purpose: the tables with the most dead rows and the largest ones, estimates of the statistics and the catalog; no table is locked or read. From PostgreSQL 18.
-- Privilege: none; for bloat SELECT on the whole table, because pg_stats shows only the columns that the login may read.
-- Columns: object (schema and table), live_rows, dead_rows, dead_ratio (dead of all), last_vacuum and last_analyse (by a person or by
--   autovacuum), vacuum_ms, autovacuum_ms, analyse_ms, autoanalyse_ms and upkeep_ms (what they took since the statistics
--   were reset, by people, by autovacuum, and together), changed_rows (since the last analyse), frozen_used (age of the oldest
--   transaction id, of autovacuum_freeze_max_age), bytes (of the table itself, estimate), bloat_ratio (of these bytes, the part that its rows would not need by their average width; NULL where not
--   every column's width may be read), state (“locked by DDL” where a session holds it against everybody).
WITH one AS MATERIALIZED (
    SELECT usage.*, relpages, reltuples, relfrozenxid, reloptions
    FROM pg_stat_user_tables AS usage JOIN pg_class ON pg_class.oid = relid
    WHERE relpersistence <> 't'
), listed AS (
    (SELECT relid FROM one WHERE n_dead_tup > 0 ORDER BY n_dead_tup DESC LIMIT 20)
    UNION
    (SELECT relid FROM one ORDER BY relpages DESC LIMIT 30)
), size AS (
    SELECT current_setting('block_size')::int AS block
), wide AS MATERIALIZED (
    SELECT schemaname, tablename, sum((1 - null_frac) * avg_width) AS width
    FROM pg_stats
    WHERE NOT inherited AND (schemaname, tablename) IN (SELECT schemaname, relname FROM one JOIN listed USING (relid))
    GROUP BY schemaname, tablename
)
SELECT
    one.schemaname || '.' || relname AS object,
    n_live_tup AS live_rows,
    n_dead_tup AS dead_rows,
    coalesce(n_dead_tup::float8 / nullif(n_live_tup + n_dead_tup, 0), 0) AS dead_ratio,
    greatest(last_vacuum, last_autovacuum) AS last_vacuum,
    greatest(last_analyze, last_autoanalyze) AS last_analyse,
    total_vacuum_time AS vacuum_ms,
    total_autovacuum_time AS autovacuum_ms,
    total_analyze_time AS analyse_ms,
    total_autoanalyze_time AS autoanalyse_ms,
    total_vacuum_time + total_autovacuum_time + total_analyze_time + total_autoanalyze_time AS upkeep_ms,
    n_mod_since_analyze AS changed_rows,
    age(relfrozenxid)::float8 / current_setting('autovacuum_freeze_max_age')::int AS frozen_used,
    relpages::bigint * block AS bytes,
    CASE WHEN relpages > 100 AND reltuples >= 0 AND has_table_privilege(one.relid, 'SELECT') THEN greatest(
        0, 1 - reltuples * (28 + ceil(width / 8) * 8)
            / (relpages::float8 * (block - 24) * coalesce(substring(reloptions::text FROM 'fillfactor=(\d+)')::int, 100) / 100)
    ) END AS bloat_ratio,
    CASE WHEN EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'relation' AND relation = one.relid AND granted AND mode = 'AccessExclusiveLock'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) THEN 'locked by DDL' ELSE '' END AS state
FROM one
JOIN listed USING (relid)
CROSS JOIN size
LEFT JOIN wide ON wide.schemaname = one.schemaname AND wide.tablename = one.relname
ORDER BY n_dead_tup DESC, relpages DESC

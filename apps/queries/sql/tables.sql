-- Purpose: the tables with the most dead rows, estimates of the statistics; no table is locked or read.
-- Privilege: none.
-- Columns: object (schema and table), live_rows, dead_rows, dead_ratio (dead of all), last_vacuum (by a person or by autovacuum).
SELECT
    schemaname || '.' || relname AS object,
    n_live_tup AS live_rows,
    n_dead_tup AS dead_rows,
    n_dead_tup::float8 / (n_live_tup + n_dead_tup) AS dead_ratio,
    greatest(last_vacuum, last_autovacuum) AS last_vacuum
FROM pg_stat_user_tables
WHERE n_dead_tup > 0
ORDER BY n_dead_tup DESC
LIMIT 20

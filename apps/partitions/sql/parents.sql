-- Purpose: the partitioned tables, what lies in their default partition, and what a statement that names no key would lock.
--   Before PostgreSQL 14.
-- Privilege: none. Only catalogs and statistics are read, so that DDL on a partition never blocks it.
-- Columns: object (schema and table), strategy (range, list, hash), key, partitions, indexes (of the parent), default_partition (NULL: none),
--   default_rows (statistics' estimate; 0 without a default partition; NULL when statistics were lost), detach_pending (none: nothing is
--   detached concurrently here), never_analysed (1 when the parent has no statistics though its partitions have rows; NULL where the login may
--   not read it, for only who may sees them), lock_share (locks that a statement without the key takes, of the shared lock table), last_added_at
--   (when a partition was last attached; NULL without track_commit_timestamp).
SELECT
    n.nspname || '.' || c.relname AS object,
    CASE p.partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' WHEN 'h' THEN 'hash' END AS strategy,
    pg_get_partkeydef(c.oid) AS key,
    child.partitions,
    parent_index.indexes,
    d.relname AS default_partition,
    CASE
        WHEN d.oid IS NULL THEN 0
        WHEN pg_stat_get_tuples_inserted(d.oid) + pg_stat_get_live_tuples(d.oid) + pg_stat_get_dead_tuples(d.oid) > 0
            THEN pg_stat_get_live_tuples(d.oid)
        WHEN d.reltuples >= 0 THEN d.reltuples::bigint
        WHEN d.relpages = 0 THEN 0
    END AS default_rows,
    child.detach_pending,
    CASE WHEN has_table_privilege(c.oid, 'SELECT') THEN (
        child.has_rows
        AND NOT EXISTS (SELECT FROM pg_stats WHERE schemaname = n.nspname AND tablename = c.relname AND inherited)
    )::int END AS never_analysed,
    (1 + child.partitions * (1 + parent_index.indexes))::float8 / (
        current_setting('max_locks_per_transaction')::int
        * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)) AS lock_share,
    child.last_added_at
FROM pg_partitioned_table AS p
JOIN pg_class AS c ON c.oid = p.partrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_class AS d ON d.oid = p.partdefid
CROSS JOIN LATERAL (
    SELECT
        count(*) AS partitions,
        0::bigint AS detach_pending,
        coalesce(bool_or(pg_stat_get_live_tuples(i.inhrelid) > 0), false) AS has_rows,
        CASE WHEN current_setting('track_commit_timestamp')::boolean THEN max(pg_xact_commit_timestamp(i.xmin)) END AS last_added_at
    FROM pg_inherits AS i
    WHERE i.inhparent = c.oid
) AS child
CROSS JOIN LATERAL (SELECT count(*) AS indexes FROM pg_index AS x WHERE x.indrelid = c.oid) AS parent_index
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1

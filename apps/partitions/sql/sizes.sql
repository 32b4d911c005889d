-- Purpose: the size of each partition, and of the largest tables that are not partitioned.
-- Privilege: none. A table that DDL has locked, or waits to lock, has no size now instead of being waited for.
-- Columns: object (schema and table), parent (schema and table; empty: not partitioned), total_bytes (with indexes and TOAST), index_bytes;
--   NULL while locked.
WITH locked AS MATERIALIZED (
    SELECT DISTINCT relation
    FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), kept AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS object, coalesce(pn.nspname || '.' || p.relname, '') AS parent
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND c.relispartition
    LEFT JOIN pg_class AS p ON p.oid = i.inhparent
    LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND n.nspname NOT LIKE 'pg\_%'
    ORDER BY c.relpages DESC
    LIMIT 2000
)
SELECT
    object,
    parent,
    CASE WHEN locked.relation IS NULL THEN pg_total_relation_size(kept.oid) END AS total_bytes,
    CASE WHEN locked.relation IS NULL THEN pg_indexes_size(kept.oid) END AS index_bytes
FROM kept
LEFT JOIN locked ON locked.relation = kept.oid

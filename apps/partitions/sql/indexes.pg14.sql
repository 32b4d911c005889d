-- Purpose: indexes of partitioned tables that are invalid, or missing on a partition. From PostgreSQL 14.
-- Privilege: none.
-- Columns: object (schema and table), invalid (indexes of the table and its partitions that no query uses), missing (partitions without their
--   part of an index of the table), broken (sum of both), names (of the invalid ones).
SELECT
    n.nspname || '.' || c.relname AS object,
    invalid.count AS invalid,
    missing.count AS missing,
    invalid.count + missing.count AS broken,
    invalid.names
FROM pg_partitioned_table AS p
JOIN pg_class AS c ON c.oid = p.partrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT count(*), string_agg(x.indexrelid::regclass::text, ', ' ORDER BY x.indexrelid::regclass::text) AS names
    FROM pg_index AS x
    WHERE NOT x.indisvalid
        AND (x.indrelid = c.oid OR x.indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid))
) AS invalid
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM pg_index AS x
    JOIN pg_inherits AS i ON i.inhparent = c.oid AND NOT i.inhdetachpending
    WHERE x.indrelid = c.oid AND NOT EXISTS (
        SELECT 1
        FROM pg_inherits AS part
        JOIN pg_index AS y ON y.indexrelid = part.inhrelid
        WHERE part.inhparent = x.indexrelid AND y.indrelid = i.inhrelid)
) AS missing
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1

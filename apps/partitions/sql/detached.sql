-- Purpose: ordinary tables that look like partitions once detached and kept. PostgreSQL remembers no detached partition, so it is told by its
--   shape: in the parent's schema, named like it with more after an underscore, and with the same columns.
-- Privilege: none.
-- Columns: object (schema and parent), detached (how many such tables), names.
WITH shape AS MATERIALIZED (
    SELECT c.oid, c.relnamespace, c.relname, c.relkind, columns.list
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT array_agg(a.attname || ' ' || a.atttypid ORDER BY a.attname) AS list
        FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns
    WHERE (c.relkind = 'p' OR c.relkind = 'r' AND NOT c.relispartition)
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
)
SELECT
    n.nspname || '.' || parent.relname AS object,
    count(kept.oid) AS detached,
    string_agg(kept.relname, ', ' ORDER BY kept.relname) AS names
FROM shape AS parent
JOIN pg_namespace AS n ON n.oid = parent.relnamespace
LEFT JOIN shape AS kept
    ON kept.relkind = 'r' AND kept.relnamespace = parent.relnamespace AND kept.list = parent.list
        AND starts_with(kept.relname, parent.relname || '_')
WHERE parent.relkind = 'p'
GROUP BY n.nspname, parent.relname
ORDER BY 1

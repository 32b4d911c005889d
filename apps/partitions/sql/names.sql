-- Purpose: whether two servers show the same partitions, without sending all names.
-- Privilege: none.
-- Columns: object (schema and table), partitions, names (a digest of the partitions' names, in order).
SELECT
    pn.nspname || '.' || p.relname AS object,
    count(*) AS partitions,
    md5(string_agg(cn.nspname || '.' || c.relname, ' ' ORDER BY cn.nspname, c.relname)) AS names
FROM pg_partitioned_table AS pt
JOIN pg_class AS p ON p.oid = pt.partrelid
JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
JOIN pg_inherits AS i ON i.inhparent = p.oid
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS cn ON cn.oid = c.relnamespace
GROUP BY 1
ORDER BY 1
